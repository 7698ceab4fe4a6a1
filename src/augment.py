"""Augmented copies of labelled images:  python src/augment.py g-vae photos/ photos-augmented/ -n 4 --sigma 0.5"""

from jgen import tool
from jgen.exploration.augmentation import Augmentation, augment

if __name__ == "__main__":
    tool.run("augment.py", Augmentation, augment)
