"""Numbers with their protocol:  python src/evaluate.py beta-vae"""

from jgen import tool
from jgen.evaluation.job import Evaluation, evaluate

if __name__ == "__main__":
    tool.run("evaluate.py", Evaluation, evaluate)
