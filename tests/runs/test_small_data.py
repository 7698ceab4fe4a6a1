"""Few images: more steps than one an epoch, unless the flags say otherwise; and a warning that names them."""

import json

import pytest

from jgen.config import Training
from jgen.data.loader import steps_per_epoch
from jgen.runs import settings
from jgen.runs.directory import RunDirectory

RECIPE = Training(batch_size=128, epochs=30)


@pytest.mark.parametrize("n_train", [1, 7, 36, 100, 500, 1000])
def test_few_images_get_a_thousand_steps_in_small_batches(n_train):
    config = settings.fitted_to_few(RECIPE, n_train, set())
    n_steps = steps_per_epoch(n_train, config.batch_size)
    assert n_steps >= 8 or config.batch_size == 8
    assert n_steps * config.epochs >= 1000 and config.epochs >= RECIPE.epochs


def test_many_images_keep_the_recipe():
    assert settings.fitted_to_few(RECIPE, 8 * 128, set()) == RECIPE


def test_flags_that_are_given_stay():
    assert settings.fitted_to_few(RECIPE, 36, {"batch_size", "epochs"}) == RECIPE
    assert settings.fitted_to_few(RECIPE, 36, {"batch_size"}) == Training(batch_size=128, epochs=1000)
    assert settings.fitted_to_few(RECIPE, 36, {"epochs"}) == Training(batch_size=8, epochs=30)


def test_the_warning_names_steps_and_test_images():
    (line,) = settings.warning_of_few(RECIPE, 36, 4)
    assert line.startswith("warning: few images: batches of 36 make 1 steps an epoch, 30 in all (30 epochs); 4 test")
    assert settings.warning_of_few(RECIPE, 60_000, 10_000) == []


@pytest.mark.slow
def test_a_training_on_few_images_says_so_and_records_its_batch(train, grey_folder, tmp_path):
    words = ["--epochs", 1, "--hidden", 4, "--latent-dim", 2, "--data", grey_folder, "--out", tmp_path]
    from jgen.models.vae import VAE

    code, said = train(VAE, *words)
    assert code == 0 and "warning: few images: batches of 8 make 4 steps an epoch, 4 in all" in said
    record = json.loads(RunDirectory(tmp_path, "vae").config.read_text(encoding="utf-8"))
    assert record["config"]["batch_size"] == 8 and record["config"]["epochs"] == 1
