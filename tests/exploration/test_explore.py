"""The real command on tiny runs: what its pictures show, and what it refuses."""

import json
import re

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image
from scipy.stats import norm

from jgen import data
from jgen.cli import tool, training
from jgen.data import images
from jgen.exploration import dimensions, pictures_morph
from jgen.exploration.job import KINDS, PICTURES, explore
from jgen.models.ae import AE
from jgen.models.cvae import CVAE
from jgen.models.vae import VAE
from jgen.models.wgan import WGAN
from jgen.pictures import captions, film, grid
from jgen.runs import finished, latents
from jgen.runs.directory import RunDirectory


@pytest.fixture(scope="module")
def runs(tmp_path_factory, class_folder):
    """A folder with runs of a VAE and an AE on MNIST, and of a CVAE on a class folder."""
    out = tmp_path_factory.mktemp("runs")
    small = ["--hidden", "8", "--latent-dim", "3", "--out", str(out), "--epochs", "1", "--batch-size", "500"]
    training.run(VAE, [*small, "--data", "mnist5k", "--lr", "0.01"])
    training.run(AE, [*small, "--data", "mnist5k"])
    training.run(CVAE, [*small, "--data", str(class_folder), "--net", "mlp"])
    return out


@pytest.fixture(scope="module")
def wgan(runs):
    words = ["--hidden", "8", "8", "--critic-hidden", "8", "--latent-dim", "3", "--data", "mnist5k"]
    training.run(WGAN, [*words, "--out", str(runs), "--epochs", "1", "--batch-size", "500"])


@pytest.fixture
def words(monkeypatch):
    """The words of every picture made; the pictures themselves are left without, and as small as their images."""
    written = []

    def captioned(picture, cell, **words):
        written.append(words)
        return picture

    monkeypatch.setattr(captions, "captioned", captioned)
    return written


@pytest.fixture
def look(runs, capsys, words):
    """look("vae", "grid", …) -> (exit code, what was printed, {file name: pixels or path})."""

    def look(name, *words):
        code = 0
        try:
            tool.run_kind("explore.py", "", KINDS, explore, [name, *map(str, words), "--out", str(runs)])
        except SystemExit as stop:
            code = stop.code
        printed = capsys.readouterr()
        made = [line for line in printed.out.splitlines() if "/explore/" in line]
        files = {path.rpartition("/")[2]: _pixels(path) if path.endswith("png") else path for path in made}
        return code, printed.out + printed.err, files

    return look


def _pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def cell(picture, row, column, shape=(28, 28)):
    """One image of a grid, as its grey values."""
    y, x = 2 + row * (shape[0] + 2), 2 + column * (shape[1] + 2)
    return picture[y : y + shape[0], x : x + shape[1], 0]


def expected(runs, name, z, y=None):
    """The decoded latents as grey values."""
    z = np.asarray(z, np.float32)
    x = latents.decode(finished.load(runs, name).algorithm, z, y=None if y is None else np.full(len(z), y))
    return grid.image_grid(x, 1, pad=0)[..., 0].reshape(len(z), *x.shape[2:])


def assert_close(picture, other):
    assert np.abs(picture.astype(int) - other.astype(int)).max() <= 1


def mnist_test(*rows):
    return data.load("mnist5k", "").x_test[list(rows)]


def test_reconstructions_stand_below_untouched_originals_and_the_error_is_theirs(look, runs, words):
    code, printed, files = look("vae", "reconstruct", "--images", 4, 9, 12)
    picture = files["reconstruct.png"]
    x = mnist_test(4, 9, 12)
    algorithm = finished.load(runs, "vae").algorithm
    back = expected(runs, "vae", latents.encode(algorithm, x)[0])
    errors = []
    for column in range(3):
        np.testing.assert_array_equal(cell(picture, 0, column), x[column, 0])
        assert_close(cell(picture, 1, column), back[column])
        errors.append(((x[column, 0] / 255 - back[column] / 255) ** 2).mean())
    shown = float(re.search(r"per pixel: ([\d.]+) over the 3 images", printed)[1])
    assert code == 0 and shown == pytest.approx(np.mean(errors), abs=1e-4)
    assert words[0]["row_names"] == ["original", "reconstruction"]
    assert re.fullmatch(r"vae   epoch 1 of 1   loss [\d.]+   test loss [\d.]+   test images", words[0]["title"])


def test_samples_have_a_row_per_class_with_the_same_latents(look, runs, words):
    code, _, files = look("cvae", "sample", "--columns", 4, "--data-dir", "nowhere")  # needs no data
    picture = files["sample.png"]
    assert code == 0 and picture.shape[0] == 2 + 2 * (9 + 2) and words[0]["row_names"] == ["dark 1", "hell"]
    z = np.random.Generator(np.random.PCG64((0, 4))).standard_normal((4, 3), dtype=np.float32)
    for row in range(2):
        assert_close(cell(picture, row, 2, (9, 7)), expected(runs, "cvae", z[2:3], row)[0])


def test_a_traversal_moves_one_latent_and_begins_with_the_highest_kl(look, runs, words):
    code, printed, files = look("vae", "traverse", "--columns", 3, "--reach", 2)
    picture = files["traverse.png"]
    order = list(map(int, re.search(r"latents ([\d ]+),", printed)[1].split()))
    mu, logvar = latents.encode(finished.load(runs, "vae").algorithm, data.load("mnist5k", "").x_test)
    kl = 0.5 * (mu**2 + np.exp(logvar) - logvar - 1).mean(0)
    assert order == np.argsort(-kl).tolist() and code == 0
    for row, latent in enumerate(order):
        for column, step in enumerate((-2, 0, 2)):
            assert_close(cell(picture, row, column), expected(runs, "vae", [np.eye(3)[latent] * step])[0])
    assert words[0]["column_names"] == ["-2", "0", "+2"]
    assert [name.split()[0] for name in words[0]["row_names"]] == [f"z{latent}" for latent in order]


def test_a_traversal_around_an_image_has_its_reconstruction_in_the_middle(look, runs):
    _, _, files = look("ae", "traverse", "--image", 3, "--dims", 2, 0, "--columns", 5)
    picture = files["traverse.png"]
    mu = latents.encode(finished.load(runs, "ae").algorithm, mnist_test(3))[0]
    for row in range(2):
        assert_close(cell(picture, row, 2), expected(runs, "ae", mu)[0])


def test_the_grid_has_equal_quantiles_of_the_prior(look, runs, words):
    code, printed, files = look("vae", "grid", "--dims", 2, 0, "--side", 4)
    quantiles = norm.ppf([0.125, 0.375, 0.625, 0.875])
    z = [[quantiles[1], 0, quantiles[3]]]
    assert code == 0 and "across: latent 2, down: latent 0" in printed
    assert_close(cell(files["grid.png"], 1, 3), expected(runs, "vae", z)[0])
    assert words[0]["column_names"] == words[0]["row_names"] == ["-1.15", "-0.32", "+0.32", "+1.15"]


@pytest.mark.slow
def test_a_morph_ends_where_it_should_as_strips_and_films(look, runs, words):
    code, _, files = look("vae", "morph", "--from", 4, "--to", 9, "--columns", 5, "--frames", 3)
    x = mnist_test(4, 9)
    back = expected(runs, "vae", latents.encode(finished.load(runs, "vae").algorithm, x)[0])
    assert code == 0
    assert sorted(files) == [f"morph-{way}.{kind}" for way in ("linear", "spherical") for kind in ("mp4", "png")]
    for way in ("linear", "spherical"):
        strip = files[f"morph-{way}.png"]
        for column, pixels in ((0, x[0, 0]), (1, back[0]), (5, back[1]), (6, x[1, 0])):
            assert_close(cell(strip, 0, column), pixels)
        frames = imageio_ffmpeg.read_frames(files[f"morph-{way}.mp4"])
        assert next(frames)["size"] == (1380, 480) and sum(1 for _ in frames) > 50
    assert words[0]["column_names"] == ["from", "0%", "25%", "50%", "75%", "100%", "to"]


@pytest.mark.slow
def test_a_conditional_morph_holds_each_image_s_class_or_the_one_asked_for(look, runs, class_folder):
    test = data.load(str(class_folder), "", cache_dir=runs / "intermediate/.cache", log=lambda line: None)
    first, last = (int(np.flatnonzero(test.y_test == label)[0]) for label in (0, 1))
    _, _, files = look("cvae", "morph", "--from", first, "--to", last, "--frames", 2)
    assert files["morph-linear.png"].shape[0] == 2 + 2 * (9 + 2)
    file = sorted((class_folder / "hell").iterdir())[0]
    code, printed, _ = look("cvae", "morph", "--from", file, "--to", last)
    assert code == 2 and "--label" in printed
    code, _, files = look("cvae", "morph", "--from", file, "--to", last, "--label", "hell", "--frames", 2)
    assert code == 0 and files["morph-linear.png"].shape[0] == 9 + 4
    original = files["morph-linear.png"][2:11, 2:9]
    np.testing.assert_array_equal(original.transpose(2, 0, 1), images.decode(file, (9, 7), 3))


@pytest.mark.slow
def test_a_morph_goes_to_another_class_unless_told_otherwise(look):
    _, _, files = look("vae", "morph", "--columns", 2, "--frames", 2)
    test = data.load("mnist5k", "")
    other = int(np.flatnonzero(test.y_test != test.y_test[0])[0])
    np.testing.assert_array_equal(cell(files["morph-linear.png"], 0, 3), test.x_test[other, 0])


@pytest.mark.slow
def test_any_image_file_is_resized_as_the_data_are(look, tmp_path):
    Image.new("RGB", (50, 40), "white").save(tmp_path / "a.png")
    code, _, files = look("ae", "morph", "--from", tmp_path / "a.png", "--to", 1, "--frames", 2)
    assert code == 0 and (cell(files["morph-linear.png"], 0, 0) == 255).all()


def test_a_long_film_keeps_every_frame(look, monkeypatch):
    """300 frames of a morph, there and back with 12 held at either end, are longer than a training's film may be."""
    encoded = []
    monkeypatch.setattr(film, "_encode", lambda images, count, path, size, fps: encoded.extend(images))
    monkeypatch.setattr(film, "_SHORTER_SIDE", 16)
    frames = np.zeros((648, 16, 16, 3), np.uint8)
    frames[..., 0], frames[..., 1] = (part[:, None, None] for part in np.divmod(np.arange(648), 256))
    monkeypatch.setattr(pictures_morph, "pictures", lambda run, dataset, options: {"morph.mp4": frames})
    assert look("vae", "morph")[0] == 0
    seen = [int(frame[0, 0, :2] @ np.array([256, 1])) for frame in encoded]
    assert seen == [*range(648), *[647] * 23]  # the last one held for a second


@pytest.mark.slow
def test_a_model_without_encoder_morphs_between_seeds_and_ranks_by_change(look, wgan):
    code, _, files = look("wgan", "sample", "-n", 6)
    assert code == 0 and files["sample.png"].shape == (32, 182, 3)
    code, _, files = look("wgan", "morph", "--columns", 4, "--frames", 2)
    assert code == 0 and files["morph-linear.png"].shape == (32, 122, 3)
    code, printed, files = look("wgan", "traverse", "--rows", 2)
    assert code == 0 and "by change" in printed
    assert look("wgan", "grid", "--side", 3)[0] == 0
    for words in (["reconstruct"], ["morph", "--from", "3"], ["traverse", "--image", "3"]):
        code, printed, _ = look("wgan", *words)
        assert code == 2 and "wgan has no encoder" in printed


@pytest.mark.parametrize(
    "words, reason",
    [
        (("ae", "sample"), "ae has no prior"),
        (("ae", "grid"), "ae has no prior"),
        (("ae", "morph", "--from", "seed:1"), "ae has no prior"),
        (("vae", "traverse", "--dims", "3"), "no latent 3"),
        (("vae", "grid", "--dims", "1"), "two different latents"),
        (("vae", "morph", "--from", "99999"), "no image 99999"),
        (("vae", "morph", "--from", "9" * 400), "...9"),
        (("vae", "morph", "--frames", "1001"), "must be at most 1000"),
        (("vae", "morph", "--from", "no.png"), "no.png is neither"),
        (("vae", "morph", "--from", __file__), "cannot be used"),
        (("cvae", "sample", "--columns", "0"), "must be at least 1"),
        (("cvae", "grid", "--label", "cat"), "knows no class 'cat'"),
        (("nobody", "sample"), "holds no run"),
        (("vae", "everything"), "invalid choice"),
    ],
)
def test_what_a_model_has_not_is_refused_in_one_line(look, words, reason):
    code, printed, files = look(*words)
    assert code == 2 and reason in printed and "Traceback" not in printed and not files
    assert len([line for line in printed.splitlines() if not line.startswith("run: ")]) == 1


def test_data_that_are_gone_are_named_and_sampling_does_without(look, runs):
    path = runs / "results/cvae/config.json"
    kept = path.read_text()
    record = json.loads(kept)
    record["config"]["data"] = record["data"]["requested"] = "/no/such/folder"
    path.write_text(json.dumps(record))
    try:
        code, printed, _ = look("cvae", "reconstruct")
        assert code == 2 and "/no/such/folder" in printed and "data of cvae" in printed
        assert look("cvae", "sample")[0] == 0
    finally:
        path.write_text(kept)


def test_a_kind_is_one_module_with_options_and_pictures():
    for module in PICTURES.values():
        assert issubclass(module.Options, tool.Options) and callable(module.pictures)
        assert module.Options.__doc__.strip()


def test_the_arc_keeps_its_angle_and_its_length_even():
    generator = np.random.default_rng(0)
    first, last = generator.normal(size=(2, 50)) * [[1], [2]]
    t = np.linspace(0, 1, 7)
    z = pictures_morph.spherical(first, last, t)
    lengths = np.linalg.norm(z, axis=1)
    np.testing.assert_allclose(z[[0, -1]], [first, last])
    np.testing.assert_allclose(np.diff(lengths, 2), 0, atol=1e-9)
    angles = np.arccos((z[1:] * z[:-1]).sum(1) / (lengths[1:] * lengths[:-1]))
    np.testing.assert_allclose(angles, angles[0])
    for other in (2 * first, -first, 0 * first):
        np.testing.assert_allclose(pictures_morph.spherical(first, other, t), pictures_morph.linear(first, other, t))


def test_a_given_latent_must_be_there():
    ranking = dimensions.Ranking("KL", np.array([0.1, 3, 2]), np.zeros(3), np.ones(3))
    assert ranking.choose((), 2) == [1, 2] and ranking.choose((0,), 2) == [0]


def test_an_overwritten_run_takes_its_pictures_with_it(tmp_path):
    directory = RunDirectory(tmp_path, "some")
    grid.write_png(directory.explored / "grid.png", np.zeros((2, 2, 3), np.uint8))
    (directory.explored / "notes.txt").write_text("mine")
    directory.clear()
    assert [path.name for path in directory.explored.iterdir()] == ["notes.txt"]
