"""A finished run is loaded through its own record, which may come from a stranger; sampling and stitching use it."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from jgen.cli import tool
from jgen.cli.sample import Sampling
from jgen.cli.sample import sample as draw_samples
from jgen.cli.video import Stitching, stitch
from jgen.errors import UserError
from jgen.models.vae import VAE
from jgen.runs import checkpoint, finished, sampling


@pytest.fixture
def out(trained_vae, tmp_path):
    shutil.copytree(trained_vae, tmp_path, dirs_exist_ok=True)
    return tmp_path


def change(out, **values):
    path = out / "results/vae/config.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**record, **values}), encoding="utf-8")


def test_it_has_its_settings_its_shape_and_its_weights(out):
    run = finished.load(out, "vae")
    assert isinstance(run.algorithm, VAE) and run.algorithm.config.hidden == (4,)
    assert run.algorithm.shape.image_shape == (1, 5, 6) and run.directory.name == "vae"
    trained = checkpoint.load(run.directory.checkpoint)[0]
    for name, value in run.algorithm.weights().items():
        np.testing.assert_array_equal(value, trained[name].astype(np.float16).astype(np.float32), err_msg=name)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"model": "os"}, "names the model 'os'"),
        ({"model": "../secret"}, "which this package does not have"),
        ({"model": "__init__"}, "which this package does not have"),
        ({"model": None}, "which this package does not have"),
        ({"class": "Config"}, "not an algorithm"),
        ({"class": "Algorithm"}, "not an algorithm"),
        ({"class": "BetaVAE"}, "not an algorithm of jgen.models.vae"),
        ({"class": ["VAE"]}, "not an algorithm"),
        ({"config": {"hidden": [4], "wings": 2}}, "unknown setting 'wings'"),
        ({"config": {"hidden": [10**9]}}, "hidden must be at most"),
        ({"config": {"hidden": [2**16, 2**16]}}, "far more than the weights hold"),
        ({"data": []}, "must be tables"),
        ({"data": {"requested": 3}}, "must be a text"),
        ({"data": {"classes": "ab"}}, "must be a list of texts"),
        ({"command": ["rm"]}, "must be a text"),
        ({"config": {"hidden": [5], "latent_dim": 2}}, "does not fit"),
        ({"image_shape": [1, 5, 7]}, "does not fit"),
        ({"image_shape": [1, 10**9, 7]}, "out of range"),
        ({"image_shape": [2, 5, 6]}, "out of range"),
        ({"image_shape": "156"}, "image_shape should be"),
        ({"image_shape": [1, 5.0, 6]}, "image_shape should be"),
        ({"n_classes": -1}, "n_classes -1 is out of range"),
        ({"n_classes": 10**9}, "is out of range"),
        ({"n_classes": None}, "n_classes a whole number"),
    ],
)
def test_a_strangers_record_can_only_name_what_this_package_has(out, values, message):
    change(out, **values)
    with pytest.raises(UserError, match=message) as refusal:
        finished.load(out, "vae")
    assert "config.json" in str(refusal.value)


def test_weights_that_are_not_finite_are_refused(out):
    path = out / "results/vae/weights.safetensors"
    arrays = checkpoint.load_weights(path)
    name = sorted(arrays)[0]
    checkpoint.save_weights(path, {**arrays, name: np.full_like(arrays[name], np.nan)})
    with pytest.raises(UserError, match=rf"weights\.safetensors is spoilt: {name} is not finite"):
        finished.load(out, "vae")


def test_what_is_missing_or_torn_is_named(out):
    with pytest.raises(UserError, match="holds no run"):
        finished.load(out, "other")
    with pytest.raises(UserError, match=r"weights_0007\.safetensors is not there"):
        finished.load(out, "vae", epoch=7)
    weights = out / "results/vae/weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-3])
    with pytest.raises(UserError, match="truncated"):
        finished.load(out, "vae")
    weights.unlink()
    with pytest.raises(UserError, match="--resume"):
        finished.load(out, "vae")


def use(script, options_class, job, capsys, *words):
    """Run a tool in this process -> (exit code, what it printed)."""
    code = 0
    try:
        tool.run(script, options_class, job, [str(word) for word in words])
    except SystemExit as stop:
        code = stop.code
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def sample(capsys, *words):
    return use("sample.py", Sampling, draw_samples, capsys, *words)


def video(capsys, *words):
    return use("video.py", Stitching, stitch, capsys, *words)


def test_samples_depend_on_the_seed_alone_not_on_the_batches(out, monkeypatch):
    algorithm = finished.load(out, "vae").algorithm
    first, _ = sampling.draw(algorithm, 7, seed=1)
    monkeypatch.setattr(sampling, "BATCH", 3)
    again, _ = sampling.draw(algorithm, 7, seed=1)
    other, _ = sampling.draw(algorithm, 7, seed=2)
    np.testing.assert_allclose(first, again, atol=1e-6)
    assert not np.allclose(first, other)
    assert algorithm.encoder.is_training()  # its mode is put back


def test_without_a_place_a_grid_goes_to_the_runs_results(out, capsys):
    code, printed = sample(capsys, "vae", "--out", out, "-n", 3)
    picture = out / "results/vae/sampled.png"
    assert code == 0 and f"{picture}: the first 3 of 3 samples" in printed
    with Image.open(picture) as image:
        assert image.width >= 3 * 56 and image.height >= 56  # enlarged, with words around it


def test_a_kept_epoch_is_sampled_on_request(out, capsys, tmp_path):
    shutil.copy(out / "results/vae/weights.safetensors", out / "results/vae/weights_0005.safetensors")
    assert sample(capsys, "vae", "--out", out, "--epoch", 5, "--npz", tmp_path / "x.npz")[0] == 0
    code, printed = sample(capsys, "vae", "--out", out, "--epoch", 6)
    assert code == 2 and "weights_0006" in printed


@pytest.mark.parametrize(
    "words, message",
    [
        (("--npz", "/proc/nowhere/x.npz"), "cannot write"),
        (("--png", "/proc/nowhere/x.png"), "cannot write"),
        (("-n", 10**14), "not enough memory"),
        (("--device", "tpu"), "invalid choice"),
    ],
)
def test_sample_refuses_in_one_line(out, capsys, words, message):
    code, printed = sample(capsys, "vae", "--out", out, *words)
    assert code == 2 and message in printed.splitlines()[-1] and "Traceback" not in printed


@pytest.mark.parametrize(
    "words, message",
    [
        (("vae", "--kind", "../../vae"), "kind of grid"),
        (("vae", "--kind", "**"), "kind of grid"),
        (("vae", "--kind", "nothing"), "no frames"),
        (("vae", "--seconds", 0), "above 0"),
        (("../vae",), "cannot name a run"),
        (("other",), "holds no run"),
    ],
)
def test_video_refuses_in_one_line(out, capsys, words, message):
    code, printed = video(capsys, *words, "--out", out)
    assert code == 2 and message in printed and printed.count("\n") == 1


def test_a_film_is_not_replaced_by_one_of_fewer_grids(out, capsys):
    """As in a fresh clone, where only a run's last grid is committed."""
    film, metrics = out / "results/mp4/vae.mp4", out / "results/vae/metrics.jsonl"
    before, rows = film.read_bytes(), metrics.read_text()
    metrics.write_text(rows + rows.splitlines()[-1].replace('"epoch": 1', '"epoch": 2') + "\n")
    code, printed = video(capsys, "vae", "--out", out)
    metrics.write_text(rows)
    assert code == 2 and "1 of 2 grids" in printed and film.read_bytes() == before


def test_a_broken_frame_is_named(out, capsys):
    frame = out / "intermediate/vae/epoch_0001.png"
    frame.write_bytes(frame.read_bytes()[:40])
    code, printed = video(capsys, "vae", "--out", out)
    assert code == 2 and str(frame) in printed


def test_a_model_without_a_prior_is_not_sampled(train, grey_folder, tmp_path, capsys):
    from jgen.models.ae import AE

    words = ("--data", grey_folder, "--out", tmp_path, "--epochs", 1, "--batch-size", 18, "--hidden", 4)
    assert train(AE, *words)[0] == 0
    code, printed = sample(capsys, "ae", "--out", tmp_path)
    assert code == 2 and "no prior" in printed


@pytest.fixture
def published(out):
    """`out` whose run is published, as in a fresh clone."""
    (out / "results/published").mkdir()
    for name in ("vae", "mp4"):
        shutil.move(out / "results" / name, out / "results/published" / name)
    return out


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_published_run_is_used_and_stays_as_it_is(published, capsys):
    before = contents(published / "results/published")
    code, printed = sample(capsys, "vae", "--out", published, "-n", 3)
    assert code == 0 and f"run: {published / 'results/published/vae'} (published)\n" in printed
    assert f"{published / 'results/vae/sampled.png'}: the first 3" in printed
    code, printed = video(capsys, "vae", "--out", published)
    assert code == 0 and str(published / "results/mp4/vae.mp4") in printed
    assert contents(published / "results/published") == before


def test_the_users_own_run_comes_first(published, capsys):
    shutil.copytree(published / "results/published/vae", published / "results/vae")
    code, printed = sample(capsys, "vae", "--out", published, "-n", 3)
    assert code == 0 and f"run: {published / 'results/vae'}\n" in printed


def test_a_run_published_without_weights_names_the_command_that_trains_it(published, capsys):
    (published / "results/published/vae/weights.safetensors").unlink()
    code, printed = sample(capsys, "vae", "--out", published)
    command = json.loads((published / "results/published/vae/config.json").read_text())["command"]
    assert code == 2 and printed.count("\n") == 1
    assert f"vae is published without these weights; train it again (about 1 minutes): {command}" in printed
