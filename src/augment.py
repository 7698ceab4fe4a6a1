"""Augmented copies of labelled images:  python src/augment.py photos/ photos-augmented/"""

from jgen.platform.supervisor import supervise

if __name__ == "__main__":
    supervise()
    from jgen.augmentation.augment import Augmentation, augment
    from jgen.cli import tool

    tool.run("augment.py", Augmentation, augment)
