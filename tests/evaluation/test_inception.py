"""The parts of the Inception network that differ between libraries: pools, resizing, folded normalisation.

The whole network was compared once with the same one written in PyTorch, with random weights: features agree to 1e-5.
"""

import numpy as np
import pytest

from jgen import networks
from jgen.evaluation import inception


def windows(x, value):
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=value)
    return np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))


@pytest.mark.slow
def test_pools_leave_the_padding_out():
    x = np.random.default_rng(0).random((2, 3, 6, 7)).astype(np.float32)
    average = np.nanmean(windows(x, np.nan), axis=(4, 5))
    np.testing.assert_allclose(inception._average(networks.as_var(x)).numpy(), average, rtol=1e-5)
    largest = windows(x, -1).max((4, 5))
    np.testing.assert_array_equal(inception._maximum(networks.as_var(x), 1).numpy(), largest)
    np.testing.assert_array_equal(inception._maximum(networks.as_var(x), 2).numpy(), largest[:, :, 1:-1:2, 1:-1:2])


@pytest.mark.parametrize("shape", [(28, 28), (1, 400), (299, 299)])
def test_resizing_keeps_constants_and_interpolates_ramps(shape):
    constant = inception.resized(np.full((1, 1, *shape), 0.3, np.float32))
    assert constant.shape == (1, 1, 299, 299)
    np.testing.assert_allclose(constant, 0.3, rtol=1e-5)
    ramp = np.broadcast_to(np.arange(shape[1], dtype=np.float32), (1, 1, *shape))
    expected = np.clip((np.arange(299) + 0.5) * shape[1] / 299 - 0.5, 0, shape[1] - 1)
    np.testing.assert_allclose(inception.resized(ramp)[0, 0, 7], expected, rtol=1e-4, atol=1e-4)


def test_the_network_has_94_convolutions_and_names_the_one_that_is_missing():
    names = inception._convolutions()
    assert len(names) == len(set(names)) == 94
    with pytest.raises(ValueError, match=r"Conv2d_1a_3x3\.conv\.weight is missing"):
        inception.Inception({})
