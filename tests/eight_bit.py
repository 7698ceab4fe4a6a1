"""Jittor drawing with the weights that the page has, for the tests that compare the two."""

import numpy as np

from jgen.runs import latents


def drawn_by_jittor(algorithm, chain, z, y=None):
    """Images [N, C, H, W] of latents z and labels y by `algorithm`, once its decoder has taken over `chain`.

    What a layer has absorbed is taken out again: its BatchNorm becomes the identity, the factor 2 of the generator's
    last layer goes.
    """
    arrays = algorithm.weights()
    generator = "generator" in algorithm.networks
    prefix = "generator.layers." if generator else "decoder.body.layers."
    linear = sorted({int(name.split(".")[-2]) for name, a in arrays.items() if name.startswith(prefix) and a.ndim == 2})
    for number, layer in zip(linear, chain.layers, strict=True):
        scale = np.float32(0.5) if generator and layer is chain.layers[-1] else np.float32(1)
        arrays[f"{prefix}{number}.weight"] = scale * layer.weight
        arrays[f"{prefix}{number}.bias"] = scale * layer.bias
        norm = f"{prefix}{number + 1}."
        if norm + "running_var" in arrays:
            ones = np.ones(len(layer.weight), np.float32)
            arrays |= {norm + "weight": ones, norm + "bias": 0 * ones, norm + "running_mean": 0 * ones}
            arrays[norm + "running_var"] = ones - np.float32(algorithm.config.bn_epsilon)
    if chain.labels.size:
        arrays["label.embedding.weight"] = chain.labels
    algorithm.load_weights(arrays)
    return latents.decode(algorithm, z, y=y)
