"""Stitch a run's grids into its MP4 again:  python src/video.py beta-vae"""

from jgen.platform.supervisor import supervise

if __name__ == "__main__":
    supervise()
    from jgen.cli import tool
    from jgen.cli.video import Stitching, stitch

    tool.run("video.py", Stitching, stitch)
