"""What each fused kernel saves in a model's step: time with it against the same step with Jittor's operators.

    OMP_NUM_THREADS=2 python one_kernel.py [KERNEL …]

Steps with and without alternate in one process; the smallest of ROUNDS pairs of blocks counts. On one thread it is
processor time, so that other programs on the machine matter little; on several it is time by the clock.
"""

import contextlib
import os
import pathlib
import sys
import time
from unittest import mock

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "src")]

import cases  # noqa: E402

from jgen import kernels, networks  # noqa: E402
from jgen.kernels import bias_activation, buckets  # noqa: E402
from jgen.platform import runtime  # noqa: E402
from jgen.training import optim  # noqa: E402
from jgen.training.algorithm import Shape  # noqa: E402
from jgen.training.noise import Noise  # noqa: E402

clock = time.process_time if os.environ.get("OMP_NUM_THREADS") == "1" else time.perf_counter
jt = runtime.start("cpu")
ROUNDS, BLOCK, WARM = 12, 0.5, 3  # rounds; seconds of a block of steps, at least one step; steps before


def not_fused(*callers):
    """These functions, file.name each, use Jittor's operators."""
    fuse = kernels.can_fuse

    def can_fuse(*inputs, **options):
        code = sys._getframe(1).f_code
        return f"{pathlib.Path(code.co_filename).stem}.{code.co_name}" not in callers and fuse(*inputs, **options)

    return mock.patch.object(kernels, "can_fuse", can_fuse)


def moments(params, kept={}):  # noqa: B006 -- for as long as the process lives
    for p in params:
        if id(p) not in kept:
            kept[id(p)] = [jt.zeros(p.shape).stop_grad() for _ in range(2)]
    return [kept[id(p)] for p in params]


def composed_adam(grads, params, m, v, t, lr, betas, eps, weight_decay):
    """As jittor.optim.Adam: one parameter after the other."""
    step = lr * (1 - betas[1] ** t) ** 0.5 / (1 - betas[0] ** t)
    for g, p, (m, v) in zip(grads, params, moments(params)):
        m.update(betas[0] * m + (1 - betas[0]) * g)
        v.update(betas[1] * v + (1 - betas[1]) * g * g)
        p.update(p - m * step / (jt.sqrt(v) + eps))


def composed_rmsprop(grads, params, v, lr, alpha, eps, clip):
    """As jittor.optim.RMSprop, and the clipping."""
    for g, p, (v, _) in zip(grads, params, moments(params)):
        v.update(alpha * v + (1 - alpha) * g * g)
        changed = p - lr * g / (jt.sqrt(v) + eps)
        p.update(changed if clip is None else changed.clamp(-clip, clip))


def composed_gradients(dy, y, slope, with_bias):
    d = dy if slope == 1 else dy * (slope + (1 - slope) * (y > 0).float32())
    return d, (d.sum([0, 1, 2]),) if with_bias else ()


FEATURES = ("convolutions.activated", "features.computable", "features.from_flat")
# {kernel: (case of cases.CASES, what replaces it)}
KERNELS = {
    "adam": ("vae", lambda: mock.patch.object(optim.adam, "update", composed_adam)),
    "rmsprop": ("wgan", lambda: mock.patch.object(optim.rmsprop, "update", composed_rmsprop)),
    "mlp": ("vae", lambda: mock.patch.object(networks.layers.Layers, "execute", networks.layers.nn.Sequential.execute)),
    "gaussian": ("vae", lambda: not_fused("distributions.sample")),
    "pixel_sums": ("vae", lambda: not_fused("distributions.bernoulli_log_likelihood")),
    "embedding": ("cvae-mlp", lambda: not_fused("labels.execute")),
    "join": ("cvae-conv", lambda: not_fused("layers.join")),
    "batch_norm": ("g-vae", lambda: not_fused("normalisation._normalise_minibatch")),
    "bias_activation": ("conv-vae", lambda: mock.patch.object(bias_activation, "gradients", composed_gradients)),
    "convolution": ("conv-vae", lambda: not_fused(*FEATURES)),
    "buckets": ("vae", lambda: mock.patch.object(buckets, "pack", composed_pack)),
    "image_convolution": ("cvae-conv", lambda: not_fused(*FEATURES)),
}


def seconds(step):
    """Seconds of a call of `step`, over a block of them."""
    before, count = clock(), 0
    while (spent := clock() - before) < BLOCK or count == 0:
        step()
        count += 1
    return spent / count


class Packing:
    """The gradients of the VAE, packed for a message."""

    def __init__(self, name):
        parameters = Model(name).algorithm.optimizers["adam"].params
        self.grads = [jt.array(p.numpy()) for p in parameters]

    def step(self):
        for bucket in buckets.pack(self.grads, 0.5):
            bucket.sync()


def composed_pack(grads, weight):
    return [jt.concat([grad.reshape((-1,)) * weight for grad in grads])]


class Model:
    """A model that trains on random images."""

    def __init__(self, name, batch=64):
        case = cases.CASES[name]
        shape = case.generated or (1, 28, 28)
        self.algorithm = case.algorithm_class()(case.config(batch_size=batch), Shape(shape, 10))
        images, labels = cases.generated_images(shape, batch)
        self.x, self.y = jt.array(images / np.float32(255)), jt.array(labels.astype(np.int32))
        self.steps = 0
        self.algorithm.begin_epoch(1, 1)

    def step(self):
        self.steps += 1
        terms = self.algorithm.step(self.x, self.y, Noise(0, 1, self.steps))
        for value in terms.values():
            value.stop_grad()
        jt.sync_all(True)


def main(names):
    for name in names or KERNELS:
        case, composed = KERNELS[name]
        model = (Packing if name == "buckets" else Model)(case)
        best = {}
        for _ in range(ROUNDS):
            for kind, context in (("fused", contextlib.nullcontext), ("composed", composed)):
                with context():
                    for _ in range(WARM if kind not in best else 1):
                        model.step()
                    best[kind] = min(best.get(kind, 1e9), seconds(model.step))
        fused, plain = 1000 * best["fused"], 1000 * best["composed"]
        print(f"{name:18}{case:10}{fused:9.2f} against {plain:9.2f} ms, {plain / fused:.2f} times", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
