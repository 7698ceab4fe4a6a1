"""G-VAE, a VAE that classifies, with the ISDA loss:  python src/g-vae.py --data cifar10"""

from jgen.platform.supervisor import supervise

if __name__ == "__main__":
    supervise()
    from jgen.cli.training import run
    from jgen.models.g_vae import GVAE

    run(GVAE)
