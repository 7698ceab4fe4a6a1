"""Images from a finished run:  python src/sample.py beta-vae -n 10000 --npz samples.npz"""

from jgen.cli import tool
from jgen.cli.sample import Sampling, sample

if __name__ == "__main__":
    tool.run("sample.py", Sampling, sample)
