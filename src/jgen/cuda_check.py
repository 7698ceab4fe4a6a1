"""Whether Jittor computes on this GPU what NumPy does: a program, exit code 0 if so.

    python src/jgen/cuda_check.py "with cuDNN"      (or "without cuDNN"); started by jgen.cuda_home, with its variables
"""

import os
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))


def main():
    from jgen import cuda_home, runtime

    cuda_home.load_libraries(os.environ)
    jt = runtime.start("cuda", checking=sys.argv[1])
    compare(jt)
    print("works; convolutions by", "cuDNN" if jt.cudnn else "Jittor's own loops")


def compare(jt):
    """Compute with Jittor, on the device that it uses now, and with NumPy; exit with what differs."""
    x, weight, a, b = (_drawn(*shape) for shape in ((3, 4, 9, 8), (5, 4, 3, 3), (33, 20), (20, 17)))
    leaves = [jt.array(array) for array in (x, weight, a, b)]
    image = jt.nn.conv2d(leaves[0], leaves[1], padding=1, stride=2)
    product = jt.nn.matmul(leaves[2], leaves[3])
    total = (image * image).sum() + jt.exp(product).mean()
    slopes = [slope.numpy() for slope in jt.grad(total, leaves)]
    expected = _convolution(x, weight)
    _compare("convolution", image.numpy(), expected)
    _compare("matrix product", product.numpy(), a @ b)
    _compare("gradient of a mean of exponentials", slopes[2], np.exp(a @ b) @ b.T / (33 * 17))
    # The convolution is linear in each of the two: by Euler, slope times value is twice the sum of squares.
    _compare("gradient of the convolution", (slopes[0] * x).sum(), 2 * (expected**2).sum())
    _compare("gradient of its weight", (slopes[1] * weight).sum(), 2 * (expected**2).sum())


def _drawn(*shape):
    return np.random.default_rng(len(shape)).standard_normal(shape, dtype=np.float32) / 4


def _convolution(x, weight):
    """Stride 2, padding 1: [N, C, H, W], [K, C, 3, 3] -> [N, K, H / 2, W / 2], rounded up."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 3), (2, 3))
    return np.einsum("nchwij,kcij->nkhw", windows[:, :, ::2, ::2], weight)


def _compare(what, found, expected):
    if not np.allclose(found, expected, rtol=1e-3, atol=1e-4):
        sys.exit(f"{what}: on the GPU {found}, by NumPy {expected}")


if __name__ == "__main__":
    main()
