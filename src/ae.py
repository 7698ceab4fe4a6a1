"""Autoencoder and denoising autoencoder:  python src/ae.py --noise 0.5"""

from jgen.platform.supervisor import supervise

if __name__ == "__main__":
    supervise()
    from jgen.cli.training import run
    from jgen.models.ae import AE

    run(AE)
