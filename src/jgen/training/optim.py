"""Adam and RMSprop with PyTorch's semantics, each one fused kernel over all its parameters, in place.

    optimizer = Adam(network.parameters(), lr=1e-3)
    optimizer.step(loss)          # gradients and update; parameters stay the same leaf Vars

A step is executed at once (on CUDA: enqueued), after everything pending that was created before it. So losses may
be read at any later time, and holding one keeps that one number alive, not its graph. What in-place means:

- Whatever shares memory with a parameter sees it change: `p.data`, `p.detach()`, `p.reshape(...)`, and a network
  that got live Vars of this one by load_state_dict after the optimizer was made. `p.numpy()` and `p.copy()` copy.
- An intermediate result that Jittor has fused away (`h @ w + b` inside a longer formula) is recomputed when it is
  read later, with the new `b`. Read or sync() it before the step; sums and means are never fused away.
"""

from __future__ import annotations

import abc

import numpy as np

from jgen.kernels import adam, rmsprop
from jgen.kernels.multi_tensor import offsets
from jgen.platform.runtime import jt
from jgen.training import distributed


class Optimizer(abc.ABC):
    """Parameters, flat moments and their strict, bit-exact state. `lr` may be changed between steps.

    Make it before the first loss it shall step on: it gives every parameter memory of its own.
    Raises ValueError for a parameter that is frozen, listed twice or not float32.
    """

    moments = ()  # names of the moments, as in state()

    def __init__(self, params, lr):
        self.params = list(params)
        self.lr = lr
        self._check_parameters()
        for p in self.params:
            # Memory of its own, for the initial value may share another network's; filled now, because Jittor's fused
            # kernel of a pending one-element array and its broadcast does not compile.
            p.update(jt.array(p.numpy())).sync()
        self._offsets = offsets([p.numel() for p in self.params])
        self._set_moments({name: np.zeros(self._offsets[-1], np.float32) for name in self.moments})

    def step(self, loss: jt.Var) -> None:
        """Apply the gradients of `loss` (a scalar Var). A parameter it does not depend on gets gradient 0."""
        for index, p in enumerate(self.params):
            if p.is_stop_grad():
                raise ValueError(f"{self._describe(index)} is frozen now (eval() without train()?)")
        # Without retain_graph=False the gradients' own graph would be kept as well.
        self._update(distributed.mean_gradients(jt.grad(loss, self.params, retain_graph=False)))

    @abc.abstractmethod
    def _update(self, grads):
        """Launch the kernel; grads is a list of Vars, or Buckets where several processes have added theirs up."""

    def state(self):
        """name -> array, all that a resumed optimizer needs but lr; 'v.3' belongs to parameter number 3."""
        result = {}
        for name in self.moments:
            flat = getattr(self, f"_{name}").numpy()
            for index, p in enumerate(self.params):
                start = self._offsets[index]
                result[f"{name}.{index}"] = flat[start : start + p.numel()].reshape(list(p.shape))
        return result

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Continue from what `state()` returned, bit by bit.

        Raises ValueError, changing nothing, that names the entry missing, unknown, or of wrong shape or type.
        """
        expected = {name: (array.shape, array.dtype) for name, array in self.state().items()}
        for name in sorted(expected.keys() - state.keys()):
            raise ValueError(f"optimizer state: {name!r} is missing")
        for name in sorted(state.keys() - expected.keys()):
            raise ValueError(f"optimizer state: {name!r} is unknown to this {type(self).__name__}")
        for name, (shape, dtype) in expected.items():
            found = state[name]
            if (found.shape, found.dtype) != (shape, dtype):
                is_what = f"{found.dtype}{list(found.shape)}, expected {dtype}{list(shape)}"
                raise ValueError(f"optimizer state: {name!r} is {is_what}")
        self._load(state)

    def _load(self, arrays):
        flat = {name: np.zeros(self._offsets[-1], np.float32) for name in self.moments}
        for name in self.moments:
            for index, p in enumerate(self.params):
                start = self._offsets[index]
                flat[name][start : start + p.numel()] = arrays[f"{name}.{index}"].ravel()
        self._set_moments(flat)

    def _set_moments(self, flat):
        for name, values in flat.items():
            setattr(self, f"_{name}", jt.array(values).stop_grad().sync())

    def _check_parameters(self):
        if not self.params:
            raise ValueError("no parameters to optimize")
        for index, p in enumerate(self.params):
            if p.dtype != "float32":
                raise ValueError(f"{self._describe(index)} is {p.dtype}, not float32")
            if p.is_stop_grad():
                raise ValueError(f"{self._describe(index)} is frozen: it would never change")
        if len({id(p) for p in self.params}) < len(self.params):
            raise ValueError("a parameter is listed twice")

    def _describe(self, index):
        p = self.params[index]
        return f"parameter {index} {p.name()!r} {list(p.shape)}"


class Adam(Optimizer):
    """torch.optim.Adam: bias-corrected moments, eps outside the root, weight_decay added to the gradient."""

    moments = ("m", "v")

    def __init__(self, params, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(params, lr)
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay
        self._t = 0

    def _update(self, grads):
        self._t += 1
        adam.update(grads, self.params, self._m, self._v, self._t, self.lr, self.betas, self.eps, self.weight_decay)

    def state(self):
        return super().state() | {"t": np.array([self._t], np.int64)}

    def _load(self, arrays):
        super()._load(arrays)
        self._t = int(arrays["t"][0])


class RMSprop(Optimizer):
    """torch.optim.RMSprop, not centred, no momentum; with `clip` every step ends in [-clip, clip] (WGAN)."""

    moments = ("v",)

    def __init__(self, params, lr, alpha=0.99, eps=1e-8, clip=None):
        super().__init__(params, lr)
        self.alpha, self.eps, self.clip = alpha, eps, clip

    def _update(self, grads):
        rmsprop.update(grads, self.params, self._v, self.lr, self.alpha, self.eps, self.clip)
