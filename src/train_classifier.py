"""The independent classifier, trained:  python src/train_classifier.py --data mnist"""

from jgen.cli import tool
from jgen.judges.training import Training, train

if __name__ == "__main__":
    tool.run("train_classifier.py", Training, train)
