"""The low-data table: which images, which steps, what is kept; and the real command on a tiny run."""

import itertools
import json

import numpy as np
import pytest

from jgen import data
from jgen.augmentation import few_images, low_data
from jgen.cli import tool, training
from jgen.errors import UserError
from jgen.evaluation.job import Evaluation, evaluate
from jgen.models.g_vae import GVAE

RECIPE = few_images.Recipe(
    batch_size=8, steps=3, widths=(2, 2, 2, 2), generator_steps=3, epochs=2, copies=2, flip=False
)


@pytest.fixture(scope="module")
def digits():
    return data.load("mnist5k", "")


def test_a_choice_has_as_many_of_each_class_and_lies_within_the_larger_ones(digits):
    chosen = [few_images.choose(digits.y_train, 10, per_class, seed=3) for per_class in (10, 50, 100)]
    for per_class, rows in zip((10, 50, 100), chosen):
        assert (np.bincount(digits.y_train[rows]) == per_class).all() and len(set(rows)) == 10 * per_class
    assert set(chosen[0]) < set(chosen[1]) < set(chosen[2])
    np.testing.assert_array_equal(chosen[0], few_images.choose(digits.y_train, 10, 10, seed=3))
    assert set(chosen[0]) != set(few_images.choose(digits.y_train, 10, 10, seed=4))
    with pytest.raises(UserError, match="a class has 450 training images, fewer than 451"):
        few_images.choose(digits.y_train, 10, 451, seed=3)


@pytest.mark.parametrize("n", [3, 8, 100])
def test_every_batch_is_full_and_a_pass_takes_each_image_once(n):
    rows = list(few_images.batches(n, batch_size=8, steps=50, seed=1))
    assert len(rows) == 50 and {len(batch) for batch in rows} == {8}
    first_pass = np.concatenate(rows)[:n]
    assert sorted(first_pass) == list(range(n))


class Counting:
    """Stands in for the model: notes the images that each copy is trained on."""

    made = []

    def __init__(self, config, shape):
        self.config, self.shape, self.seen, self.epochs = config, shape, [], []
        Counting.made.append(self)

    networks = {}

    def begin_epoch(self, epoch, epochs):
        self.epochs.append((epoch, epochs))

    def step(self, x, y, noise):
        self.seen.append((x.numpy(), y.numpy()))
        return {"loss": x.sum()}

    def encode(self, x, y=None):
        flat = x.reshape((x.shape[0], -1))[:, :4]
        return 0 * flat, 0 * flat

    def decode(self, z, x):
        return x


@pytest.fixture
def model(monkeypatch):
    """The settings of a run of the G-VAE, in a model that only counts."""
    from jgen.models.g_vae import Config
    from jgen.training.algorithm import Shape

    monkeypatch.setattr(Counting, "made", [])
    return Counting(Config(data="mnist5k", beta=0.25, stem=4, widths=(6, 9), shift=2), Shape((1, 28, 28), 10))


def test_every_way_takes_as_many_steps_and_the_generators_see_the_few_images_only(digits, model, monkeypatch):
    steps = []
    adam = few_images.optim.Adam.step
    monkeypatch.setattr(few_images.optim.Adam, "step", lambda self, loss: (steps.append(way), adam(self, loss)))
    x, y = few_images.gathered(digits, 1, seed=0)
    for way in few_images.WAYS:
        found = few_images.accuracy(way, x, y, (digits.x_test, digits.y_test), model, RECIPE, seed=0)
        assert 0 <= found <= 1
    assert steps == [way for way in few_images.WAYS for _ in range(RECIPE.steps)]
    plain, ours = Counting.made[1:]
    assert (plain.config.classifier, ours.config.classifier) == ("off", "on")
    allowed = {image.tobytes(): label for image, label in zip(x, y)}
    for generator in (plain, ours):
        assert generator.epochs == [(1, 2), (2, 2)] and len(generator.seen) == RECIPE.generator_steps
        assert generator.config.beta == 0.25 and generator.config.widths == (3, 4) and generator.config.shift == 0
        for images, labels in generator.seen:
            for image, label in zip(np.rint(255 * images).astype(np.uint8), labels):
                assert allowed[image.tobytes()] == label


def test_copies_replace_half_of_a_batch_and_belong_to_their_images():
    x = np.arange(100, dtype=np.uint8).reshape(-1, 1, 1, 1)
    copies = np.stack([x + 100, x + 100], 1)  # [N, 2, 1, 1, 1]
    rows = np.arange(100).repeat(10)
    pixels = few_images._half_copies(x, copies, rows, seed=0, step=1).ravel()
    assert ((pixels == rows) | (pixels == rows + 100)).all()
    assert (pixels >= 100).mean() == pytest.approx(0.5, abs=0.06)


@pytest.fixture
def made(monkeypatch):
    """The cells that were really made, in order; their accuracies come from a formula."""
    cells = []

    def accuracy(way, x, y, test, algorithm, recipe, seed):
        cells.append((len(x) // 10, way, seed))
        gain = {few_images.NONE: 0, few_images.CLASSIC: 0.1}.get(way, -0.1)
        return 0.5 + 0.01 * seed + gain

    monkeypatch.setattr(few_images, "accuracy", accuracy)
    return cells


def test_an_interrupted_table_goes_on_and_keeps_its_rows(digits, model, made, tmp_path):
    path, wanted = tmp_path / "low-data.jsonl", low_data.cells((2, 1), 0, 2)
    low_data.make(path, digits, model, RECIPE, wanted)
    assert made == [(size, way, seed) for seed, size, way in itertools.product((0, 1), (1, 2), few_images.WAYS)]
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 21
    path.write_bytes(b"".join(lines[:8]) + lines[8][:9])  # killed in the middle of a row
    made.clear()
    accuracies = low_data.make(path, digits, model, RECIPE, wanted)
    assert set(accuracies) == set(wanted) and set(made) == set(wanted[7:])
    made.clear()
    low_data.make(path, digits, model, RECIPE, low_data.cells((1, 3), 0, 2))
    assert {cell[0] for cell in made} == {3}
    with pytest.raises(UserError, match="other settings: delete it"):
        low_data.make(path, digits, model, few_images.Recipe(steps=4), wanted)
    with open(path, "a") as file:
        file.write('{"per_class": 1}\n')
    with pytest.raises(UserError, match="no row of this table"):
        low_data.make(path, digits, model, RECIPE, wanted)


def test_too_large_a_size_is_refused_before_anything_is_trained(digits, model, made, tmp_path):
    with pytest.raises(UserError, match="smaller --sizes"):
        low_data.make(tmp_path / "rows", digits, model, RECIPE, low_data.cells((10, 500), 0, 1))
    assert not made


def test_means_deviations_and_paired_gains():
    wanted = low_data.cells((10,), 0, 3)
    accuracies = {cell: {"none": 0.5, "classic": 0.6}.get(cell[1], 0.4) + 0.1 * cell[2] for cell in wanted}
    accuracies[10, "VAE", 2] += 0.3
    measured = low_data.numbers(accuracies, wanted)
    assert measured["none"]["values"]["10"] == pytest.approx(60)
    assert measured["none"]["deviations"]["10"] == pytest.approx(10)
    gain = measured["gain_of_classic_over_none"]  # the seeds' own spread cancels
    assert gain["values"]["10"] == pytest.approx(10) and gain["standard_errors"]["10"] == pytest.approx(0, abs=1e-9)
    vae = measured["gain_of_VAE_over_none"]  # -10, -10, 20
    assert vae["values"]["10"] == pytest.approx(0, abs=1e-9) and vae["standard_errors"]["10"] == pytest.approx(10)
    assert low_data.draw(accuracies, wanted).startswith(b"\x89PNG")
    alone = low_data.numbers(accuracies, low_data.cells((10,), 0, 1))
    assert "deviations" not in alone["none"] and low_data.draw(accuracies, low_data.cells((10,), 0, 1))


TINY = ["--data", "mnist5k", "--epochs", "1", "--batch-size", "500"]
SMALL = ["--stem", "2", "--widths", "2", "2", "--latent-dim", "4"]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    training.run(GVAE, [*TINY, *SMALL, "--out", str(folder)])
    training.run(GVAE, [*TINY, *SMALL, "--out", str(folder), "--name", "plain", "--classifier", "off"])
    return folder


def run(out, *words):
    tool.run("evaluate.py", Evaluation, evaluate, [*map(str, words), "--out", str(out)])


def test_the_command_writes_table_picture_and_protocol(out, capsys, made):
    run(out, "g-vae", "low-data", "--sizes", 5, 2, "--seeds", 2)
    found = json.loads((out / "results/g-vae/evaluation.json").read_text())["low-data"]
    assert set(few_images.WAYS) < set(found["numbers"]) and list(found["numbers"]["ISDA"]["values"]) == ["2", "5"]
    assert found["numbers"]["gain_of_classic_over_none"]["values"]["5"] == pytest.approx(10)
    protocol = found["protocol"]
    assert protocol["seeds"] == 2 and protocol["recipe"]["steps"] and "nothing else" in protocol["trained_on"]
    assert protocol["model"]["widths"] == [1, 1] and set(protocol["ways"]) == set(few_images.WAYS)
    assert (out / "results/g-vae/low-data.png").read_bytes().startswith(b"\x89PNG")
    assert "gain of classic over none" in capsys.readouterr().out
    count = len(made)
    run(out, "g-vae", "low-data", "--sizes", 5, 2, "--seeds", 2)
    assert len(made) == count


def test_a_cell_trains_and_gives_the_same_accuracy_again(out, digits):
    from jgen.runs import finished

    algorithm = finished.load(out, "g-vae").algorithm
    x, y = few_images.gathered(digits, 20, seed=0)
    test = (digits.x_test[::5], digits.y_test[::5])
    recipe = few_images.Recipe(steps=40, generator_steps=4, epochs=2, copies=2)
    for way in few_images.WAYS:
        found = few_images.accuracy(way, x, y, test, algorithm, recipe, seed=0)
        assert found > 0.5, way  # chance is 0.1
        assert way not in (few_images.G_VAE, few_images.ISDA) or found == few_images.accuracy(
            way, x, y, test, algorithm, recipe, seed=0
        )


@pytest.mark.parametrize(
    "words, message",
    [
        (["plain"], "does not classify"),
        (["g-vae", "--sizes", 1000], "smaller --sizes"),
        (["g-vae", "--seeds", 0], "at least 1"),
    ],
)
def test_errors_are_one_clear_line(out, capsys, words, message):
    with pytest.raises(SystemExit) as stop:
        run(out, words[0], "low-data", *words[1:])
    error = capsys.readouterr().err
    assert stop.value.code == 2 and message in error and "Traceback" not in error
