"""VAE (Kingma & Welling, 2013):  python src/vae.py"""

from jgen.platform.supervisor import supervise

if __name__ == "__main__":
    supervise()
    from jgen.cli.training import run
    from jgen.models.vae import VAE

    run(VAE)
