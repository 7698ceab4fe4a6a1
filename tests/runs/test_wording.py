"""What the captions of a run's pictures say comes from its config.json and its metrics."""

import numpy as np
import pytest

from jgen.models import ae, beta_vae, cvae, vae
from jgen.pictures import captions, grid
from jgen.runs.finished import Wording


def wording(model, config, classes=()):
    return Wording("some", model, config, (1, 4, 4), list(classes))


@pytest.mark.parametrize(
    ("model", "config", "kind", "rows"),
    [
        (vae.VAE, vae.Config(), "recon", ("original", "reconstruction")),
        (vae.VAE, vae.Config(), "epoch", ()),
        (ae.AE, ae.Config(), "epoch", ("original", "reconstruction")),
        (ae.AE, ae.Config(noise=0.3), "epoch", ("original", "corrupted", "restored")),
        (cvae.CVAE, cvae.Config(), "epoch", ["cat", "dog"]),
        (cvae.CVAE, cvae.Config(), "recon", ("original", "reconstruction")),
    ],
)
def test_rows_are_named_after_what_they_show(model, config, kind, rows):
    assert wording(model, config, ["cat", "dog"]).names(kind)["row_names"] == rows


def test_titles_tell_the_epoch_the_losses_and_what_moves():
    rows = [{"epoch": 1, "loss": 2.0, "kl": 3.0, "seconds": 9}, {"epoch": 2, "loss": 1.0, "test_loss": None}]
    titles = wording(beta_vae.BetaVAE, beta_vae.Config(epochs=20, beta=0.5, warm_up=0.25)).titles(rows)
    assert titles == ["some   epoch 1 of 20   loss 2   beta 0", "some   epoch 2 of 20   loss 1   beta 0.1"]


def test_a_film_of_a_beta_vae_shows_beta_and_says_why_it_moves():
    words = wording(beta_vae.BetaVAE, beta_vae.Config(epochs=4, beta=0.2, warm_up=0.5))
    titles = words.titles([{"epoch": epoch, "loss": 1.0} for epoch in (1, 2, 3, 4)])
    assert [title.rpartition("beta ")[2] for title in titles] == ["0", "0.1", "0.2", "0.2"]
    assert "rises from 0 to 0.2 over the first 50%" in words.names("epoch")["legend"]
    still = wording(beta_vae.BetaVAE, beta_vae.Config(epochs=4, beta=0.2, warm_up=0.0))
    assert "beta" not in still.titles([{"epoch": 1, "loss": 1.0}])[0] and not still.names("epoch")["legend"]


def test_the_last_picture_is_the_grid_with_its_words(tmp_path):
    x = np.random.default_rng(0).random((4, 1, 4, 4)).astype(np.float32)
    grid.write_png(tmp_path / "raw.png", grid.image_grid(x, 2))
    words = wording(vae.VAE, vae.Config(epochs=3))
    made = words.picture(tmp_path / "raw.png", "recon", {"epoch": 3, "loss": 1.5})
    title, names = "some   epoch 3 of 3   loss 1.5", ("original", "reconstruction")
    np.testing.assert_array_equal(made, captions.captioned_images(x, 2, title=title, row_names=names))


def test_each_frame_of_a_film_has_its_title_in_the_same_space():
    pixels = grid.image_grid(np.random.default_rng(0).random((4, 1, 4, 4)).astype(np.float32), 2)
    words = wording(vae.VAE, vae.Config(epochs=2))
    rows = [{"epoch": 1}, {"epoch": 2, **dict.fromkeys(("loss", "test_loss", "critic_loss", "generator_loss"), 1.2345)}]
    caption, (short, long) = words.of_film(rows, "recon"), words.titles(rows)
    names = words.names("recon")
    for index, title in enumerate((short, long)):
        alone = captions.captioned(pixels, (4, 4), title=title, titles=[long], **names)
        np.testing.assert_array_equal(caption(index, pixels), alone)
    assert caption(0, pixels).shape > captions.captioned(pixels, (4, 4), title=short, **names).shape
