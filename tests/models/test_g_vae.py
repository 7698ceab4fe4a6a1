"""The G-VAE: its classifier really trains, its noise is fresh, and a resumed run is the same run."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from covering import quick_first
from jgen import networks
from jgen.cli import training
from jgen.config import Run
from jgen.errors import UserError
from jgen.models import g_vae
from jgen.models.g_vae import CIFAR10, GVAE, Config
from jgen.platform.runtime import jt
from jgen.runs import checkpoint, metrics, settings
from jgen.training import optim
from jgen.training.algorithm import Shape
from jgen.training.noise import Noise

TINY = Config(
    batch_size=8, latent_dim=3, stem=2, widths=(4,), blocks=(1,), decoder_blocks=(0,), flip="on", shift=1, lr=1e-2
)
SHAPE = Shape((1, 8, 6), n_classes=3)


def make(**changes):
    algorithm = GVAE(dataclasses.replace(TINY, **changes), SHAPE)
    algorithm.begin_epoch(1, 4)
    return algorithm


@pytest.fixture
def batch():
    generator = np.random.default_rng(0)
    x = generator.random((8, *SHAPE.image_shape), dtype=np.float32)
    return jt.array(x), jt.array(generator.integers(0, 3, 8).astype(np.int32))


@pytest.mark.parametrize(
    "changes", quick_first([{}, {"isda": "off"}, {"covariance": "class-full"}, {"decoder": "unet"}])
)
def test_a_step_changes_every_parameter_the_head_too(batch, changes):
    algorithm = make(**changes)
    before = algorithm.state()
    for step in range(2):
        terms = algorithm.step(*batch, Noise(0, 1, step))
    assert set(terms) == {"loss", "reconstruction", "kl", "classification", "accuracy"}
    after = algorithm.state()
    unchanged = [name for name in before if np.array_equal(before[name], after[name])]
    assert unchanged == []
    assert "classifier.layers.0.weight" in before and "classifier.layers.0.bias" in before


@pytest.mark.slow
def test_the_head_alone_learns_what_can_be_learnt():
    x = np.zeros((9, *SHAPE.image_shape), np.float32)
    y = (np.arange(9) % 3).astype(np.int32)
    for image, label in zip(x, y):
        image[:, :, 2 * label : 2 * label + 2] = 1
    algorithm = make(flip="off", shift=0, isda="off")
    algorithm.optimizers["adam"] = optim.Adam(networks.trainable(algorithm.classifier), 0.1)
    losses = []
    for step in range(60):
        terms = algorithm.step(jt.array(x), jt.array(y), Noise(0, 1, step))
        losses.append(float(terms["classification"].item()))
    assert losses[-1] < 0.5 * losses[0]
    assert float(terms["accuracy"].item()) == 1


def test_a_tie_is_no_hit():
    logits = jt.array(np.float32([[1, 1, 0], [2, 1, 0], [0, 0, 0], [-3, -2, -1]]))
    assert g_vae.accuracy(logits, jt.array(np.int32([0, 0, 1, 2]))).numpy().tolist() == [0, 1, 0, 1]


def test_each_step_has_its_own_noise(batch):
    terms = []
    for step in (0, 1, 0):
        algorithm = make(flip="off", shift=0)
        terms.append(float(algorithm.step(*batch, Noise(0, 1, step))["reconstruction"].item()))
    assert terms[0] == terms[2] != terms[1]


def test_the_classification_loss_reaches_the_encoders_variance(batch):
    algorithm = make()
    q = algorithm.encoder(batch[0])
    logits = algorithm._augmented(algorithm.classifier(q.mu), q, batch[1])
    gradient = jt.grad(logits.sqr().sum(), algorithm.encoder.heads.weight).numpy()
    assert np.abs(gradient[TINY.latent_dim :]).max() > 0  # the rows that make logvar


@pytest.mark.parametrize("covariance", quick_first(["encoder", "class-full"]))
def test_a_resumed_run_is_the_same_run(batch, covariance):
    through, resumed = make(covariance=covariance), make(covariance=covariance, seed=5)
    through.step(*batch, Noise(0, 1, 0))
    resumed.load_state(through.state())
    for algorithm in (through, resumed):
        algorithm.begin_epoch(2, 4)
        algorithm.step(*batch, Noise(0, 2, 1))
    expected, got = through.state(), resumed.state()
    assert expected.keys() == got.keys() and ("covariance.mean" in got) == (covariance != "encoder")
    assert all(expected[name].tobytes() == got[name].tobytes() for name in expected)


def test_without_classifier_it_is_a_vae_for_unlabelled_images(batch):
    algorithm = GVAE(dataclasses.replace(TINY, classifier="off"), Shape(SHAPE.image_shape))
    algorithm.begin_epoch(1, 1)
    terms = algorithm.step(batch[0], None, Noise(0, 1, 0))
    total = terms["reconstruction"] + TINY.beta * terms["kl"]
    assert float(terms["loss"].item()) == pytest.approx(float(total.item()), rel=1e-6)
    with pytest.raises(UserError, match="--classifier off"):
        GVAE(TINY, Shape(SHAPE.image_shape))


def test_the_learning_rate_follows_a_cosine():
    algorithm, rates = make(), []
    for epoch in (1, 2, 3, 4):
        algorithm.begin_epoch(epoch, 4)
        rates.append(algorithm.optimizers["adam"].lr / TINY.lr)
    assert rates == pytest.approx([1, 0.853553, 0.5, 0.146447], abs=1e-5)


def test_settings_are_layered_defaults_preset_document_command_line():
    def config_of(as_published=False, **explicit):
        return settings.fresh_config(GVAE, explicit, Run(as_published=as_published))

    assert config_of(data="some/folder").classifier_weight == Config.classifier_weight
    assert config_of(data="cifar10").latent_dim == CIFAR10["latent_dim"]
    assert config_of(True, data="cifar10").latent_dim == 2048
    assert config_of(True, data="cifar10").classifier_weight == 20
    assert config_of(True, data="cifar10", latent_dim=7).latent_dim == 7


@pytest.fixture
def class_folder(tmp_path):
    generator = np.random.default_rng(1)
    for name in ("dark", "light"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(20):
            pixels = generator.integers(0, 100, (8, 6), np.uint8) + (150 if name == "light" else 0)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "images" / name / f"{number}.png")
    return tmp_path / "images"


@pytest.mark.slow
def test_the_command_keeps_the_best_and_the_last_weights(class_folder, tmp_path):
    flags = "--epochs 3 --batch-size 9 --stem 2 --widths 4 --blocks 1 --decoder-blocks 0 --latent-dim 3 --lr 0.01"
    words = ["--data", str(class_folder), "--out", str(tmp_path), "--name", "g", "--keep-every", "1"]
    training.run(GVAE, [*words, *flags.split()])
    rows = metrics.read_rows(tmp_path / "results" / "g" / "metrics.jsonl")
    assert len(rows) == 3 and all(0 <= row["test_accuracy"] <= 1 for row in rows)
    accuracies = [row["test_accuracy"] for row in rows]
    first_best = accuracies.index(max(accuracies)) + 1
    for kept, epoch in (("best", first_best), ("weights", 3)):
        found, expected = (
            checkpoint.load_weights(tmp_path / "results" / "g" / f"{name}.safetensors")
            for name in (kept, f"weights_{epoch:04d}")
        )
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[name], expected[name]) for name in found)
