"""WGAN (Arjovsky et al., 2017):  python src/wgan.py"""

from jgen.platform.supervisor import supervise

if __name__ == "__main__":
    supervise()
    from jgen.cli.training import run
    from jgen.models.wgan import WGAN

    run(WGAN)
