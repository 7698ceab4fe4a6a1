"""Pictures of a finished run:  python src/explore.py beta-vae traverse"""

from jgen.platform.supervisor import supervise

if __name__ == "__main__":
    supervise()
    from jgen.cli import tool
    from jgen.exploration.job import KINDS, SUMMARY, explore

    tool.run_kind("explore.py", SUMMARY, KINDS, explore)
