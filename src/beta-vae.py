"""beta-VAE (Higgins et al., 2017):  python src/beta-vae.py -b 0.1"""

from jgen.platform.supervisor import supervise

if __name__ == "__main__":
    supervise()
    from jgen.cli.training import run
    from jgen.models.beta_vae import BetaVAE

    run(BetaVAE)
