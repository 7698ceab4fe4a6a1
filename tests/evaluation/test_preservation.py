"""Retention and diversity of models whose answers are known; the real command on tiny runs."""

import json
import types

import numpy as np
import pytest
from PIL import Image

from jgen import data, networks
from jgen.cli import tool, training
from jgen.evaluation import preservation
from jgen.evaluation.job import Evaluation, evaluate
from jgen.judges import classifier
from jgen.models.cvae import CVAE
from jgen.models.vae import VAE
from jgen.models.wgan import WGAN
from jgen.platform.runtime import jt

DIMENSIONS = 12


class Fake:
    """A model of two latents at most that matter: `decoded` makes the pixels [N, P] of latents and of images."""

    networks = {}
    conditional = False

    def __init__(self, decoded, mu=0.0, sigma=1.0):
        self.decoded, self.mu, self.sigma = decoded, mu, sigma

    def encode(self, x, y=None):
        flat = jt.zeros((x.shape[0], DIMENSIONS))
        return flat + self.mu, flat + 2 * np.log(self.sigma)

    def decode(self, z, x, y=None):
        return self.decoded(z, x)


class Threshold:
    """A judge of two classes, dark and bright; its features are the pixels' mean."""

    def judge(self, images):
        means = images.reshape(len(images), -1).mean(1)
        return means[:, None], np.stack([1 - means, means], 1)


def bright_and_dark(count=8):
    labels = np.arange(count) % 2
    return np.full((count, 1, 3, 3), 0.1, np.float32) + np.float32(0.8) * labels.reshape(-1, 1, 1, 1), labels


def moved_steps(found):
    return [moved for by_step in found.values() for step, moved in by_step.items() if step]


def test_a_decoder_that_ignores_z_keeps_every_class_and_moves_nothing():
    x, labels = bright_and_dark()
    found = preservation.measure(Fake(lambda z, x: x), Threshold(), x, labels)
    assert set(found) == {*preservation.DIRECTIONS, preservation.DRAWN_FROM_PRIOR}
    for moved in moved_steps(found):
        assert (moved.retention == 1).all() and (moved.pixel_distance == 0).all()
        assert (moved.feature_distance == 0).all() and moved.pixel_distance_to_source == pytest.approx(0, abs=1e-6)
    assert preservation.at_equal_diversity({"still": found}, "one") is None


def test_a_decoder_that_swaps_the_classes_keeps_none_and_its_distance_is_known():
    x, labels = bright_and_dark()
    swapped = preservation.measure(Fake(lambda z, x: 1 - x), Threshold(), x, labels)
    assert all((moved.retention == 0).all() for moved in moved_steps(swapped))
    measured = preservation.numbers(swapped)
    assert measured["retention_of_reconstruction"]["value"] == 0
    assert measured["pixel_distance_of_reconstruction"]["value"] == pytest.approx(0.8 * 3)
    assert measured["pixel_distance_to_source one"]["values"]["3"] == pytest.approx(0.8 * 3)
    assert measured["pixel_distance one"]["values"]["3"] == 0
    assert "retention_where_reconstructed one" not in measured


def test_a_step_moves_by_sigma_and_the_signs_are_averaged():
    """Brightness 0.3 + 0.1 z_0 with sigma 1: dark until a step of +2, so that from 2.5 on one sign of two is lost."""
    x, labels = np.full((5, 1, 2, 2), 0.3, np.float32), np.zeros(5, np.int64)

    def decoded(z, x):
        return x + 0.1 * z.sum(1).reshape((-1, 1, 1, 1))

    found = preservation.measure(Fake(decoded), Threshold(), x, labels)["one"]
    for step, moved in found.items():
        assert moved.retention == pytest.approx(0.5 if step > 2 else 1)
        assert moved.pixel_distance == pytest.approx(0.1 * step * 2, abs=1e-5)
        assert moved.feature_distance == pytest.approx(0.1 * step, abs=1e-5)
    two_of_twelve = preservation.measure(Fake(decoded, sigma=0.5), Threshold(), x, labels)["top10%"]
    assert two_of_twelve[1.0].feature_distance == pytest.approx(2 * 0.5 * 0.1, abs=1e-5)


def test_noise_scales_with_sigma_but_not_from_the_prior():
    x, labels = np.full((400, 1, 2, 2), 0.5, np.float32), np.zeros(400, np.int64)
    fake = Fake(lambda z, x: x + 0.01 * z[:, :1].reshape((-1, 1, 1, 1)), sigma=0.1)
    found = preservation.measure(fake, Threshold(), x, labels)
    of_one = np.sqrt(2 / np.pi) * 0.01 * 2  # mean |N(0, 1)| of z_0, over four pixels
    posterior = found["mu+sigma eps"][2.0].pixel_distance.mean()
    assert posterior == pytest.approx(2 * 0.1 * of_one, rel=0.15)
    assert found["mu+N(0,I)"][1.0].pixel_distance.mean() == pytest.approx(of_one, rel=0.15)


def test_equal_diversity_interpolates_where_all_runs_reach():
    def curve(distances, kept):
        by_step = {
            float(step): types.SimpleNamespace(pixel_distance=np.array([d]), retention=np.array([r]))
            for step, (d, r) in enumerate(zip(distances, kept))
        }
        return {"one": by_step}

    runs = {"far": curve([0, 2, 4], [1, 0.8, 0.2]), "near": curve([0, 1, 3], [0.9, 0.9, 0.7])}
    distance, retained = preservation.at_equal_diversity(runs, "one")
    assert distance == 3 and retained == pytest.approx({"far": 50, "near": 70})


def test_the_gains_error_is_that_of_the_mean_of_paired_differences():
    """Both reach the same distance, so the gain is a plain mean over images, whose error is known."""
    generator = np.random.default_rng(0)
    kept = {0.0: np.ones(400), 3.0: generator.random(400).round()}

    def run(retention):
        by_step = {
            step: types.SimpleNamespace(pixel_distance=np.full(400, step), retention=retention[step])
            for step in retention
        }
        return {"one": by_step}

    others = {0.0: np.ones(400), 3.0: kept[3.0] * generator.random(400).round()}
    assert preservation.gain_at_equal_diversity(run(kept), run(kept), "one") == (0, 0)
    gain, error = preservation.gain_at_equal_diversity(run(kept), run(others), "one")
    differences = 100 * (kept[3.0] - others[3.0])
    assert gain == pytest.approx(differences.mean())
    assert error == pytest.approx(differences.std() / 20, rel=0.15)


TINY = ["--data", "mnist5k", "--epochs", "1", "--batch-size", "500"]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    small = ["--hidden", "32", "--latent-dim", "3", "--out", str(folder), *TINY]
    training.run(VAE, small)
    training.run(VAE, [*small, "--name", "black-and-white", "--binarise", "static"])
    training.run(CVAE, [*small, "--net", "mlp"])
    return folder


@pytest.fixture(scope="module")
def others(out, grey_folder, class_folder, tmp_path_factory):
    """Beside those of `out`, runs that do not fit: of other images, unlabelled, of other classes, without encoder."""
    letters = tmp_path_factory.mktemp("letters")
    for number in range(40):
        (letters / "ab"[number % 2]).mkdir(exist_ok=True)
        Image.new("L", (28, 28), 6 * number).save(letters / "ab"[number % 2] / f"{number}.png")
    for name, folder in (("unlabelled", grey_folder), ("coloured", class_folder), ("letters", letters)):
        words = ["--data", str(folder), "--epochs", "1", "--hidden", "4", "--latent-dim", "2"]
        training.run(VAE, [*words, "--name", name, "--out", str(out)])
    training.run(WGAN, ["--hidden", "8", "8", "--critic-hidden", "8", "--out", str(out), *TINY])


def run(out, *words):
    tool.run("evaluate.py", Evaluation, evaluate, [*map(str, words), "--out", str(out)])


def preserved(out, name):
    return json.loads((out / "results" / name / "evaluation.json").read_text())["preservation"]


@pytest.mark.slow
def test_runs_beside_each_other_on_the_same_images(out, capsys):
    run(out, "vae", "preservation", "--images", 40, "--beside", "cvae")
    found = preserved(out, "vae")
    assert found["protocol"]["images"] == 40 and list(found["protocol"]["beside"]) == ["cvae"]
    assert found["protocol"]["classifier"]["weights"] == "mnist.safetensors"
    assert "mnist5k" in found["protocol"]["data"] and "warning" in found["protocol"]
    retention = found["numbers"]["cvae: retention top10%"]
    assert list(retention["values"]) == list(retention["standard_errors"]) == ["0.5", "1", "1.5", "2", "2.5", "3"]
    assert set(found["numbers"]["retention_at_equal_diversity one"]["values"]) == {"vae", "cvae"}
    assert set(found["numbers"]["gain_at_equal_diversity one"]["standard_errors"]) == {"cvae"}
    labels = ("retention one", "cvae: retention one", "gain_over cvae one")
    ours, other, gain = (found["numbers"][label]["values"]["3"] for label in labels)
    assert gain == pytest.approx(ours - other)
    assert (out / "results/vae/preservation.png").read_bytes().startswith(b"\x89PNG")
    assert "retention top10%" in capsys.readouterr().out
    run(out, "vae", "preservation", "--images", 40, "--beside", "cvae")
    assert preserved(out, "vae")["numbers"] == found["numbers"]
    run(out, "cvae", "preservation", "--images", 40)
    assert preserved(out, "cvae")["numbers"]["retention top10%"] == retention


class Painter:
    """A conditional model that paints the label which it is given, whatever z."""

    networks = {}
    conditional = True

    def __init__(self, paintings):
        self.paintings = paintings

    def encode(self, x, y):
        return jt.zeros((x.shape[0], DIMENSIONS)), jt.zeros((x.shape[0], DIMENSIONS))

    def decode(self, z, x, y):
        return networks.as_var(self.paintings[y.numpy()])


def test_a_conditional_model_is_given_the_images_own_label():
    digits = data.load("mnist5k", "")
    x, labels = data.unit(digits.x_test[::17]), digits.y_test[::17]
    one_of_each = np.stack([data.unit(digits.x_train[digits.y_train == label][0]) for label in range(10)])
    found = preservation.measure(Painter(one_of_each), classifier.load((1, 28, 28)), x, labels)
    assert all((moved.retention == 1).all() for moved in moved_steps(found))


@pytest.mark.slow
@pytest.mark.parametrize(
    "words, message",
    [
        (["vae", "--beside", "black-and-white"], "do not compare"),
        (["vae", "--beside", "unlabelled"], "has images of (1, 5, 6)"),
        (["vae", "--beside", "wgan"], "has no q(z|x)"),
        (["unlabelled"], "no labels"),
        (["coloured"], "with --classifier"),
        (["letters"], "knows the classes 0, 1, 2"),
    ],
)
def test_errors_are_one_clear_line(out, others, capsys, words, message):
    with pytest.raises(SystemExit) as stop:
        run(out, words[0], "preservation", "--images", 5, *words[1:])
    error = capsys.readouterr().err
    assert stop.value.code == 2 and message in error and "Traceback" not in error
