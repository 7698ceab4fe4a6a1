"""The page's decoders compute what Jittor computes, and the section holds what a reader can touch."""

import json
import pathlib
import re

import numpy as np
import pytest

import eight_bit
from jgen.config import to_json
from jgen.models import cvae, g_vae, vae, wgan
from jgen.runs import checkpoint, finished, latents
from jgen.training.algorithm import Shape
from reproduction.reporting import decoders, latent_space
from reproduction.reporting.results import Results

ROOT = pathlib.Path(__file__).resolve().parents[3]
RUNS = ("vae", "beta-vae", "cvae-mlp-beta-4", "wgan-gp")  # committed
TINY = {
    "vae": (vae.VAE, vae.Config(hidden=(8, 7), latent_dim=3)),
    "iwae": (vae.VAE, vae.Config(arch="iwae", hidden=(8, 7), latent_dim=3)),
    "cvae": (cvae.CVAE, cvae.Config(net="mlp", hidden=(8,), latent_dim=3, label_dim=2)),
    "wgan": (wgan.WGAN, wgan.Config(hidden=(8, 7, 6), critic_hidden=(5,), latent_dim=3, bn_epsilon=0.1)),
}


def data_of(fragment):
    return json.loads(re.search(r'id="latent-data">(.*?)</script>', fragment.html, re.DOTALL)[1])


def drawn(count, latent_dim, n_classes):
    generator = np.random.default_rng(5)
    return generator.standard_normal((count, latent_dim), np.float32), generator.integers(0, max(1, n_classes), count)


@pytest.mark.parametrize("name", TINY)
def test_the_chain_is_the_decoder_that_jittor_has(name):
    cls, config = TINY[name]
    algorithm = cls(config, Shape((1, 5, 4), n_classes=3))
    generator = np.random.default_rng(0)  # every array at random, so that a forgotten one shows
    arrays = {key: generator.uniform(-1.5, 1.5, a.shape).astype(np.float32) for key, a in algorithm.weights().items()}
    arrays = {key: np.abs(a) + 0.2 if key.endswith("running_var") else a for key, a in arrays.items()}
    algorithm.load_weights(arrays)
    z, y = drawn(64, 3, 3)
    expected = latents.decode(algorithm, z, y=y).reshape(64, -1)
    assert np.ptp(expected) > 0.9
    np.testing.assert_allclose(decoders.chain(cls.decoder_chain(config), arrays).decode(z, y), expected, atol=3e-6)


@pytest.mark.parametrize("name", RUNS)
def test_with_the_page_s_weights_jittor_draws_the_page_s_pictures(name):
    run = finished.load(ROOT, name, "cpu")
    declared = run.algorithm.decoder_chain(run.algorithm.config)
    exact = decoders.chain(declared, checkpoint.load_weights(run.directory.weights))
    n_classes = len(exact.labels)
    chain = decoders.unpacked(json.loads(json.dumps(exact.packed())), n_classes)
    z, y = drawn(64, run.algorithm.latent_dim, n_classes)
    in_full = latents.decode(run.algorithm, z, y=y).reshape(64, -1)
    expected = eight_bit.drawn_by_jittor(run.algorithm, chain, z, y).reshape(64, -1)
    assert np.abs(chain.decode(z, y) - expected).max() < 0.1 / 255
    assert np.abs(chain.decode(z, y) - in_full).mean() < 0.5 / 255, "eight bits a weight should not be seen"


def test_a_convolutional_decoder_is_no_chain():
    assert cvae.CVAE.decoder_chain(cvae.Config()) is None
    assert wgan.WGAN.decoder_chain(wgan.Config(net="conv")) is None
    assert g_vae.GVAE.decoder_chain(g_vae.Config()) is None


def test_the_committed_runs_fill_the_section():
    fragment = latent_space.fragment(Results(ROOT))
    models = data_of(fragment)
    assert [model["name"] for model in models] == list(RUNS)
    assert len(fragment.html) < 4_000_000
    for model in models:
        values = np.array(model["values"])
        assert sorted(model["order"]) == list(range(model["latents"])), "every latent can be reached"
        assert (np.diff(values[model["order"]]) <= 0).all(), "the most informative one comes first"
        assert 2 <= model["shown"] <= 8
        assert f"`{model['name']}`" in fragment.markdown
    evaluation = json.loads((ROOT / "results/published/beta-vae/evaluation.json").read_text())
    assert models[1]["values"] == evaluation["likelihood"]["numbers"]["kl_per_dimension"]["values"]
    assert models[1]["shown"] == evaluation["likelihood"]["numbers"]["active_units"]["value"]
    assert [len(model["classes"]) for model in models] == [0, 0, 10, 0]


def test_without_an_evaluation_latents_are_ordered_by_what_they_move(trained_vae):
    (model,) = data_of(latent_space.fragment(Results(trained_vae)))
    assert (model["name"], model["unit"], model["shape"]) == ("vae", "RMS", [1, 5, 6])
    arrays = checkpoint.load_weights(trained_vae / "results" / "vae" / "weights.safetensors")
    chain = decoders.chain(vae.VAE.decoder_chain(vae.Config()), arrays)
    change = [chain.decode(2 * e[None]) - chain.decode(-2 * e[None]) for e in np.eye(2)]
    np.testing.assert_allclose(model["values"], [np.sqrt((c**2).mean()) for c in change], atol=1e-5)
    assert model["order"] == np.argsort(model["values"])[::-1].tolist()


def test_without_runs_there_is_no_section(tmp_path):
    assert latent_space.fragment(Results(tmp_path)) is None


def test_a_class_name_cannot_end_the_data(tmp_path):
    cls, config = TINY["cvae"]
    algorithm = cls(config, Shape((1, 5, 4), n_classes=2))
    folder = tmp_path / "results" / "cvae-mlp"
    folder.mkdir(parents=True)
    record = {"model": "cvae", "class": "CVAE", "config": to_json(config), "as_published": False}
    record |= {"image_shape": [1, 5, 4], "n_classes": 2, "data": {"classes": ["</script><b>", "b"], "requested": "x"}}
    (folder / "config.json").write_text(json.dumps(record))
    checkpoint.save_weights(folder / "weights.safetensors", algorithm.weights())
    fragment = latent_space.fragment(Results(tmp_path))
    assert fragment.html.count("</script>") == 1
    assert data_of(fragment)[0]["classes"] == ["</script><b>", "b"]
