import numpy as np
import pytest

from jgen.data.dataset import Dataset
from jgen.data.fit import fit


@pytest.fixture
def dataset(noise):
    x, y = noise(300, 1, 8, 8), np.arange(300) % 3
    return Dataset("tiny", x[:280], y[:280], x[280:], y[280:], ("a", "b", "c"), {"files": {"f": 1}})


def test_what_fits_is_left_alone(tmp_path, dataset, log):
    assert fit(dataset, None, None, tmp_path / "cache", log) is dataset
    assert fit(dataset, (8, 8), 1, tmp_path / "cache", log) is dataset
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("size, channels", [((16, 12), 1), (None, 3), ((4, 4), 3), ((1, 1), None)])
def test_images_change_and_nothing_else(tmp_path, dataset, log, size, channels):
    for _ in range(2):
        fitted = fit(dataset, size, channels, tmp_path, log)
        assert fitted.image_shape == (channels or 1, *(size or (8, 8)))
        assert len(fitted.x_train) == 280 and len(fitted.x_test) == 20
        assert fitted.y_train is dataset.y_train and fitted.classes == dataset.classes
    assert len(log) == 1  # converted once
    if size is None:
        assert np.array_equal(fitted.x_test, dataset.x_test.repeat(3, axis=1))
