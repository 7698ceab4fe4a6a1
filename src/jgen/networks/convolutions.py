"""Convolutions of features, and between images and features, whose activation one kernel can compute with them."""

from jgen import kernels
from jgen.kernels import convolution, image_convolution
from jgen.kernels.bias_activation import BiasActivation
from jgen.networks.activations import leaky
from jgen.networks.features import Features
from jgen.platform.runtime import jt, nn


class ActivatedLayer:
    """A layer that computes the (leaky) ReLU behind it as well."""

    def activated(self, x: jt.Var | Features, slope: float) -> jt.Var | Features:
        """The layer and a leaky ReLU of `slope` behind it; 0 is ReLU, 1 is no activation."""
        raise NotImplementedError

    def execute(self, x: jt.Var | Features) -> jt.Var | Features:
        return self.activated(x, 1.0)


class _Convolution(ActivatedLayer):
    """Computes in the layout of its features: by this package's kernel, or by Jittor's operators."""

    def activated(self, x: Features, slope: float) -> jt.Var | Features:
        x = x.computable()
        if not x.channels_last:
            y = x.like(self._channels_first(x.var, slope))
            return y.var if self.images == "out" else y
        y = self._kernel(x.var.shape[1:3], slope)(x.var, *parameters_of(self))
        return leaky(y, slope) if self.images == "out" else x.like(y)


class Conv(_Convolution, nn.Conv):
    """A convolution Features -> Features with a square kernel.

    images: "in" if its input is images, a Var [N, C, H, W]; "out" if its output is; else "".
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        images: str = "",
    ) -> None:
        nn.Conv.__init__(self, n_in, n_out, kernel_size, stride=stride, padding=padding, bias=bias)
        self.images = images

    def activated(self, x: jt.Var | Features, slope: float) -> jt.Var | Features:
        if self.images == "in":
            x = Features(x, channels_last=False)
            if kernels.can_fuse(x.var):
                return Features(self._from_images(x.var, slope), channels_last=True)
        return super().activated(x, slope)

    def _kernel(self, size, slope):
        (stride, _), (padding, _) = self.stride, self.padding
        if self.images == "out":
            sizes = convolution.result_sizes(size, self.kernel_size, stride, padding)
            return image_convolution.ToImages(stride, padding, sizes, transposed=False)
        return convolution.Convolution(stride, padding, slope)

    def transposed(self, y: Features, size: tuple[int, int]) -> jt.Var | Features:
        """The convolution's transpose, without a bias: what it maps to y -> features, or images, of `size`."""
        y = y.computable()
        (stride, _), (padding, _) = self.stride, self.padding
        if not y.channels_last:
            return self._transposed_channels_first(y, size)
        if self.images == "in":
            return image_convolution.ToImages(stride, padding, size, transposed=True)(y.var, self.weight)
        return y.like(convolution.TransposedConvolution(stride, padding, size)(y.var, self.weight))

    def _transposed_channels_first(self, y, size):
        geometry = zip(size, y.var.shape[2:], self.kernel_size, self.stride, self.padding)
        unseen = tuple(side - ((n - 1) * stride - 2 * pad + kernel) for side, n, kernel, stride, pad in geometry)
        x = nn.conv_transpose(y.var, self.weight, None, self.stride, self.padding, unseen)
        return x if self.images == "in" else y.like(x)

    def _from_images(self, x, slope):
        (stride, _), (padding, _) = self.stride, self.padding
        return image_convolution.ToFeatures(stride, padding, slope)(x, *parameters_of(self))

    def _channels_first(self, x, slope):
        if kernels.can_fuse(x, with_cuda=True) and kernels.on_gpu():
            return biased(nn.conv2d(x, self.weight, None, self.stride, self.padding), self.bias, slope)
        return leaky(nn.Conv.execute(self, x), slope)


class ConvTranspose(_Convolution, nn.ConvTranspose):
    """A transposed convolution Features -> Features.

    size: (height, width) of the result; the rest at its lower and right edges is cut off.
    images: "out" if its output is images, a Var [N, C, H, W]; else "".
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel_size: int,
        size: tuple[int, int],
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        images: str = "",
    ) -> None:
        nn.ConvTranspose.__init__(self, n_in, n_out, kernel_size, stride=stride, padding=padding, bias=bias)
        self.images, self.size = images, tuple(size)

    def _kernel(self, size, slope):
        (stride, _), (padding, _) = self.stride, self.padding
        if self.images == "out":
            return image_convolution.ToImages(stride, padding, self.size, transposed=True)
        return convolution.TransposedConvolution(stride, padding, self.size, slope)

    def _channels_first(self, x, slope):
        if kernels.can_fuse(x, with_cuda=True) and kernels.on_gpu():
            y = nn.conv_transpose(x, self.weight, None, self.stride, self.padding)
            return biased(self._cut(y), self.bias, slope)
        return leaky(self._cut(nn.ConvTranspose.execute(self, x)), slope)

    def _cut(self, y):
        height, width = self.size
        assert height <= y.shape[2] and width <= y.shape[3], f"{self.size} of {y.shape}"
        return y if tuple(y.shape[2:]) == self.size else y[:, :, :height, :width]


def biased(v: jt.Var, bias: jt.Var | None, slope: float | None) -> jt.Var:
    """act(v + bias) on a GPU; act is a leaky ReLU of `slope`, or tanh for None."""
    return leaky(v, slope) if bias is None else BiasActivation(slope)(v, bias)


def parameters_of(layer: nn.Module) -> list[jt.Var]:
    """A layer's weight, and its bias if it has one."""
    return [layer.weight] if layer.bias is None else [layer.weight, layer.bias]
