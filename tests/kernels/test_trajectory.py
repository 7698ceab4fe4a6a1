"""Fused kernels change no step of any model: each step with them equals the same step with no kernel at all.

A run without kernels is recorded, and every compared step starts from a recorded state: nothing but the rounding of
one step lies between the two results. The bound follows from the backward error of a sum: a float32 sum of n products
is the exact sum of products that differ by about sqrt(n) units of rounding (Higham and Mary, 2019, "A new approach to
probabilistic rounding error analysis"). So every weight is nudged by that much, at random, and a kernel may differ by
MARGIN times the largest response. Neither the processor nor the number of threads enters.
"""

import contextlib
import functools

import numpy as np
import pytest

from covering import quick_first
from jgen import kernels
from jgen.kernels import adam, rmsprop
from jgen.kernels.multi_tensor import offsets
from jgen.models import ae, beta_vae, conv_vae, cvae, g_vae, vae, wgan
from jgen.platform import runtime
from jgen.platform.runtime import jt
from jgen.training.algorithm import Shape
from jgen.training.noise import Noise

STEPS, BATCH, SHAPE = 7, 15, Shape((1, 14, 10), n_classes=3)
ROUNDING = 2.0**-24
LONGEST_SUM = BATCH * 14 * 10  # terms of a convolution's gradient, of a channel's mean
NUDGES, MARGIN = 3, 16
MODELS = {
    "ae": (ae.AE, {"hidden": (40, 30), "latent_dim": 8}),
    "vae": (vae.VAE, {"hidden": (40,), "latent_dim": 8}),
    "beta-vae": (beta_vae.BetaVAE, {"hidden": (40, 30), "latent_dim": 8, "warm_up": 0.0}),
    "cvae-mlp": (cvae.CVAE, {"net": "mlp", "hidden": (40,), "latent_dim": 8}),
    "cvae-conv": (cvae.CVAE, {"net": "conv", "widths": (6, 9), "latent_dim": 8}),
    "conv-vae": (conv_vae.ConvVAE, {"widths": (6, 9), "latent_dim": 12}),
    "conv-vae-spatial": (conv_vae.ConvVAE, {"architecture": "spatial", "widths": (6, 9), "latent_dim": 24}),
    "g-vae": (g_vae.GVAE, {"stem": 4, "widths": (6, 9), "latent_dim": 12, "shift": 2}),
    "g-vae-unet": (g_vae.GVAE, {"stem": 4, "widths": (6, 9), "latent_dim": 12, "decoder": "unet"}),
    "iwae": (vae.VAE, {"arch": "iwae", "hidden": (20, 20), "latent_dim": 6, "samples": 3}),
    "wgan": (wgan.WGAN, {"hidden": (20, 30, 40), "critic_hidden": (40, 30), "latent_dim": 12}),
}
ONE_PERCENT_OFF = [
    ("vae", {"lr": 0.99e-3}),
    ("ae", {"lr": 1.01e-3}),
    ("beta-vae", {"beta": 0.101}),
    ("cvae-mlp", {"beta_weight": 1.01}),
    ("cvae-conv", {"alpha": 1.01}),
    ("conv-vae", {"lr": 1.01e-3}),
    ("g-vae", {"lr": 5.05e-4}),
    ("g-vae", {"classifier_weight": 0.99}),
    ("g-vae-unet", {"lr": 4.95e-4}),
    ("iwae", {"lr": 1.01e-3}),
    ("wgan", {"clip": 0.0099}),
    ("wgan", {"lr": 5.05e-5}),
]


def unfused_optimizer(definition):
    """A kernel module's `update` in NumPy: definition(grad, p, *states, *settings) -> the new (p, *states)."""

    def update(grads, params, *rest):
        n_states = sum(isinstance(value, jt.Var) for value in rest)
        states, settings = rest[:n_states], rest[n_states:]
        arrays = [state.numpy() for state in states]
        values = [(grad.numpy().ravel(), p.numpy().ravel()) for grad, p in zip(grads, params)]
        for (grad, value), p, start in zip(values, params, offsets([p.numel() for p in params])):
            parts = [array[start : start + p.numel()] for array in arrays]
            new, *moments = definition(grad, value, *parts, *settings)
            for part, moment in zip(parts, moments):
                part[:] = moment
            p.update(jt.array(new.astype(np.float32).reshape(list(p.shape)))).sync()
        for state, array in zip(states, arrays):
            state.update(jt.array(array)).sync()

    return update


# What `kernels.composed` does not replace, for these have no other form.
UNFUSED = {
    adam: ("update", unfused_optimizer(adam.reference)),
    rmsprop: ("update", unfused_optimizer(rmsprop.reference)),
}


def refuse(*arguments, **options):
    raise AssertionError("a fused kernel is part of the unfused path: add its plain form to UNFUSED")


@contextlib.contextmanager
def unfused():
    """No kernel of this package in the block: every one is replaced, and a forgotten one is refused."""
    with kernels.composed(), pytest.MonkeyPatch.context() as patch:
        for module, (name, plain) in UNFUSED.items():
            patch.setattr(module, name, plain)
        patch.setattr(jt, "code", refuse)
        yield


def one_step(name, step, state=None, settings=()):
    """A new algorithm makes step `step` of a fixed run from `state` -> (the state before, what the step changed).

    What it changed: {"loss.TERM": its value, "network.parameter": by how much}. state: the initial one by default.
    """
    cls, own = MODELS[name]
    algorithm = cls(cls.Config(**{**own, **dict(settings)}), SHAPE)
    if state is not None:
        algorithm.load_state(state)
    before = algorithm.state()
    algorithm.begin_epoch(1, 10)
    generator = np.random.default_rng(step)
    x = generator.random((BATCH, *SHAPE.image_shape), np.float32)
    y = generator.integers(0, SHAPE.n_classes, BATCH).astype(np.int32)
    losses = algorithm.step(jt.array(x), jt.array(y), Noise(0, 1, step))
    changes = {f"loss.{term}": np.float64(value.item()) for term, value in losses.items()}
    changes.pop("loss.accuracy", None)  # counts: one logit that overtakes another would be a large difference
    after = algorithm.state()
    owners = tuple(f"{owner}." for owner in algorithm.networks)
    changes.update({k: after[k].astype(np.float64) - before[k] for k in before if k.startswith(owners)})
    return before, after, changes


def nudged(state, seed):
    """`state`, every number a little larger or smaller: by what the rounding of the longest sum amounts to."""
    generator, size = np.random.default_rng(seed), np.sqrt(LONGEST_SUM) * ROUNDING

    def nudge(array):
        return (array * (1 + size * generator.choice([-1, 1], array.shape))).astype(array.dtype)

    return {k: nudge(v) if v.dtype == np.float32 else v for k, v in state.items()}


@functools.cache
def recorded(name):
    """The run without kernels: of each step (the state before, what it changed, how far a kernel may differ)."""
    steps, state = [], None
    with unfused():
        for step in range(STEPS):
            before, after, plain = one_step(name, step, state)
            nudges = [one_step(name, step, nudged(before, seed))[2] for seed in range(NUDGES)]
            allowed = {}
            for key in plain:
                response = max(np.linalg.norm(nudge[key] - plain[key]) for nudge in nudges)
                stored = np.linalg.norm(plain[key]) + np.linalg.norm(before.get(key, 0))
                allowed[key] = MARGIN * (response + ROUNDING * stored)
            steps.append((before, plain, allowed))
            state = after
    return steps


def excess(name, settings=()):
    """The largest difference of a step with kernels from the one without, in multiples of what is allowed."""
    largest = 0.0
    for step, (before, plain, allowed) in enumerate(recorded(name)):
        _, _, found = one_step(name, step, before, settings)
        assert found.keys() == plain.keys()
        for key in plain:
            difference = np.linalg.norm(found[key] - plain[key])
            assert np.isfinite(difference), key
            if difference:
                largest = max(largest, difference / allowed[key])
    return largest


@pytest.mark.parametrize("name", quick_first(sorted(MODELS, key="vae".__ne__)))
def test_a_step_with_fused_kernels_equals_one_without(name):
    assert excess(name) <= 1


@pytest.mark.gpu
@pytest.mark.parametrize("name", list(MODELS))
def test_a_step_on_a_gpu_equals_one_on_the_cpu(name):
    if runtime.device() != "cuda":
        pytest.skip("no GPU that Jittor works on")
    with jt.flag_scope(use_cuda=0):
        recorded(name)
    # Its exp and division are approximate (nvcc --use_fast_math): some units in the last place at every operation.
    assert excess(name) <= 10


@pytest.mark.parametrize("name, settings", quick_first(ONE_PERCENT_OFF))
def test_a_rule_that_is_one_percent_off_is_noticed(name, settings):
    assert excess(name, tuple(settings.items())) > 1


@pytest.mark.parametrize("name", quick_first(sorted(MODELS, key="vae".__ne__)))
def test_every_parameter_moves(name):
    moved = set()
    for _, plain, _ in recorded(name):
        moved |= {key for key, change in plain.items() if np.any(change)}
    assert moved == set(recorded(name)[0][1])


def test_the_unfused_path_uses_no_kernel():
    with unfused(), pytest.raises(AssertionError, match="fused kernel"):
        jt.code([1], "float32", [jt.zeros(1)], cpu_src="")
    assert jt.code is not refuse
