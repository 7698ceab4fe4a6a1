"""Conditional VAE (Sohn et al., 2015):  python src/cvae.py --net conv"""

from jgen.cli.training import run
from jgen.models.cvae import CVAE

if __name__ == "__main__":
    run(CVAE)
