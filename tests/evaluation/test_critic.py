"""The critic's curve, gap and weights, where the answers are known."""

import types

import numpy as np
import pytest

from jgen import networks
from jgen.evaluation import critic
from jgen.models.wgan import WGAN, Config
from jgen.training.algorithm import Shape


def test_the_curve_is_negated_and_free_of_outliers():
    rows = [{"epoch": epoch, "critic_loss": -100.0 if epoch == 10 else -1 / epoch} for epoch in range(1, 31)]
    epochs, values, filtered = critic.curve(rows)
    assert values.max() == 100 and filtered.max() <= 1 and list(epochs) == list(range(1, 31))
    assert filtered[0] > filtered[-1] > 0


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_the_curve_of_a_short_run(count):
    _, values, filtered = critic.curve([{"epoch": 1, "critic_loss": -2.0}] * count)
    assert len(values) == count and (filtered == 2).all()


class Brightness:
    """A stand-in whose critic scores an image by its mean."""

    def __init__(self, weights, penalty="clip"):
        self.config = types.SimpleNamespace(clip=0.01, penalty=penalty)
        self.networks = {"critic": WGAN(Config(hidden=(4, 4), critic_hidden=(3,)), Shape((1, 2, 2))).critic}
        for parameter in self.networks["critic"].parameters():
            parameter.assign(networks.as_var(np.full(parameter.shape, weights, np.float32)))

    def score(self, x):
        return x.reshape((x.shape[0], -1)).mean(1, keepdims=True)


def test_gaps_are_differences_of_mean_scores():
    train, held_out, fake = (np.full((6, 1, 2, 2), value, np.float32) for value in (0.9, 0.7, 0.2))
    measured = critic.measure(Brightness(0.01), train, held_out, fake)
    assert measured["critic_gap"]["value"] == pytest.approx(0.2, abs=1e-6)
    assert measured["critic_train_minus_fake"]["value"] == pytest.approx(0.7, abs=1e-6)
    assert measured["weights_at_bound"]["value"] == 100
    assert critic.measure(Brightness(-0.005), train, held_out, fake)["weights_at_bound"]["value"] == 0
    assert "weights_at_bound" not in critic.measure(Brightness(0.01, "gradient"), train, held_out, fake)
