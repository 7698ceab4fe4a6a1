"""One process of those that test_mpirun.py starts with mpirun:  mpi_worker.py JOB …

train WHAT ARGUMENT …    train a beta-VAE; then write the state of this process to OUT/state_RANK.npz. WHAT is
                         "nothing" or what happens to process 1 in global step 31: TERM, KILL, error, nan
losses FILE              steps of several models, shared by the processes and by one of them alone -> FILE as JSON
"""

import json
import os
import pathlib
import signal
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "src"))

from jgen.cli import training
from jgen.errors import UserError
from jgen.models.ae import AE
from jgen.models.beta_vae import BetaVAE
from jgen.models.conv_vae import ConvVAE
from jgen.models.cvae import CVAE
from jgen.training import distributed, trainer
from jgen.training.algorithm import Shape
from jgen.training.noise import Noise

EVENT_STEP = 31
IMAGE = (3, 8, 8)
N, STEPS = 7, 3  # 7 rows: 3 for one process, 4 for the other
CASES = {
    "ae": (AE, {"hidden": (6,), "latent_dim": 3, "noise": 0.3}),
    "cvae power": (CVAE, {"net": "mlp", "hidden": (6,), "latent_dim": 3, "combine": "power", "alpha": 0.5}),
    "cvae mean": (
        CVAE,
        {"net": "mlp", "hidden": (6,), "latent_dim": 3, "combine": "power", "reduction": "mean", "beta_weight": 0.7},
    ),
    "conv-vae": (ConvVAE, {"widths": (4,), "latent_dim": 3, "flip": "on", "shift": 1, "colour": 0.1}),
}


def happen(what, terms):
    """What befalls process 1; returns the step's terms."""
    if what in ("TERM", "KILL"):
        os.kill(os.getpid(), getattr(signal, f"SIG{what}"))
    if what == "error":
        raise UserError("its disk is gone: put it back")
    from jgen import networks

    return terms | {"loss": networks.scalar(float("nan"))} if what == "nan" else terms


def train(what, *arguments):
    step, fit = BetaVAE.step, trainer.Trainer.fit
    out = pathlib.Path(arguments[arguments.index("--out") + 1])

    def eventful_step(self, x, y, noise):
        terms = step(self, x, y, noise)
        return happen(what, terms) if noise.step == EVENT_STEP and distributed.rank() == 1 else terms

    def watched_fit(self):
        fit(self)
        np.savez(out / f"state_{distributed.rank()}.npz", **self.algorithm.state())

    BetaVAE.step, trainer.Trainer.fit = eventful_step, watched_fit
    training.run(BetaVAE, list(arguments))


def losses(file):
    """{case: [[terms of a step …] shared by the processes, the same of one alone]}."""
    distributed.start("cpu")
    found = {}
    for name, (algorithm_class, options) in CASES.items():
        shared = run_steps(algorithm_class, options, distributed.take_rows(N))
        with distributed.alone():
            found[name] = shared, run_steps(algorithm_class, options, None)
    found["covariance"] = covariances()
    if distributed.is_first():
        pathlib.Path(file).write_text(json.dumps(found))
    distributed.barrier()


def run_steps(algorithm_class, options, rows):
    """Three steps on the same images: their losses, and the sum of the squares of all that was learned."""
    from jgen.platform.runtime import jt

    algorithm = algorithm_class(algorithm_class.Config(**options), Shape(IMAGE, 3))
    algorithm.begin_epoch(1, 1)
    generator = np.random.default_rng(1)
    x, y = generator.random((N, *IMAGE), np.float32), np.arange(N, dtype=np.int32) % 3
    cut = (lambda array: array) if rows is None else rows.of
    found = []
    for step in range(STEPS):
        terms = algorithm.step(jt.array(cut(x)), jt.array(cut(y)), Noise(0, 1, step, rows=rows))
        found.append(distributed.mean_numbers([float(value.item()) for value in terms.values()]))
    state = algorithm.state()
    return [*found, [float((state[name].astype(np.float64) ** 2).sum()) for name in sorted(state)]]


def covariances():
    from jgen.losses.isda import ClassCovariance
    from jgen.platform.runtime import jt

    generator, rows = np.random.default_rng(2), distributed.take_rows(N)
    shared = ClassCovariance(3, 4, full=True)
    whole = ClassCovariance(3, 4, full=True)
    for _ in range(STEPS):
        features, y = generator.standard_normal((N, 4), np.float32), generator.integers(0, 3, N).astype(np.int32)
        shared.update(jt.array(rows.of(features)), jt.array(rows.of(y)))
        with distributed.alone():
            whole.update(jt.array(features), jt.array(y))
    return [[array.tolist() for array in estimate.state().values()] for estimate in (shared, whole)]


if __name__ == "__main__":
    {"train": train, "losses": losses}[sys.argv[1]](*sys.argv[2:])
