"""The interface's own parts: rows of a grid, and the noise of a step."""

import numpy as np
import pytest

from jgen import random
from jgen.platform.runtime import jt
from jgen.training.algorithm import Grid
from jgen.training.noise import Noise


def test_rows_of_a_grid_alternate():
    first, second = (jt.array(np.arange(5, dtype=np.float32).reshape(5, 1, 1, 1) + offset) for offset in (0, 10))
    grid = Grid.rows(first, second, columns=2)
    assert grid.images.numpy().ravel().tolist() == [0, 1, 10, 11, 2, 3, 12, 13]  # a fifth would shift the others
    assert grid.columns == 2
    few = Grid.rows(first, second)
    assert few.images.numpy().ravel().tolist() == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14] and few.columns == 5


def test_noise_is_a_function_of_seed_epoch_step_and_purpose():
    def drawn(*key, **purpose):
        return Noise(*key, **purpose).normal(3).numpy().tolist()

    assert drawn(0, 1, 2) == drawn(0, 1, 2)
    others = [drawn(1, 1, 2), drawn(0, 2, 2), drawn(0, 1, 3), drawn(0, 1, 2, purpose=random.PREVIEW)]
    assert drawn(0, 1, 2) not in others


def test_one_step_draws_fresh_numbers_each_time():
    noise = Noise(0, 1, 0)
    first, second = noise.normal(1000).numpy(), noise.normal(1000).numpy()
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.15
    uniform = noise.uniform(1000).numpy()
    assert uniform.min() >= 0 and uniform.max() < 1 and uniform.mean() == pytest.approx(0.5, abs=0.05)


def test_noise_of_another_step_is_what_the_run_draws_there():
    first = Noise(3, 1, 4, n_steps=5)
    for step, epoch in ((4, 1), (5, 2), (14, 3)):
        expected = Noise(3, epoch, step, n_steps=5).normal_array(2, 3)
        np.testing.assert_array_equal(first.of_step(step).normal_array(2, 3), expected)
    rows = random.Rows(1, 3, 4)
    part = Noise(3, 1, 4, rows=rows).of_step(7)
    np.testing.assert_array_equal(part.normal_array(2, 3), Noise(3, 1, 7).normal_array(4, 3)[1:3])
