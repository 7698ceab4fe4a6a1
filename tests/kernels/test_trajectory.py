"""Fused kernels change no trajectory: ten steps of every model as it is, and with no kernel of this package at all."""

import contextlib

import numpy as np
import pytest

from jgen import kernels
from jgen.kernels import adam, rmsprop
from jgen.kernels.multi_tensor import offsets
from jgen.models import ae, beta_vae, conv_vae, cvae, g_vae, vae, wgan
from jgen.platform import runtime
from jgen.platform.runtime import jt
from jgen.training.algorithm import Noise, Shape

STEPS, BATCH, SHAPE = 10, 15, Shape((1, 14, 10), n_classes=3)
MODELS = {
    "ae": (ae.AE, {"hidden": (40, 30), "latent_dim": 8}),
    "vae": (vae.VAE, {"hidden": (40,), "latent_dim": 8}),
    "beta-vae": (beta_vae.BetaVAE, {"hidden": (40, 30), "latent_dim": 8, "warm_up": 0.0}),
    "cvae-mlp": (cvae.CVAE, {"net": "mlp", "hidden": (40,), "latent_dim": 8}),
    "cvae-conv": (cvae.CVAE, {"net": "conv", "widths": (6, 9), "latent_dim": 8}),
    "conv-vae": (conv_vae.ConvVAE, {"widths": (6, 9), "latent_dim": 12}),
    "g-vae": (g_vae.GVAE, {"stem": 4, "widths": (6, 9), "latent_dim": 12, "shift": 2}),
    "g-vae-unet": (g_vae.GVAE, {"stem": 4, "widths": (6, 9), "latent_dim": 12, "decoder": "unet"}),
    "iwae": (vae.VAE, {"arch": "iwae", "hidden": (20, 20), "latent_dim": 6, "samples": 3}),
    "wgan": (wgan.WGAN, {"hidden": (20, 30, 40), "critic_hidden": (40, 30), "latent_dim": 12}),
}
EVERY = pytest.mark.parametrize("name", list(MODELS))


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


def trained(name, nudge=0.0, **settings):
    """(losses of the ten steps {term: array}, parameters before, parameters after).

    nudge: relative change of every initial weight, of random sign; 2^-23 is a unit in the last place.
    """
    cls, own = MODELS[name]
    algorithm = cls(cls.Config(**{**own, **settings}), SHAPE)
    before = algorithm.state()
    signs = np.random.default_rng(2)
    algorithm.load_state({k: v * _nudged(v, nudge, signs) for k, v in before.items()})
    generator, losses = np.random.default_rng(1), {}
    algorithm.begin_epoch(1, 10)
    for step in range(STEPS):
        x = generator.random((BATCH, *SHAPE.image_shape), np.float32)
        y = generator.integers(0, SHAPE.n_classes, BATCH).astype(np.int32)
        for term, value in algorithm.step(jt.array(x), jt.array(y), Noise(0, 1, step)).items():
            losses.setdefault(term, []).append(float(value.item()))
    losses.pop("accuracy", None)  # counts: one logit that overtakes another would be a large difference
    after = algorithm.state()
    owners = tuple(f"{owner}." for owner in algorithm.networks)
    keep = [key for key in before if key.startswith(owners)]
    return losses, {key: before[key] for key in keep}, {key: after[key] for key in keep}


def _nudged(values, nudge, signs):
    """Factors 1 - nudge or 1 + nudge for an array; 1 for a count of steps."""
    if values.dtype != np.float32 or not nudge:
        return values.dtype.type(1)
    return (1 + nudge * signs.choice([-1, 1], values.shape)).astype(np.float32)


def difference(run, other):
    """Of two trajectories: (of losses, relative to the largest of a term; of parameters, relative to their way)."""
    (losses, before, after), (other_losses, _, other_after) = run, other
    of_losses = [np.abs(np.subtract(losses[k], other_losses[k])).max() / np.abs(losses[k]).max() for k in losses]
    way = {key: np.linalg.norm(after[key] - before[key]) for key in before}
    assert all(way.values()), way
    of_parameters = [np.linalg.norm(after[key] - other_after[key]) / way[key] for key in before]
    return np.array([max(of_losses), max(of_parameters)])


def allowed(name, plain):
    """How far rounding alone may lead: ten times what one unit in the last place of the initial weights does."""
    with unfused():
        return 10 * difference(plain, trained(name, nudge=2.0**-23))


@EVERY
def test_ten_steps_with_fused_kernels_equal_ten_without(name):
    with unfused():
        plain = trained(name)
    assert (difference(plain, trained(name)) <= allowed(name, plain)).all()


@EVERY
def test_ten_steps_on_a_gpu_equal_ten_on_the_cpu(name):
    if runtime.device() != "cuda":
        pytest.skip("no GPU that Jittor works on")
    with jt.flag_scope(use_cuda=0):
        with unfused():
            plain = trained(name)
        bound = allowed(name, plain)
    # Its exp and division are approximate (nvcc --use_fast_math): some units in the last place at every step.
    assert (difference(plain, trained(name)) <= 10 * bound).all()


@pytest.mark.parametrize(
    "name, settings", [("vae", {"lr": 1.01e-3}), ("wgan", {"clip": 0.0099}), ("g-vae", {"lr": 5.05e-4})]
)
def test_a_rule_that_is_one_percent_off_would_be_noticed(name, settings):
    with unfused():
        plain = trained(name)
    assert not (difference(plain, trained(name, **settings)) <= allowed(name, plain)).all()


def test_the_unfused_path_uses_no_kernel():
    with unfused(), pytest.raises(AssertionError, match="fused kernel"):
        jt.code([1], "float32", [jt.zeros(1)], cpu_src="")
    assert jt.code is not refuse
