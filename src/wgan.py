"""WGAN (Arjovsky et al., 2017):  python src/wgan.py"""

from jgen.cli.training import run
from jgen.models.wgan import WGAN

if __name__ == "__main__":
    run(WGAN)
