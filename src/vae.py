"""VAE (Kingma & Welling, 2013):  python src/vae.py"""

from jgen.cli.training import run
from jgen.models.vae import VAE

if __name__ == "__main__":
    run(VAE)
