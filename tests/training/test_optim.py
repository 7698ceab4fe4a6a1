"""The fused optimizers against their definitions, and what a training loop relies on."""

import os

import numpy as np
import pytest

from jgen.kernels import adam, rmsprop
from jgen.platform.runtime import jt
from jgen.training import optim

SHAPES = [(1,), (7,), (1000,), (100003,), (3, 5, 7), (33, 2)]
STEPS = 50


def _weights(shapes=SHAPES, scale=0.1):
    generator = np.random.default_rng(1)
    return [generator.standard_normal(shape, dtype=np.float32) * np.float32(scale) for shape in shapes]


def _gradients(step, shapes=SHAPES):
    generator = np.random.default_rng((2, step))
    # Scales from 1 to 1e-5, one per tensor: eps must be on the right side of the root.
    grads = [generator.standard_normal(shape, dtype=np.float32) for shape in shapes]
    return [grad * np.float32(10.0**-index) for index, grad in enumerate(grads)]


def _learning_rate(step):
    return 1e-3 * (1 + np.cos(step / 10))


def _apply(optimizer, grads):
    """A step whose loss has these gradients, arrays in the order of the parameters."""
    grads = [jt.array(grad).sync() for grad in grads]
    optimizer.step(sum((grad * p).sum() for grad, p in zip(grads, optimizer.params, strict=True)))


def _train(optimizer, first=1, last=STEPS):
    for step in range(first, last + 1):
        optimizer.lr = _learning_rate(step)
        _apply(optimizer, _gradients(step))


def _assert_close(params, expected):
    for p, reference in zip(params, expected):
        np.testing.assert_allclose(p.numpy(), reference, rtol=1e-6, atol=1e-6)


def _kernels():
    return {name for name in os.listdir(os.path.join(jt.flags.cache_path, "jit")) if name.endswith(".so")}


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("betas, eps", [((0.9, 0.999), 1e-8), ((0.5, 0.9), 1e-3)])
def test_adam_is_its_definition_in_float64(weight_decay, betas, eps):
    params = [jt.array(w) for w in _weights()]
    _train(optim.Adam(params, lr=1.0, betas=betas, eps=eps, weight_decay=weight_decay))
    expected = []
    for index, w in enumerate(_weights()):
        p, m, v = w.astype(np.float64), 0.0, 0.0
        for t in range(1, STEPS + 1):
            grad = _gradients(t)[index].astype(np.float64)
            p, m, v = adam.reference(grad, p, m, v, t, _learning_rate(t), betas, eps, weight_decay)
        expected.append(p)
    _assert_close(params, expected)


@pytest.mark.parametrize("clip", [None, 0.1])
def test_rmsprop_is_its_definition_in_float64(clip):
    params = [jt.array(w) for w in _weights()]
    _train(optim.RMSprop(params, lr=1.0, clip=clip))
    expected = []
    for index, w in enumerate(_weights()):
        p, v = w.astype(np.float64), 0.0
        for t in range(1, STEPS + 1):
            grad = _gradients(t)[index].astype(np.float64)
            p, v = rmsprop.reference(grad, p, v, _learning_rate(t), clip=clip)
        expected.append(p)
    _assert_close(params, expected)
    if clip:
        assert max(np.abs(p.numpy()).max() for p in params) == np.float32(clip)


def test_adams_first_step_is_the_learning_rate_in_the_gradients_direction():
    p = jt.array(np.array([1.0, 1.0, 1.0], np.float32))
    _apply(optim.Adam([p], lr=0.25), [np.array([3.0, -0.01, 0.0], np.float32)])
    np.testing.assert_allclose(p.numpy(), [0.75, 1.25, 1.0], rtol=1e-5)


def test_nan_passes_through_the_clip():
    p = jt.array(np.ones(20, np.float32))
    grad = np.zeros(20, np.float32)
    grad[[0, 18]] = np.nan
    _apply(optim.RMSprop([p], lr=0.1, clip=0.01), [grad])
    np.testing.assert_array_equal(np.isnan(p.numpy()), np.isnan(grad))


def test_results_do_not_depend_on_the_number_of_threads():
    threads = _openmp("@out(0) = omp_get_max_threads();").item()
    results = []
    for count in (1, 2, 3):
        _openmp('omp_set_num_threads((int)data["count"]);', count=count).sync()
        params = [jt.array(w) for w in _weights()]
        _train(optim.Adam(params, lr=1.0), 1, 3)
        results.append(np.concatenate([p.numpy().ravel() for p in params]))
    _openmp('omp_set_num_threads((int)data["count"]);', count=threads).sync()
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def _openmp(source, **data):
    return jt.code([1], "int32", cpu_header="#include <omp.h>", cpu_src=source, data=data)


def _regression():
    """A net and a function giving its loss on batch number `step`."""
    generator = np.random.default_rng(3)
    net = jt.nn.Sequential(jt.nn.Linear(6, 5), jt.nn.ReLU(), jt.nn.Linear(5, 2))
    for p in net.parameters():
        p.update(jt.array(generator.standard_normal(list(p.shape), dtype=np.float32)))

    def loss(step):
        batch = np.random.default_rng((4, step)).standard_normal((8, 8), dtype=np.float32)
        return ((net(jt.array(batch[:, :6])) - jt.array(batch[:, 6:])) ** 2).mean()

    return net, loss


@pytest.mark.slow
def test_step_follows_jittors_own_rmsprop():
    (net, loss), (jittor_net, jittor_loss) = _regression(), _regression()
    optimizer = optim.RMSprop(net.parameters(), lr=0.01)
    jittor_optimizer = jt.optim.RMSprop(jittor_net.parameters(), lr=0.01)
    for step in range(10):
        optimizer.step(loss(step))
        jittor_optimizer.step(jittor_loss(step))
    for p, q in zip(net.parameters(), jittor_net.parameters()):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-5, atol=1e-6)


def test_two_thousand_steps_leave_no_graph_and_compile_nothing():
    net, loss = _regression()
    optimizer = optim.Adam(net.parameters(), lr=0.01)
    recent = [loss(0)]
    for step in range(2000):
        optimizer.lr = 0.01 * (1 - step / 2000)
        recent = [*recent[-9:], loss(step)]  # as a trainer holds the losses of the last few steps
        optimizer.step(recent[-1])
        if step == 20:
            before, kernels = jt.liveness_info(), _kernels()
    assert jt.liveness_info() == before
    assert _kernels() == kernels
    assert not any(p.is_stop_grad() for p in net.parameters())
    assert recent[-1].item() < recent[0].item() * 10  # still readable, still numbers


def test_pending_results_are_those_of_the_weights_before_the_step():
    net, loss = _regression()
    optimizer = optim.RMSprop(net.parameters(), lr=0.5)
    x = np.ones((3, 6), np.float32)
    expected = net(jt.array(x)).numpy()
    pending, metric = net(jt.array(x)), loss(1) * 10
    expected_loss = loss(0).item()
    current = loss(0)
    optimizer.step(current)
    np.testing.assert_allclose(pending.numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(current.item(), expected_loss, rtol=1e-6)
    assert metric.item() < 1e3
    assert np.abs(net(jt.array(x)).numpy() - expected).max() > 0.1


def test_a_network_that_shares_its_initial_weights_is_left_alone():
    net, loss = _regression()
    twin, _ = _regression()
    twin.load_state_dict(net.state_dict())
    before = [p.numpy() for p in twin.parameters()]
    optim.Adam(net.parameters(), lr=0.5).step(loss(0))
    for p, values in zip(twin.parameters(), before):
        np.testing.assert_array_equal(p.numpy(), values)


def test_a_one_element_bias_trains_from_the_first_step():
    net = jt.nn.Linear(3, 1)
    optimizer = optim.RMSprop(net.parameters(), lr=0.1)  # its copy of the bias must not stay pending
    before = net.bias.numpy()
    optimizer.step(net(jt.ones([4, 3])).sum())
    np.testing.assert_allclose(net.bias.numpy(), before - 1.0, rtol=1e-5)


def test_one_kernel_takes_150_tensors():
    shapes = [(index % 9 + 1, index % 4 + 1) for index in range(150)]
    params = [jt.array(w) for w in _weights(shapes)]
    grads = _weights(shapes, scale=1.0)
    optimizer = optim.Adam(params, lr=0.01)
    _apply(optimizer, grads)
    kernels = _kernels()
    optimizer.lr = 0.02
    _apply(optimizer, grads)
    assert _kernels() == kernels
    for p, w, grad in zip(params, _weights(shapes), grads):
        step1 = adam.reference(grad, w, 0.0, 0.0, 1, 0.01)
        np.testing.assert_allclose(p.numpy(), adam.reference(grad, *step1, 2, 0.02)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [optim.Adam, optim.RMSprop])
def test_a_resumed_optimizer_continues_bit_by_bit(make):
    params = [jt.array(w) for w in _weights()]
    optimizer = make(params, lr=1.0)
    _train(optimizer, 1, 10)
    weights, state = [p.numpy() for p in params], optimizer.state()
    _train(optimizer, 11, 20)

    resumed_params = [jt.array(w) for w in weights]
    resumed = make(resumed_params, lr=1.0)
    resumed.load_state({name: value.copy() for name, value in state.items()})
    _train(resumed, 11, 20)
    for p, q in zip(params, resumed_params):
        np.testing.assert_array_equal(p.numpy(), q.numpy())
    for name, value in optimizer.state().items():
        np.testing.assert_array_equal(value, resumed.state()[name])


def test_state_is_named_by_parameter_and_is_a_copy():
    optimizer = optim.Adam([jt.array(w) for w in _weights([(2, 3), (5,)])], lr=0.1)
    state = optimizer.state()
    assert {name: value.shape for name, value in state.items()} == {
        "m.0": (2, 3), "m.1": (5,), "v.0": (2, 3), "v.1": (5,), "t": (1,),
    }  # fmt: skip
    _apply(optimizer, [np.ones((2, 3), np.float32), np.ones(5, np.float32)])
    assert not state["m.0"].any() and state["t"] == [0]
    assert optimizer.state()["m.0"].all() and optimizer.state()["t"] == [1]


@pytest.mark.parametrize(
    "name, value",
    [
        ("v.0", None),
        ("t", None),
        ("v.7", np.zeros(2, np.float32)),
        ("m.0", np.zeros(3, np.float32)),
        ("m.0", np.zeros((2, 1), np.float32)),
        ("m.0", np.zeros(2, np.float16)),
        ("t", np.zeros(1, np.int32)),
    ],
)
def test_load_state_is_strict_and_changes_nothing_when_it_refuses(name, value):
    optimizer = optim.Adam([jt.array(np.ones(2, np.float32))], lr=0.1)
    _apply(optimizer, [np.ones(2, np.float32)])
    before = optimizer.state()
    state = {key: entry + 1 for key, entry in before.items() if key != name}
    if value is not None:
        state[name] = value
    with pytest.raises(ValueError, match=f"'{name}'"):
        optimizer.load_state(state)
    for key, entry in optimizer.state().items():
        np.testing.assert_array_equal(entry, before[key])


def test_unfit_parameters_are_refused_by_name():
    good = jt.array(np.ones(3, np.float32)).name("good")
    with pytest.raises(ValueError, match="no parameters"):
        optim.Adam([], lr=0.1)
    with pytest.raises(ValueError, match="parameter 1 'frozen'"):
        optim.Adam([good, jt.ones([2]).stop_grad().name("frozen")], lr=0.1)
    with pytest.raises(ValueError, match="float64"):
        optim.RMSprop([jt.array(np.ones(2), dtype="float64")], lr=0.1)
    with pytest.raises(ValueError, match="twice"):
        optim.RMSprop([good, good], lr=0.1)


def test_a_network_in_eval_mode_is_refused_not_silently_left_untrained():
    net, loss = _regression()
    optimizer = optim.Adam(net.parameters(), lr=0.1)
    net.eval()
    with pytest.raises(ValueError, match="train"):
        optimizer.step(loss(0))
    net.train()
    optimizer.step(loss(0))
