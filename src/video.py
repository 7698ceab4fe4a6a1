"""Stitch a run's grids into its MP4 again:  python src/video.py beta-vae"""

from jgen import tool
from jgen.stitching import Stitching, stitch

if __name__ == "__main__":
    tool.run("video.py", Stitching, stitch)
