"""Conditional VAE (Sohn et al., 2015):  python src/cvae.py --net conv"""

from jgen.platform.supervisor import supervise

if __name__ == "__main__":
    supervise()
    from jgen.cli.training import run
    from jgen.models.cvae import CVAE

    run(CVAE)
