"""Autoencoder and denoising autoencoder:  python src/ae.py --noise 0.5"""

from jgen.cli.training import run
from jgen.models.ae import AE

if __name__ == "__main__":
    run(AE)
