"""The package as a library: train, load, sample, encode, decode, film, export; errors are exceptions."""

import subprocess
import sys

import numpy as np
import pytest

import jgen
from jgen.platform.files import ROOT


@pytest.fixture(scope="module")
def run(trained_vae):
    return jgen.load("vae", out=trained_vae, device="cpu")


def test_a_run_samples_encodes_and_decodes(run, grey_folder):
    images = run.sample(5, seed=1)
    assert images.shape == (5, 1, 5, 6) and images.dtype == np.float32 and 0 <= images.min() <= images.max() <= 1
    np.testing.assert_array_equal(images, run.sample(5, seed=1))
    z = run.encode(images)
    assert z.shape == (5, 2) and run.decode(z).shape == images.shape
    assert run.film().is_file() and run.config["latent_dim"] == 2 and len(run.metrics) == 1
    np.testing.assert_allclose(run.encode((255 * images).round().astype(np.uint8)), z, atol=0.1)


def test_train_gives_the_run(tmp_path, grey_folder):
    flags = {"epochs": 1, "batch_size": 18, "hidden": (4,), "latent_dim": 2, "keep_every": 0, "device": "cpu"}
    run = jgen.train("vae", data=grey_folder, out=tmp_path, name="mine", **flags)
    assert run.name == "mine" and run.folder == tmp_path / "results/mine" and run.config["hidden"] == [4]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: jgen.train("vea"), "there is no model 'vea'; the models are: ae, beta-vae"),
        (lambda: jgen.train("vae", latent=3), "vae has no flag 'latent'; it has: "),
        (lambda: jgen.train("vae", epochs=0), "must be at least 1"),
        (lambda: jgen.train("vae", data="nowhere", device="cpu"), "no data set or image folder 'nowhere'"),
        (lambda: jgen.load("no-such-run"), "holds no run"),
    ],
)
def test_what_the_user_can_fix_is_an_exception(call, message, tmp_path, monkeypatch):
    with pytest.raises(jgen.UserError, match=message):
        call()


def test_wrong_arguments_of_a_run_are_exceptions(run):
    for call, message in (
        (lambda: run.sample(0), "at least 1"),
        (lambda: run.sample(2, label=1), "not conditional"),
        (lambda: run.encode(np.zeros((2, 1, 4, 4))), r"encodes images \[N, 1, 5, 6\], got \(2, 1, 4, 4\)"),
        (lambda: run.decode(np.zeros((2, 3))), r"decodes latents \[N, 2\], got \(2, 3\)"),
        (lambda: run.decode(np.zeros((2, 2)), y=[0, 1]), "not conditional"),
    ):
        with pytest.raises(jgen.UserError, match=message):
            call()


def test_an_exported_decoder_draws_the_same_images(run, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    path = jgen.export(run, tmp_path / "decoder.onnx")
    z = np.random.default_rng(0).standard_normal((7, 2), dtype=np.float32)
    (images,) = onnxruntime.InferenceSession(path).run(None, {"z": z})
    np.testing.assert_allclose(images, run.decode(z), atol=1e-5)
    assert np.ptp(images) > 0


@pytest.mark.slow
def test_python_m_jgen_has_a_version_and_commands():
    def said(*words):
        command = [sys.executable, "-m", "jgen", *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT / "src", check=False)

    assert said("--version").stdout == f"jgen {jgen.__version__}\n"
    assert "evaluate" in said("--help").stdout
    assert "--latent-dim" in said("train", "vae", "--help").stdout
    wrong = said("tarin")
    assert wrong.returncode == 2 and "there is no command 'tarin'" in wrong.stderr and wrong.stderr.count("\n") == 1
