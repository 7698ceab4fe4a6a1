"""A run of the G-VAE that was never trained, and class folders: enough to look at."""

import json

import numpy as np
import pytest
from PIL import Image

from jgen.config import to_json
from jgen.models.g_vae import GVAE, Config
from jgen.runs import checkpoint
from jgen.runs.directory import RunDirectory
from jgen.training.algorithm import Shape

CLASSES = ("cat", "dog", "eel")


@pytest.fixture(scope="session")
def out(tmp_path_factory):
    """A folder with the runs `tiny` and, without classifier, `plain`."""
    out = tmp_path_factory.mktemp("out")
    for name, classifier in (("tiny", "on"), ("plain", "off")):
        config = Config(latent_dim=6, stem=2, widths=(4,), blocks=(1,), decoder_blocks=(0,), classifier=classifier)
        algorithm = GVAE(config, Shape((3, 8, 6), len(CLASSES)))
        directory = RunDirectory(out, name)
        directory.results.mkdir(parents=True)
        record = {
            "model": "g_vae",
            "class": "GVAE",
            "config": to_json(config),
            "image_shape": [3, 8, 6],
            "n_classes": len(CLASSES),
            "data": {"name": "pets", "requested": "pets", "classes": list(CLASSES)},
            "as_published": False,
        }
        directory.config.write_text(json.dumps(record))
        checkpoint.save_weights(directory.weights, algorithm.weights())
    return out


@pytest.fixture
def pets(tmp_path):
    """A class folder of 12 cats, 4 dogs and 4 eels; one cat is held out for testing."""
    generator = np.random.default_rng(0)
    for name, count in zip(CLASSES, (12, 4, 4)):
        for number in range(count):
            path = tmp_path / "pets" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(generator.integers(0, 256, (8, 6, 3), np.uint8)).save(path)
    return tmp_path / "pets"
