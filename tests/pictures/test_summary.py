"""--summary: every weight is counted, shapes are those of the networks, and no run is made or touched."""

import re
import types

import numpy as np
import pytest

from covering import quick_first
from jgen.models import ae, beta_vae, conv_vae, cvae, g_vae, vae, wgan
from jgen.models.vae import VAE
from jgen.pictures import network_drawing, summary
from jgen.training.algorithm import Shape

TINY = {
    ae.AE: {"hidden": (5,), "latent_dim": 3},
    vae.VAE: {"hidden": (5,), "latent_dim": 3},
    beta_vae.BetaVAE: {"hidden": (5, 4), "latent_dim": 3},
    cvae.CVAE: {"widths": (2, 3), "latent_dim": 3},
    conv_vae.ConvVAE: {"widths": (2, 3), "latent_dim": 3},
    g_vae.GVAE: {"stem": 2, "widths": (4,), "blocks": (2,), "decoder_blocks": (0,), "latent_dim": 3},
    wgan.WGAN: {"hidden": (4, 5), "critic_hidden": (6,), "latent_dim": 3},
}
N = 12
DATASET = types.SimpleNamespace(
    x_train=np.zeros((N, 3, 9, 8), np.uint8), y_train=np.arange(N) % 3, image_shape=(3, 9, 8), n_classes=3
)


def make(algorithm_class, **settings):
    algorithm = algorithm_class(algorithm_class.Config(**{**TINY[algorithm_class], **settings}), Shape((3, 9, 8), 3))
    return algorithm, summary.look(algorithm, DATASET)


@pytest.mark.parametrize("algorithm_class", quick_first(TINY))
def test_every_network_is_seen_and_every_weight_counted(algorithm_class):
    algorithm, seen = make(algorithm_class)
    assert [network.name for network in seen] == list(algorithm.networks)
    total = 0
    for network in seen:
        weights = sum(value.numel() for value in algorithm.networks[network.name].parameters())
        rows = [call.parameters for call in summary._all(network.call)]
        assert network.parameters == sum(rows) == weights and network.uncalled == []
        total += weights
    lines = summary.table(seen)
    assert lines[-1].startswith(f"total: {total:,} parameters")
    shown = [
        int(re.search(r"([\d,]+)$", line)[1].replace(",", "")) for line in lines[1:] if re.search(r"  +[\d,]+$", line)
    ]
    assert sum(shown) == total


def test_shapes_and_heads():
    _, (encoder, decoder) = make(vae.VAE)
    assert summary._title(encoder) == "encoder: GaussianEncoder, [N, 3, 9, 8] -> [N, 3], [N, 3]"
    assert [(call.kind, call.outputs[0][1:]) for call in decoder.call.leaves()] == [
        ("Linear", (5,)), ("ReLU", (5,)), ("Linear", (216,)),
    ]  # fmt: skip
    _, rows = summary.columns_of(encoder)
    assert [[box.lines for box in row] for row in rows] == [
        [["[N, 3, 9, 8]"]],
        [["Linear + ReLU", "[N, 5]", "1,085 parameters"]],
        [["Linear", "[N, 6]", "36 parameters"]],
        [["[N, 3]", "[N, 3]"]],
    ]


@pytest.mark.slow
def test_what_is_not_used_is_said():
    _, seen = make(conv_vae.ConvVAE, likelihood="bernoulli")
    assert "pixel_variance: not used with these settings" in summary.table(seen)


@pytest.mark.slow
def test_blocks_are_one_box_and_modules_given_the_same_are_side_by_side():
    _, (encoder, *_) = make(g_vae.GVAE)
    assert ["Down", "Conv, BatchNorm, 2 x ResidualBlock"] in [
        box.lines[:2] for row in summary.columns_of(encoder)[1] for box in row
    ]
    wide = types.SimpleNamespace(**{**vars(DATASET), "x_train": np.zeros((2, 3, 128, 128), np.uint8)})
    algorithm = conv_vae.ConvVAE(conv_vae.Config(architecture="published", latent_dim=3), Shape((3, 128, 128)))
    rows = summary.columns_of(summary.look(algorithm, wide)[0])[1]
    assert [box.lines[0] for box in rows[-2]] == ["Linear + ReLU", "Linear + ReLU"]


def test_every_convolution_is_a_box_of_its_own():
    _, (encoder, decoder, _) = make(conv_vae.ConvVAE)
    for network, kind in ((encoder, "Conv + LeakyReLU"), (decoder, "ConvTranspose")):
        boxes = [box.lines[0] for row in summary.columns_of(network)[1] for box in row]
        assert kind in boxes and not any("Layers" in lines or "Sequential" in lines for lines in boxes), boxes


@pytest.mark.slow
def test_the_drawing_is_deterministic():
    columns = [summary.columns_of(network) for network in make(wgan.WGAN)[1]]
    svg = network_drawing.draw(columns)
    assert svg == network_drawing.draw(columns) and b"<svg" in svg


def test_the_flag_makes_no_run_and_leaves_one_alone(train, tmp_path):
    arguments = ["--data", "mnist5k", "--hidden", "5", "--latent-dim", "3", "--out", tmp_path, "--name", "some"]
    code, printed = train(VAE, *arguments, "--summary")
    assert code == 0 and "total: 8,68" in printed
    files = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert files == ["network.svg"]
    config = tmp_path / "results/some/config.json"
    config.write_text("a run's settings")
    code, printed = train(VAE, *arguments, "--summary")
    assert code == 0 and config.read_text() == "a run's settings"
