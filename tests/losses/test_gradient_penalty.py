"""The critics' own gradients and the penalty's derivatives, against finite differences of NumPy's critics."""

import contextlib

import numpy as np
import pytest

import reference
from covering import quick_first
from jgen import kernels, networks
from jgen.losses import gradient_penalty
from jgen.platform.runtime import jt

N, SHAPE = 3, (2, 9, 6)
CRITICS = {"mlp": lambda: networks.Critic(SHAPE, (7, 5)), "conv": lambda: networks.ConvCritic(SHAPE, (3, 4))}
EVERY = pytest.mark.parametrize("net", quick_first(CRITICS))


def make(net):
    critic = CRITICS[net]()
    networks.initialise({"critic": critic}, 3)
    for p in critic.parameters():  # larger slopes than those that a network starts with
        p.update(2 * p)
    jt.sync_all()
    x = np.random.default_rng(0).normal(size=(N, *SHAPE))
    return critic, {name: value.astype(np.float64) for name, value in networks.state_of(critic).items()}, x


def scores(net, values, x):
    """The critic in NumPy and float64, [N]."""
    if net == "mlp":
        prefixed = {f"critic.{name}": value for name, value in values.items()}
        return reference.mlp(prefixed, "critic.body", x.reshape(N, -1), reference.leaky_relu(0.01))[:, 0]
    for position in (0, 2):
        weight, bias = (values[f"body.{position}.{name}"] for name in ("weight", "bias"))
        x = reference.leaky_relu(0.2)(reference.convolution(x, weight, bias, stride=2, padding=1))
    return (x.reshape(N, -1) @ values["head.weight"].T + values["head.bias"])[:, 0]


def slopes(net, values, x):
    """The gradients of the scores by the images, by central differences."""
    return reference.numeric_gradient(lambda moved: scores(net, values, moved["x"]).sum(), {"x": x}, ["x"])["x"]


@pytest.mark.slow
@pytest.mark.parametrize("fused", [True, False])
@EVERY
def test_a_critic_knows_its_own_gradient(net, fused):
    critic, values, x = make(net)
    with contextlib.nullcontext() if fused else kernels.composed():
        got = critic.input_gradient(jt.array(x.astype(np.float32))).numpy()
    expected = slopes(net, values, x)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@pytest.mark.slow
@pytest.mark.parametrize("fused", [True, False])
@EVERY
def test_the_penaltys_derivative_is_that_of_finite_differences(net, fused):
    critic, values, x = make(net)

    def penalty(changed):
        norms = np.sqrt((slopes(net, changed, x).reshape(N, -1) ** 2).sum(1))
        return ((norms - 1) ** 2).mean()

    names = [name for name in values if name.endswith("weight")]
    parameters = dict(critic.named_parameters())
    with contextlib.nullcontext() if fused else kernels.composed():
        value = gradient_penalty.gradient_penalty(critic, jt.array(x.astype(np.float32)))
        gradients = jt.grad(value, [parameters[name] for name in names])
    assert value.item() == pytest.approx(penalty(values), rel=1e-4)
    generator = np.random.default_rng(5)
    for name, gradient in zip(names, gradients, strict=True):
        for _ in range(3):
            along = generator.normal(size=values[name].shape)
            up, down = (penalty({**values, name: values[name] + h * along}) for h in (1e-5, -1e-5))
            size = np.linalg.norm(gradient.numpy()) * np.linalg.norm(along)
            assert size > 0
            assert (gradient.numpy() * along).sum() == pytest.approx((up - down) / 2e-5, rel=2e-3, abs=1e-3 * size)


def test_a_linear_critic_has_the_penalty_of_its_weights():
    critic = networks.Critic((1, 2, 2), ())
    weight = np.float32([[1, 2, 2, 4]])  # of norm 5
    critic.body.layers.layers["0"].weight.update(jt.array(weight))
    x = jt.array(np.zeros((3, 1, 2, 2), np.float32))
    np.testing.assert_array_equal(critic.input_gradient(x).numpy().reshape(3, 4), np.repeat(weight, 3, 0))
    assert gradient_penalty.gradient_penalty(critic, x).item() == pytest.approx(16)


def test_points_lie_between_real_and_fake_images():
    real, fake = np.float32([[4, 8], [4, 8]]), np.float32([[0, 0], [0, 0]])
    points = gradient_penalty.between(jt.array(real), jt.array(fake), jt.array(np.float32([[0.25], [1]])))
    np.testing.assert_array_equal(points.numpy(), [[1, 2], [4, 8]])
    assert points.is_stop_grad()
