"""Augmented copies of labelled images:  python src/augment.py photos/ photos-augmented/"""

from jgen.augmentation.augment import Augmentation, augment
from jgen.cli import tool

if __name__ == "__main__":
    tool.run("augment.py", Augmentation, augment)
