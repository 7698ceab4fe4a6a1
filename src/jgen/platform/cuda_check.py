"""A program that checks whether Jittor computes on this GPU what NumPy does; if so, its last line says "works: …".

    python src/jgen/platform/cuda_check.py "with cuDNN"      (or "without cuDNN")

jgen.platform.gpu starts it, with the environment that it needs.
"""

import os
import pathlib
import sys

import numpy as np


def main():
    from jgen.platform import cuda_home, gpu, runtime

    cuda_home.load_libraries(os.environ)
    jt = runtime.start("cuda", checking=sys.argv[1])
    compare(jt)
    print(f"{gpu.WORKS}convolutions by {'cuDNN' if jt.cudnn else 'loops of its own'}")


def compare(jt):
    """Compute with Jittor, on the device that it uses now, and with NumPy; exit with the first difference."""
    x, weight, a, b = (_drawn(*shape) for shape in ((3, 4, 9, 8), (5, 4, 3, 3), (33, 20), (20, 17)))
    leaves = [jt.array(array) for array in (x, weight, a, b)]
    image = jt.nn.conv2d(leaves[0], leaves[1], padding=1, stride=2)
    product = jt.nn.matmul(leaves[2], leaves[3])
    total = (image * image).sum() + jt.exp(product).mean()
    slopes = [slope.numpy() for slope in jt.grad(total, leaves)]
    expected, exponentials = _convolution(x, weight), np.exp(a @ b) / (33 * 17)
    _compare("convolution", image.numpy(), expected)
    _compare("matrix product", product.numpy(), a @ b)
    _compare("gradient of a mean of exponentials", slopes[2], exponentials @ b.T)
    _compare("its gradient by the other factor", slopes[3], a.T @ exponentials)
    # A convolution is linear in both. So slope times a direction is twice the convolution times that of the direction.
    for direction in (_drawn(*x.shape, seed=1), _drawn(*x.shape, seed=2)):
        rise = 2 * (expected * _convolution(direction, weight)).sum()
        _compare("gradient of the convolution", (slopes[0] * direction).sum(), rise)
    for direction in (_drawn(*weight.shape, seed=1), _drawn(*weight.shape, seed=2)):
        rise = 2 * (expected * _convolution(x, direction)).sum()
        _compare("gradient of its weight", (slopes[1] * direction).sum(), rise)


def _drawn(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape, dtype=np.float32) / 4


def _convolution(x, weight):
    """Stride 2, padding 1: [N, C, H, W], [K, C, 3, 3] -> [N, K, H / 2, W / 2], rounded up."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 3), (2, 3))
    return np.einsum("nchwij,kcij->nkhw", windows[:, :, ::2, ::2], weight)


def _compare(what, found, expected):
    if not np.allclose(found, expected, rtol=1e-4, atol=1e-5):
        sys.exit(f"{what}: on the GPU {found}, by NumPy {expected}")


if __name__ == "__main__":
    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[2])  # not this folder, whose names are not for all
    main()
