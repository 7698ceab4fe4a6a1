"""Jittor drawing with the weights that the page has, for the tests that compare the two."""

import numpy as np

from jgen.exploration import latents


def drawn_by_jittor(algorithm, layers, z, y=None):
    """Images [N, C, H, W] of latents z and labels y by `algorithm`, once its decoder has taken over `layers`.

    What a layer has absorbed is taken out again: its BatchNorm becomes the identity, the factor 2 of the generator's
    last layer goes; what the label adds is the model's own.
    """
    arrays = algorithm.weights()
    generator = "generator" in algorithm.networks
    prefix = "generator.layers." if generator else "decoder.body.layers."
    linear = sorted({int(name.split(".")[-2]) for name, a in arrays.items() if name.startswith(prefix) and a.ndim == 2})
    for number, layer in zip(linear, layers, strict=True):
        scale = np.float32(0.5) if generator and layer is layers[-1] else np.float32(1)
        columns = layer.weight.shape[1]
        weight = arrays[f"{prefix}{number}.weight"].copy()
        weight[:, :columns] = scale * layer.weight
        arrays[f"{prefix}{number}.weight"] = weight
        if len(layer.bias) == 1:
            arrays[f"{prefix}{number}.bias"] = scale * layer.bias[0]
        norm = f"{prefix}{number + 1}."
        if norm + "running_var" in arrays:
            ones = np.ones(len(layer.weight), np.float32)
            arrays |= {norm + "weight": ones, norm + "bias": 0 * ones, norm + "running_mean": 0 * ones}
            arrays[norm + "running_var"] = ones - np.float32(algorithm.config.bn_epsilon)
    algorithm.load_weights(arrays)
    return latents.decode(algorithm, z, y=y)
