"""beta-VAE (Higgins et al., 2017):  python src/beta-vae.py -b 0.1"""

from jgen.cli.training import run
from jgen.models.beta_vae import BetaVAE

if __name__ == "__main__":
    run(BetaVAE)
