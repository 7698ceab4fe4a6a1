"""RMSprop (Hinton's lecture 6e) as torch.optim.RMSprop computes it, with WGAN's clipping of the weights."""

import numpy as np

from jgen.kernels.multi_tensor import Kernel

_UPDATE = """
    v = alpha * v + rest * grad * grad;
    p -= lr * grad / (sqrtf(v) + eps);
    """
# In this form a NaN passes, as it does through torch.clamp: a diverged run must not look like a clipped one.
_CLIP = """
    p = p > clip ? clip : p;
    p = p < -clip ? -clip : p;
    """

_kernel = Kernel(_UPDATE, states=("v",), scalars=("alpha", "rest", "lr", "eps"))
_clipping_kernel = Kernel(_UPDATE + _CLIP, states=("v",), scalars=("alpha", "rest", "lr", "eps", "clip"))


def update(grads, params, v, lr, alpha, eps, clip):
    """One step on all `params`, in place; v: flat moments (multi_tensor.offsets); clip: bound or None."""
    scalars = {"alpha": alpha, "rest": 1 - alpha, "lr": lr, "eps": eps}
    if clip is None:
        _kernel.launch(grads, params, [v], scalars)
    else:
        _clipping_kernel.launch(grads, params, [v], scalars | {"clip": clip})


def reference(grad, p, v, lr, alpha=0.99, eps=1e-8, clip=None):
    """The same step on NumPy arrays: the new (p, v)."""
    v = alpha * v + (1 - alpha) * grad**2
    p = p - lr * grad / (np.sqrt(v) + eps)
    return (p if clip is None else np.clip(p, -clip, clip)), v
