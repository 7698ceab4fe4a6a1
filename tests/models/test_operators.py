"""How many operators Jittor runs in a step: each is a launch on a GPU, and a fixed cost on the CPU."""

import numpy as np
import pytest

from jgen.models import ae, beta_vae, cvae, vae, wgan
from jgen.platform.runtime import jt
from jgen.training.algorithm import Shape
from jgen.training.noise import Noise

STEPS = 10  # two rounds of the WGAN's generator


@pytest.mark.parametrize(
    ("algorithm_class", "most"), [(ae.AE, 10), (vae.VAE, 12), (beta_vae.BetaVAE, 13), (cvae.CVAE, 22), (wgan.WGAN, 12)]
)
def test_a_step_runs_few_operators(algorithm_class, most):
    """Layers, losses and the optimizer take a kernel or two each; a loss takes one or two more."""
    mlp = {"net": "mlp"} if algorithm_class is cvae.CVAE else {}
    algorithm = algorithm_class(algorithm_class.Config(**mlp), Shape((1, 8, 8), n_classes=3))
    algorithm.begin_epoch(1, 2)
    generator = np.random.default_rng(0)
    x, y = generator.random((6, 1, 8, 8), np.float32), generator.integers(0, 3, 6).astype(np.int32)

    def step(number):
        terms = algorithm.step(jt.array(x), jt.array(y), Noise(0, 1, number))
        jt.sync([value.stop_grad() for value in terms.values()])

    for number in range(STEPS):
        step(number)
    jt.profiler.start(0, 0)
    for number in range(STEPS, 2 * STEPS):
        step(number)
    jt.profiler.stop()
    names, *rows = jt.profiler.report()
    assert 5 <= sum(float(row[names.index("Count")]) for row in rows) / STEPS <= most
