"""Feature maps that carry their memory layout."""

from __future__ import annotations

import dataclasses

from jgen import kernels
from jgen.losses.distributions import flat
from jgen.platform.runtime import jt


@dataclasses.dataclass(frozen=True)
class Features:
    """The feature maps between a network's first and its last convolution.

    `var` is [N, H, W, C] if `channels_last`, as this package's CPU kernels compute, else [N, C, H, W], as Jittor's
    operators and cuDNN do. Every layer computes in the layout that it is given and passes it on. Images are plain Vars
    [N, C, H, W].
    """

    var: jt.Var
    channels_last: bool

    @staticmethod
    def from_flat(x: jt.Var, shape: tuple[int, int, int]) -> Features:
        """[N, C H W], channel after channel, -> features of shape (C, H, W), in the layout that serves best."""
        channels, height, width = shape
        planes = x.reshape((x.shape[0], channels, height, width))
        if not kernels.can_fuse(x):
            return Features(planes, channels_last=False)
        return Features(planes.permute(0, 2, 3, 1), channels_last=True)

    def flat(self) -> jt.Var:
        """[N, C H W], channel after channel, as a linear layer sees them in either layout."""
        return flat(self.channels_first().var)

    def channels_first(self) -> Features:
        """The same features as [N, C, H, W]."""
        return Features(self.var.permute(0, 3, 1, 2), channels_last=False) if self.channels_last else self

    def computable(self) -> Features:
        """The same features in a layout that the operators now in use take: channels last needs the fused kernels."""
        return self if kernels.can_fuse(self.var) else self.channels_first()

    def like(self, var: jt.Var) -> Features:
        """Features of this layout that hold `var`."""
        return Features(var, self.channels_last)

    @property
    def channel_axis(self) -> int:
        """The axis of `var` that counts the channels."""
        return 3 if self.channels_last else 1


def joined(first: Features, *others: Features) -> Features:
    """Features joined along their channels, in the first one's layout."""
    if not first.channels_last:
        others = [part.channels_first() for part in others]
    assert all(part.channels_last == first.channels_last for part in others), "features of two layouts"
    return first.like(jt.concat([first.var, *(part.var for part in others)], dim=first.channel_axis))
