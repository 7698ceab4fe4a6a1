"""Images from a finished run:  python src/sample.py beta-vae -n 10000 --npz samples.npz"""

from jgen.platform.supervisor import supervise

if __name__ == "__main__":
    supervise()
    from jgen.cli import tool
    from jgen.cli.sample import Sampling, sample

    tool.run("sample.py", Sampling, sample)
