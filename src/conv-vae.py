"""Convolutional VAE for image folders:  python src/conv-vae.py --data FOLDER --size 128"""

from jgen.cli.training import run
from jgen.models.conv_vae import ConvVAE

if __name__ == "__main__":
    run(ConvVAE)
