"""Numbers with their protocol:  python src/evaluate.py beta-vae"""

from jgen.platform.supervisor import supervise

if __name__ == "__main__":
    supervise()
    from jgen.cli import tool
    from jgen.evaluation.job import Evaluation, evaluate
    from reproduction.experiments import published

    tool.run("evaluate.py", Evaluation, lambda options: evaluate(options, published))
