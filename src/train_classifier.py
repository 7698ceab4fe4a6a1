"""The independent classifier, trained:  python src/train_classifier.py --data mnist"""

from jgen.platform.supervisor import supervise

if __name__ == "__main__":
    supervise()
    from jgen.cli import tool
    from jgen.judges.training import Training, train

    tool.run("train_classifier.py", Training, train)
