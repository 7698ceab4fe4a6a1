"""Errors of reconstructions: squared error, cross-entropy, structural similarity."""

from __future__ import annotations

import functools

import numpy as np
from skimage.metrics import structural_similarity

from jgen.evaluation.numbers import mean

SMALLEST = 1e-6  # probabilities are kept this far from 0 and 1, as float32 sigmoids saturate
WINDOW = 7  # pixels of SSIM's sliding window (Wang et al., 2004, as scikit-image has it)


def measure(x, reconstructed, progress=iter):
    """Images and reconstructions, both float [N, C, H, W] in [0, 1] -> {name: number}."""
    difference = (x - reconstructed).reshape(len(x), -1)
    probability = np.clip(reconstructed, SMALLEST, 1 - SMALLEST).reshape(len(x), -1)
    target = x.reshape(len(x), -1)
    cross_entropy = -(target * np.log(probability) + (1 - target) * np.log1p(-probability))
    measured = {
        "mse": mean((difference * difference).mean(1), "per pixel"),
        "bce": mean(cross_entropy.sum(1, dtype=np.float64), "nats"),
    }
    window = min(WINDOW, *((side - 1) // 2 * 2 + 1 for side in x.shape[2:]))
    if window >= 3:
        similarity = functools.partial(structural_similarity, win_size=window, data_range=1.0, channel_axis=0)
        values = [similarity(x[row], reconstructed[row]) for row in progress(range(len(x)))]
        measured["ssim"] = mean(values, f"window {window}")
    return measured
