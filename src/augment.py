"""Augmented copies of labelled images:  python src/augment.py g-vae photos/ photos-augmented/ -n 4 --sigma 0.5"""

from jgen.augmentation.augment import Augmentation, augment
from jgen.cli import tool

if __name__ == "__main__":
    tool.run("augment.py", Augmentation, augment)
