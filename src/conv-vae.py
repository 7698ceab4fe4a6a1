"""Convolutional VAE for image folders:  python src/conv-vae.py --data FOLDER --size 128"""

from jgen.platform.supervisor import supervise

if __name__ == "__main__":
    supervise()
    from jgen.cli.training import run
    from jgen.models.conv_vae import ConvVAE

    run(ConvVAE)
