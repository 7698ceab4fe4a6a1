"""Numbers of WGAN's critic: its loss over the epochs, its weights at the bound, its gap to held-out images."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import median_filter

from jgen import networks
from jgen.evaluation.numbers import number
from jgen.pictures import figures
from jgen.platform import files
from jgen.runs import latents

WIDTH = 9  # epochs under the median filter


def curve(rows):
    """(epochs, negated critic loss, the same median-filtered), each [E], from metrics rows.

    The negated loss estimates, up to a factor, the Wasserstein distance (Arjovsky et al., 2017, section 4.2).
    """
    points = [(row["epoch"], -row["critic_loss"]) for row in rows if "critic_loss" in row]
    epochs, values = np.array(points, float).reshape(-1, 2).T
    if not points:
        return epochs, values, values
    half = WIDTH // 2
    padded = np.pad(values, half, mode="edge")  # by hand: scipy 1.15's own padding gives 0 for fewer than `half` values
    return epochs, values, median_filter(padded, size=WIDTH)[half:-half]


def draw_curve(path, epochs, values, filtered):
    """The curve as a PNG, written atomically."""
    figure = figures.figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(epochs, values, color="0.75", label="negated critic loss")
    axes.plot(epochs, filtered, color="C0", label=f"median of {WIDTH} epochs")
    axes.set_xlabel("epoch")
    axes.set_ylabel("estimate of the distance, up to a factor")
    axes.grid(alpha=0.3)
    axes.legend()
    files.atomic_write(path, figures.png(figure))


def scores(algorithm, images):
    """The critic's score of each image [N, C, H, W] in [0, 1] or uint8 -> [N] float64."""
    (values,) = latents.batched(algorithm.networks, lambda x: (algorithm.score(x),), images)
    return values.reshape(-1).astype(np.float64)


def measure(algorithm, train, held_out, fake):
    """{name: number} for three sets of images; differences of mean scores, with their standard errors."""
    on_train, on_held_out, on_fake = (scores(algorithm, images) for images in (train, held_out, fake))
    measured = {
        "critic_train_minus_fake": _difference(on_train, on_fake),
        "critic_held_out_minus_fake": _difference(on_held_out, on_fake),
        "critic_gap": _difference(on_train, on_held_out),
    }
    if algorithm.config.penalty == "clip":
        weights = np.concatenate([p.numpy().reshape(-1) for p in networks.trainable(algorithm.networks["critic"])])
        at_bound = np.abs(weights) >= algorithm.config.clip * (1 - 1e-6)
        # of all there are, not of a sample: without a standard error
        measured["weights_at_bound"] = number(100 * at_bound.mean(), "%")
    return measured


def _difference(a, b):
    error = np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)) if min(len(a), len(b)) > 1 else None
    return number(a.mean() - b.mean(), "mean score", error)
