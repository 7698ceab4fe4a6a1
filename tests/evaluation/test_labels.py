"""Label agreement and the class histogram, of perfect, random and collapsed generators."""

import numpy as np
import pytest

from jgen.evaluation import labels

CLASSES = tuple("0123456789")


def certain(seen):
    return np.eye(10, dtype=np.float32)[seen]


def test_a_perfect_generator_agrees_always():
    asked = np.arange(200) % 10
    measured = labels.agreement(certain(asked), asked, CLASSES)
    assert measured["agreement"]["value"] == 100 and measured["worst_class_agreement"]["value"] == 100


def test_a_random_generator_agrees_by_chance():
    asked = np.arange(5000) % 10
    seen = np.random.default_rng(0).integers(0, 10, 5000)
    measured = labels.agreement(certain(seen), asked, CLASSES)["agreement"]
    assert measured["value"] == pytest.approx(10, abs=4 * measured["standard_error"])


def test_one_wrong_class_shows_per_class():
    asked = np.arange(100) % 10
    measured = labels.agreement(certain(np.where(asked == 4, 9, asked)), asked, CLASSES)
    assert measured["agreement"]["value"] == 90
    assert measured["agreement_per_class"]["values"]["4"] == 0 and measured["agreement_per_class"]["values"]["9"] == 100


def test_entropy_of_uniform_and_collapsed_samples():
    uniform = labels.histogram(certain(np.arange(100) % 10), CLASSES)
    assert uniform["class_entropy"]["value"] == pytest.approx(np.log(10)) and uniform["missing_classes"]["value"] == 0
    collapsed = labels.histogram(certain(np.full(100, 3)), CLASSES)
    assert collapsed["class_entropy"]["value"] == 0 and collapsed["missing_classes"]["value"] == 9
    assert collapsed["class_shares"]["values"]["3"] == 100
