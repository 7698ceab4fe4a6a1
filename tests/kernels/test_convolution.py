"""The kernels of convolutions against their NumPy definitions, of features and between images and features."""

import numpy as np
import pytest

from covering import covering
from finite_differences import assert_equals_definition, assert_independent_of_threads, drawn
from jgen.kernels import bias_activation, convolution, image_convolution
from jgen.platform.runtime import jt

pytestmark = pytest.mark.usefixtures("on_the_cpu")

# n, height, width, channels in and out, kernel, stride, padding
GEOMETRIES = [
    (2, 7, 5, 3, 4, 3, 1, 1),
    (3, 7, 6, 16, 32, 3, 2, 1),
    (2, 8, 8, 17, 5, 4, 2, 1),
    (2, 6, 9, 8, 8, 3, 2, 0),
    (1, 5, 5, 2, 3, 1, 1, 0),
    (2, 6, 6, 4, 4, 3, 1, 0),
]
SLOPES = [0.0, 0.1, 1.0]
BIASES = [False, True]
THREADS = [1, 2, 3]


def transposed(definition, x_shape, x):
    """The transpose of the linear map definition([N, …]) -> [N, …], applied to x, for images of shape x_shape."""
    size = int(np.prod(x_shape[1:]))
    basis = np.eye(size).reshape(size, *x_shape[1:])
    matrix = definition(basis).reshape(size, -1)  # [in, out]
    return (x.reshape(len(x), -1) @ matrix.T).reshape(x_shape)


def leaky(value, slope):
    return np.where(value > 0, value, slope * value)


@pytest.mark.parametrize(
    "geometry, slope, with_bias, threads", covering(GEOMETRIES, SLOPES, BIASES, THREADS), indirect=["threads"]
)
def test_convolution(threads, geometry, slope, with_bias):
    n, height, width, n_in, n_out, side, stride, padding = geometry
    arrays = drawn((n, height, width, n_in), (n_out, n_in, side, side), *[n_out] * with_bias)

    def definition(x, weight, bias=0.0):
        return convolution.reference(x, weight, bias, stride, padding, slope)

    assert_equals_definition(convolution.Convolution(stride, padding, slope), definition, arrays)


@pytest.mark.parametrize(
    "geometry, slope, with_bias, threads", covering(GEOMETRIES, SLOPES, BIASES, THREADS), indirect=["threads"]
)
def test_transposed_convolution(threads, geometry, slope, with_bias):
    n, height, width, n_out, n_in, side, stride, padding = geometry
    of_result = (n, height, width, n_out)
    x_shape = convolution.reference(np.zeros(of_result), np.zeros((n_in, n_out, side, side)), 0, stride, padding).shape
    arrays = drawn(x_shape, (n_in, n_out, side, side), *[n_out] * with_bias)

    def definition(x, weight, bias=0.0):
        back = transposed(lambda y: convolution.reference(y, weight, 0, stride, padding), of_result, x)
        return leaky(back + bias, slope)

    function = convolution.TransposedConvolution(stride, padding, (height, width), slope)
    assert_equals_definition(function, definition, arrays)


def test_transposed_convolutions_are_cut_at_their_lower_and_right_edges(threads):
    arrays = drawn((2, 4, 5, 3), (3, 5, 4, 4))

    def definition(x, weight):
        whole = transposed(lambda y: convolution.reference(y, weight, 0, 2, 1), (2, 8, 10, 5), x)
        return whole[:, :7, :9]

    assert_equals_definition(convolution.TransposedConvolution(2, 1, (7, 9)), definition, arrays)
    to_images = image_convolution.ToImages(2, 1, (7, 9), True)
    assert_equals_definition(to_images, lambda *given: definition(*given).transpose(0, 3, 1, 2), arrays)


@pytest.mark.parametrize("slope, with_bias", covering(SLOPES, BIASES))
def test_what_is_not_a_number_stays_so(slope, with_bias):
    x, weight, bias = drawn((1, 6, 6, 16), (16, 16, 3, 3), 16)
    x[0, 2, 2, 5] = np.nan
    given = [*map(as_var, (x, weight)), *[as_var(bias)] * with_bias]
    for function in (convolution.Convolution(1, 1, slope), convolution.TransposedConvolution(1, 1, (6, 6), slope)):
        assert np.isnan(function(*given).numpy()[0, 1:4, 1:4]).all()
    given[0] = as_var(x.transpose(0, 3, 1, 2))
    assert np.isnan(image_convolution.ToFeatures(1, 1, slope)(*given).numpy()[0, 1:4, 1:4]).all()


def test_a_layer_of_other_channels_is_refused():
    x, weight = as_var(np.zeros((1, 6, 6, 5))), as_var(np.zeros((4, 3, 3, 3)))
    for function in (
        convolution.Convolution(1, 1),
        convolution.TransposedConvolution(1, 1, (6, 6)),
        image_convolution.ToFeatures(1, 1),
        image_convolution.ToImages(1, 1, (6, 6), True),
    ):
        with pytest.raises(AssertionError, match="against a weight"):
            function(x, weight)


def as_var(array):
    return jt.array(array.astype(np.float32))


@pytest.mark.parametrize(
    "geometry, slope, with_bias, threads",
    covering([*GEOMETRIES, (9, 30, 28, 1, 16, 3, 1, 1), (2, 2, 2, 3, 4, 4, 2, 1)], SLOPES, BIASES, THREADS),
    indirect=["threads"],
)
def test_images_to_features(threads, geometry, slope, with_bias):
    n, height, width, n_in, n_out, side, stride, padding = geometry
    arrays = drawn((n, n_in, height, width), (n_out, n_in, side, side), *[n_out] * with_bias)

    def definition(images, weight, bias=0.0):
        return image_convolution.reference(images, weight, bias, stride, padding, slope)

    assert_equals_definition(image_convolution.ToFeatures(stride, padding, slope), definition, arrays)


@pytest.mark.parametrize("geometry", [*GEOMETRIES, (9, 12, 10, 1, 16, 3, 1, 1), (2, 2, 2, 3, 4, 4, 2, 1)])
def test_features_to_images_by_a_transposed_convolution(threads, geometry):
    n, height, width, channels, n_features, side, stride, padding = geometry
    of_images = (n, channels, height, width)
    weights = (n_features, channels, side, side)
    shape = image_convolution.reference(np.zeros(of_images), np.zeros(weights), 0, stride, padding).shape
    arrays = drawn(shape, weights, channels)

    def definition(x, weight, bias):
        back = transposed(lambda y: image_convolution.reference(y, weight, 0, stride, padding), of_images, x)
        return back + bias[:, None, None]

    assert_equals_definition(image_convolution.ToImages(stride, padding, (height, width), True), definition, arrays)


@pytest.mark.parametrize("side, padding, channels", [(3, 1, 1), (1, 0, 3), (4, 2, 1), (3, 0, 3)])
def test_features_to_images_by_a_convolution(threads, side, padding, channels):
    arrays = drawn((9, 6, 7, 5), (channels, 5, side, side), channels)
    sizes = [size + 2 * padding - side + 1 for size in (6, 7)]

    def definition(x, weight, bias):
        return convolution.reference(x, weight, bias, 1, padding).transpose(0, 3, 1, 2)

    assert_equals_definition(image_convolution.ToImages(1, padding, sizes, False), definition, arrays)


def test_large_images_are_unfolded_in_parts():
    images, weight, bias = drawn((2, 3, 150, 140), (4, 3, 5, 5), 4)
    got = image_convolution.ToFeatures(1, 2)(*map(as_var, (images, weight, bias))).numpy()
    expected = image_convolution.reference(images, weight, bias, 1, 2)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
    back = image_convolution.ToImages(1, 2, (150, 140), True)(as_var(expected), as_var(weight)).numpy()
    turned = np.flip(weight, (2, 3)).transpose(1, 0, 2, 3)
    wanted = convolution.reference(expected, turned, 0, 1, 2).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(back, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())


def test_the_bits_of_image_convolutions_do_not_depend_on_the_number_of_threads():
    arrays = drawn((21, 3, 9, 8), (5, 3, 3, 3), 5)
    assert_independent_of_threads(image_convolution.ToFeatures(1, 1, 0.1), arrays)
    arrays = drawn((21, 9, 8, 5), (5, 3, 3, 3), 3)
    assert_independent_of_threads(image_convolution.ToImages(1, 1, (9, 8), True), arrays)


@pytest.mark.parametrize("slope", SLOPES)
def test_gradients_behind_bias_and_activation(threads, slope):
    dy, y = drawn((3, 40, 30, 9), (3, 40, 30, 9))
    d, (dbias,) = bias_activation.gradients(as_var(dy), as_var(y), slope, True)
    expected_d, expected_dbias = bias_activation.reference(dy, y, slope)
    np.testing.assert_allclose(d.numpy(), expected_d, rtol=1e-6)
    np.testing.assert_allclose(dbias.numpy(), expected_dbias, rtol=1e-4, atol=1e-3)
