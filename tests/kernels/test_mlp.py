"""The fused stack of linear layers against its NumPy definition, finite differences and Jittor's operators."""

import contextlib
import itertools

import numpy as np
import pytest

from covering import covering
from finite_differences import as_vars, assert_equals_definition, results_by_threads
from jgen import kernels, networks
from jgen.kernels import batch_norm, mlp
from jgen.platform.runtime import jt

pytestmark = pytest.mark.usefixtures("on_the_cpu")

ACTIVATIONS = ("relu", "leaky-relu", "tanh")
LAST = ("", "relu", "tanh")
THREADS = (1, 2, 3)


def drawn(*sizes, n, seed=0):
    """x [n, sizes[0]] and the parameters W1, b1, … of a stack, float64."""
    rng = np.random.default_rng(seed)
    parameters = [
        array
        for n_in, n_out in itertools.pairwise(sizes)
        for array in (rng.normal(size=(n_out, n_in)) / np.sqrt(n_in), rng.normal(size=n_out))
    ]
    return rng.normal(size=(n, sizes[0])), parameters


@pytest.mark.parametrize(
    "rows, activation, last, threads",
    covering([((3, 2), 1), ((7, 33, 65, 9), 5), ((40, 130, 131), 64), ((1, 1, 1), 2)], ACTIVATIONS, LAST, THREADS),
    indirect=["threads"],
)
def test_forward_equals_its_numpy_definition(threads, activation, last, rows):
    sizes, n = rows
    x, parameters = drawn(*sizes, n=n)
    y = mlp.Stack(activation, last)(*as_vars([x, *parameters]))
    expected = mlp.reference(x, parameters, activation, last)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "activation, last, threads, rows",
    covering(ACTIVATIONS, LAST, THREADS, [((3, 2), 1), ((4, 6, 5, 3), 5)]),
    indirect=["threads"],
)
def test_gradients_equal_finite_differences(threads, activation, last, rows):
    sizes, n = rows
    x, parameters = drawn(*sizes, n=n, seed=1)
    weights = np.random.default_rng(2).normal(size=(n, sizes[-1]))
    arrays = [x, *parameters]
    inputs = as_vars(arrays)
    y = mlp.Stack(activation, last)(*inputs)
    gradients = jt.grad((y * jt.array(weights.astype(np.float32))).sum(), inputs)

    def objective(changed):
        return (mlp.reference(changed[0], changed[1:], activation, last) * weights).sum()

    for position, gradient in enumerate(gradients):
        numeric = np.zeros_like(arrays[position])
        for index in np.ndindex(*numeric.shape):
            moved = [array.copy() for array in arrays]
            moved[position][index] += 1e-6
            higher = objective(moved)
            moved[position][index] -= 2e-6
            numeric[index] = (higher - objective(moved)) / 2e-6
        np.testing.assert_allclose(gradient.numpy(), numeric, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "columns, activation, threads, is_data",
    covering([((5, 4), 2), ((90, 70, 40), 33), ((40, 1, 3), 39), ((337, 70), 37)], ACTIVATIONS, THREADS, [True, False]),
    indirect=["threads"],
)
def test_features_joined_to_data_and_to_others(threads, activation, columns, is_data):
    sizes, n_joined = columns
    x, parameters = drawn(*sizes, n=7, seed=3)
    arrays = [x[:, n_joined:], *parameters, x[:, :n_joined]]

    def definition(data, *rest):
        return mlp.reference(np.concatenate([data, rest[-1]], 1), rest[:-1], activation)

    def function(data, *rest):
        return mlp.Stack(activation, joined=True)(data.stop_grad() if is_data else data, *rest)

    assert_equals_definition(function, definition, arrays, frozen=[0] if is_data else [])


@pytest.mark.slow
@pytest.mark.parametrize("is_data", [False, True])
def test_a_network_joins_features_to_data_and_to_what_has_a_gradient(is_data):
    network = networks.MLP(12, 9, 4)
    x, label = as_vars(np.random.default_rng(0).random((2, 6, 12)))
    x, label = (part.copy() for part in (x[:, :8], label[:, :4]))
    given = x.stop_grad() if is_data else x
    leaves = [label, *network.parameters(), *([] if is_data else [x])]
    gradients = jt.grad(network(given, label).sum(), leaves)
    with kernels.composed():
        expected = jt.grad(network(given, label).sum(), leaves)
    for ours, theirs in zip(gradients, expected):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)


NORMALISED = {
    # sizes, which layers, the last activation, minibatches
    "all": ((3, 4), (True,), "relu", 1),
    "after a plain one": ((5, 40, 70, 9), (False, True, False), "tanh", 1),
    "more columns than a thread takes at once": ((6, 150, 3), (True, False), "", 2),
    "the last one": ((4, 33, 20), (False, True), "", 3),
    "two of few columns": ((4, 7, 5, 2), (True, True, False), "leaky-relu", 2),
}


def drawn_normalised(name, n, eps=1e-2, joined=0):
    """(function of Vars, its definition, arrays x, W1, b1, …, then gamma and beta of each normalised layer).

    joined: that many of x's columns come last instead.
    """
    sizes, which, last, minibatches = NORMALISED[name]
    x, parameters = drawn(*sizes, n=n * minibatches)
    rng = np.random.default_rng(8)
    norms = [rng.normal(size=width) for width, is_so in zip(sizes[1:], which) if is_so for _ in range(2)]
    end, end_of_norms = len(parameters), len(parameters) + len(norms)

    def function(x, *arrays):
        pairs = zip(arrays[end:end_of_norms:2], arrays[end + 1 : end_of_norms : 2])
        of_norms = [v for gamma, beta in pairs for v in (gamma, beta, jt.zeros(gamma.shape), jt.ones(gamma.shape))]
        stack = mlp.Stack("leaky-relu", last, mlp.Normalisation(which, eps, 0.1, minibatches), joined > 0)
        return stack(x, *arrays[:end], *of_norms, *arrays[end_of_norms:])

    def definition(x, *arrays):
        pairs = iter(zip(arrays[end:end_of_norms:2], arrays[end + 1 : end_of_norms : 2]))
        norms = [next(pairs) if is_so else () for is_so in which]
        whole = np.concatenate([x, *arrays[end_of_norms:]], 1)
        return mlp.reference(whole, arrays[:end], "leaky-relu", last, norms, eps, minibatches)

    more = [x[:, x.shape[1] - joined :]] if joined else []
    return function, definition, [x[:, : x.shape[1] - joined], *parameters, *norms, *more]


@pytest.mark.parametrize("name, threads, joined", covering(list(NORMALISED), THREADS, [0, 2]), indirect=["threads"])
def test_normalised_layers(threads, name, joined):
    biases = [2 + 2 * layer for layer, is_so in enumerate(NORMALISED[name][1]) if is_so]  # cancel: slopes of 0
    assert_equals_definition(*drawn_normalised(name, n=6, joined=joined), frozen=biases)


@pytest.mark.slow
@pytest.mark.parametrize("joined", [0, 2])
@pytest.mark.parametrize("name", NORMALISED)
def test_normalised_layers_of_constant_parameters(threads, name, joined):
    function, _, arrays = drawn_normalised(name, n=6, joined=joined)
    gradients = []
    for context in (contextlib.nullcontext, kernels.constant_parameters):
        inputs = as_vars(arrays)
        with context():
            y = function(*inputs)
        gradients.append(jt.grad((y * y * y).sum(), [inputs[0], inputs[-1]]))
    for ours, expected in zip(*gradients):
        np.testing.assert_array_equal(ours.numpy(), expected.numpy())
        assert np.abs(ours.numpy()).max() > 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("name", NORMALISED)
def test_normalised_layers_depend_on_the_threads_by_rounding_alone(name):
    function, _, arrays = drawn_normalised(name, n=20)
    first, *others = results_by_threads(function, arrays)
    for found in others:
        for one, other in zip(first, found):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("minibatches", [1, 3])
def test_running_statistics_follow_every_minibatch(threads, minibatches):
    weight, bias, gamma, beta, mean = np.random.default_rng(3).normal(size=(5, 40, 40))
    x = np.random.default_rng(4).normal(size=(5 * minibatches, 40))
    bias, gamma, beta, mean, variance = bias[0], gamma[0], beta[0], mean[0], np.abs(mean[1])
    stack = mlp.Stack("relu", "relu", mlp.Normalisation((True,), 1e-5, 0.25, minibatches))
    stack(*as_vars([x, weight, bias, gamma, beta, mean, variance]))
    for part in np.split(x @ weight.T + bias, minibatches):
        mean, variance = batch_norm.moved(mean, variance, part.mean(0), part.var(0), 5, 0.25)
    for ours, expected in zip(stack.running, (mean, variance), strict=True):
        np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-5, atol=1e-5)


def test_a_columns_large_mean_does_not_hide_its_spread():
    weight, zeros, ones = np.eye(3), np.zeros(3), np.ones(3)
    x = np.random.default_rng(5).normal(size=(64, 3)) + np.array([0, 1e3, 1e4])
    x = x.astype(np.float32).astype(np.float64)
    y = mlp.Stack("", "", mlp.Normalisation((True,), 1e-5))(*as_vars([x, weight, zeros, ones, zeros, zeros, ones]))
    np.testing.assert_allclose(y.numpy(), batch_norm.reference(x, ones, zeros, slope=1.0)[0], atol=2e-3)


def test_rows_that_are_no_minibatches_and_layers_that_are_not_there_are_refused():
    arrays = [np.ones((5, 2)), np.ones((3, 2)), *[np.ones(3)] * 5]
    for which, message in (((True,), "not 2 minibatches"), ((True, False), "for 1 layers")):
        with pytest.raises(AssertionError, match=message):
            mlp.Stack("relu", "", mlp.Normalisation(which, minibatches=2))(*as_vars(arrays))


@pytest.mark.slow
@pytest.mark.parametrize("sizes, joined", covering([(5, 40, 3), (5, 3)], [False, True]))
def test_constant_parameters_leave_the_gradient_by_the_input(threads, sizes, joined):
    x, parameters = drawn(*sizes, n=7)
    given = as_vars([x[:, :3], *parameters, x[:, 3:]] if joined else [x, *parameters])
    by = [given[0], given[-1]] if joined else [given[0]]
    expected = jt.grad(mlp.Stack("relu", joined=joined)(*given).sum(), by)
    with kernels.constant_parameters():
        y = mlp.Stack("relu", joined=joined)(*given)
    for ours, theirs in zip(jt.grad(y.sum(), by), expected):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    assert not kernels.parameters_are_constants()


def results(network, x, weights):
    """Output, and gradients by every parameter, of the network used twice in one graph."""
    loss = (network(x) * weights).sum() - network(0.5 * x).sum()
    parameters = network.parameters()
    return [network(x).numpy(), *(gradient.numpy() for gradient in jt.grad(loss, parameters))]


@pytest.mark.slow
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_network_equals_itself_made_of_jittors_operators(threads, activation):
    x, parameters = drawn(100, 70, 40, 30, n=64)
    network = networks.MLP(100, 70, 40, 30, activation=activation)
    for parameter, value in zip(network.parameters(), as_vars(parameters)):
        parameter.assign(value)
    x, weights = jt.array(x.astype(np.float32)), jt.array(np.random.default_rng(3).random((64, 30), np.float32))
    fused = results(network, x, weights)
    with kernels.composed():
        composed = results(network, x, weights)
    for ours, expected in zip(fused, composed):
        np.testing.assert_allclose(ours, expected, atol=3e-6 * np.abs(expected).max())


def test_the_same_threads_give_the_same_bits(threads):
    x, parameters = drawn(784, 200, 100, n=64)
    inputs = as_vars([x, *parameters])
    y, again = (mlp.Stack("relu")(*inputs) for _ in range(2))
    np.testing.assert_array_equal(y.numpy(), again.numpy())
    for first, second in zip(jt.grad(y.sum(), inputs[1:]), jt.grad(again.sum(), inputs[1:])):
        np.testing.assert_array_equal(first.numpy(), second.numpy())


def test_without_gradients_and_in_evaluation_the_values_are_the_same():
    network = networks.MLP(20, 30, 10)
    x = jt.array(np.random.default_rng(4).random((6, 20), np.float32))
    expected = network(x).numpy()
    with networks.no_grad():
        np.testing.assert_array_equal(network(x).numpy(), expected)
    with networks.evaluating({"network": network}):
        np.testing.assert_array_equal(network(x).numpy(), expected)
    assert not any(parameter.is_stop_grad() for parameter in network.parameters())


def test_a_stopped_input_and_a_part_of_a_larger_array_are_inputs_like_others():
    network = networks.MLP(8, 16, 4)
    whole = jt.array(np.random.default_rng(5).random((6, 20), np.float32))
    part = whole[:, 3:11]
    gradients = [jt.grad(network(x).sum(), network.parameters()) for x in (part, part.copy().stop_grad())]
    for ours, expected in zip(*gradients):
        np.testing.assert_array_equal(ours.numpy(), expected.numpy())
    by_input = jt.grad(network(part).sum(), whole).numpy()
    assert np.abs(by_input[:, 3:11]).min() > 0
    by_input[:, 3:11] = 0
    assert not by_input.any()


def test_tanh_far_from_zero_is_one_and_flat():
    ones, zeros = jt.array(np.ones((1, 1), np.float32)), jt.array(np.zeros(1, np.float32))
    x = jt.array(np.float32([[-1e30], [-120], [-9], [0], [9], [120], [1e30]]))
    y = mlp.Stack("tanh", "tanh")(x, ones, zeros)
    np.testing.assert_allclose(y.numpy(), np.tanh(x.numpy()), atol=1e-6)
    np.testing.assert_allclose(jt.grad(y.sum(), x).numpy()[:, 0], [0, 0, 0, 1, 0, 0, 0], atol=1e-6)
