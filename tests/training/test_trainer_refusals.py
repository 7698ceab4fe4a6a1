"""What the training loop refuses: numbers that diverge, folders that vanish, checkpoints that do not fit."""

import contextlib
import json
import shutil
import signal

import numpy as np
import pytest

from counting import dataset, interrupt, rows_of
from jgen.config import Run
from jgen.errors import UserError
from jgen.models import wgan
from jgen.platform.runtime import jt
from jgen.runs import checkpoint, metrics
from jgen.runs.directory import RunDirectory
from jgen.training.algorithm import Shape
from jgen.training.trainer import Trainer


def test_divergence_names_term_step_and_last_good_state(trainer):
    run = trainer({7: lambda: float("nan")})
    where = r"epoch 2, step 3\. Last good state: .*epoch 2, step 0"
    with pytest.raises(UserError, match=rf"loss became nan at {where}.*--lr"):
        run.fit()
    assert checkpoint.load(run.directory.checkpoint)[1]["position"]["epoch"] == 2
    with pytest.raises(UserError, match=r"loss became -inf at epoch 1, step 1\. Last good state: none"):
        trainer({0: lambda: -np.inf}, name="other").fit()


def test_an_epoch_whose_test_images_diverge_is_not_saved(trainer):
    run = trainer(scores=[1, np.inf, 1])
    where = r"epoch 2, step 5\. Last good state: .*epoch 2, step 0"
    with pytest.raises(UserError, match=rf"test_score became inf at {where}"):
        run.fit()
    assert len(rows_of(run)) == 1 and not run.directory.grid("epoch", 2).exists()


def test_weights_that_are_not_finite_are_never_saved(trainer):
    run = trainer(data=dataset(n_test=0))

    def spoil():
        run.algorithm.total.value.update(jt.array(np.float32([np.nan])))

    run.algorithm.at = {9: spoil}  # the epoch's last step: its loss was still good
    with pytest.raises(UserError, match=r"total\.value is not finite at epoch 2, step 5\. Last good state: .*epoch 2"):
        run.fit()
    assert np.isfinite(checkpoint.load(run.directory.checkpoint)[0]["total.value"]).all()


def test_a_folder_deleted_in_mid_run_stops_the_run_and_nothing_is_written_there(trainer):
    run = trainer({7: lambda: shutil.rmtree(run.directory.results)})
    with run.directory.lock(), pytest.raises(UserError, match="was deleted or replaced"):
        run.fit()
    assert run.algorithm.seen[-1] == 9 and not run.directory.results.exists()


def test_a_clock_that_stands_still_gives_no_negative_and_no_missing_number(trainer, monkeypatch):
    monkeypatch.setattr("time.perf_counter", lambda: 1.0)
    run = trainer(epochs=2)
    run.fit()
    rows = metrics.read_epochs(run.directory.metrics)
    assert [row["seconds"] for row in rows] == [0, 0] and all(row["images_per_second"] > 0 for row in rows)


def test_a_compiler_that_dies_of_the_terminals_ctrl_c_is_a_stop_and_no_failure(trainer):
    def stopped_compilation():
        interrupt(signal.SIGINT)()
        raise RuntimeError("g++ failed")

    with pytest.raises(KeyboardInterrupt):
        trainer({7: stopped_compilation}).fit()
    resumed = trainer(resume=True)
    resumed.fit()
    assert resumed.algorithm.seen[0] == 5  # the checkpoint is the first epoch's
    with pytest.raises(RuntimeError):  # without a signal it is what it says
        trainer({0: lambda: (_ for _ in ()).throw(RuntimeError("g++ failed"))}, name="other").fit()


def damaged(path, how):
    tensors, metadata = checkpoint.load(path)
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:-1])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "gone":
        path.unlink()
    elif how == "other model":
        checkpoint.save(path, tensors, {**metadata, "model": "vae"})
    elif how == "other settings":
        checkpoint.save(path, tensors, {**metadata, "config": {**metadata["config"], "lr": 1.0, "seed": 4}})
    elif how == "other shape":
        checkpoint.save(path, {"total.value": np.zeros(2, np.float32)}, metadata)
    elif how == "other network":
        checkpoint.save(path, {"encoder.weight": np.zeros(2, np.float32)}, metadata)
    elif how == "not finite":
        checkpoint.save(path, {"total.value": np.full(1, np.nan, np.float32)}, metadata)
    elif how.startswith("position "):
        checkpoint.save(path, tensors, {**metadata, "position": json.loads(how.partition(" ")[2])})
    elif how == "no position":
        checkpoint.save(path, tensors, {key: value for key, value in metadata.items() if key != "position"})
    else:
        checkpoint.save_weights(path, tensors)


@pytest.mark.parametrize(
    "how, message",
    [
        ("truncated", "truncated or not ours"),
        ("empty", "truncated or not ours"),
        ("gone", "there is no"),
        ("other model", "of model vae, not counter"),
        ("other settings", "other settings: lr, seed"),
        ("other shape", "total.value has shape"),
        ("other network", "total.value is missing"),
        ("no position", "does not fit"),
        ("not finite", r"is spoilt: total\.value is not finite"),
        ('position {"epoch": "1"}', "is no position"),
        ('position {"epoch": 0}', "is no position"),
        ('position {"step": 6}', "step 6 of an epoch that has 5"),
        ('position {"sums": 3}', "does not fit"),
        ('position {"sums": {"loss": 1}}', "do not fit"),
        ('position {"wings": 2}', "does not fit"),
        ("weights", "not a checkpoint"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_and_left_alone(trainer, how, message):
    first = trainer(epochs=1)
    first.fit()
    path = first.directory.checkpoint
    damaged(path, how)
    before = path.read_bytes() if path.exists() else None
    rows = rows_of(first)
    with pytest.raises(UserError, match=message) as refusal:
        trainer(epochs=2, resume=True).fit()
    assert str(path) in str(refusal.value) and "\n" not in str(refusal.value)
    assert (path.read_bytes() if path.exists() else None) == before
    assert rows_of(first) == rows


@pytest.mark.parametrize("changes, refused", [({"batch_size": 1}, True), ({"batch_size": 2}, False)])
def test_one_image_a_step_is_refused_where_batches_are_normalised(tmp_path, changes, refused):
    config = wgan.Config(hidden=(4, 5), critic_hidden=(5,), latent_dim=3, **changes)
    data = dataset()
    algorithm = wgan.WGAN(config, Shape(data.image_shape, data.n_classes))
    expected = pytest.raises(UserError, match="at least 2 of them") if refused else contextlib.nullcontext()
    with expected:
        Trainer(algorithm, data, Run(), RunDirectory(tmp_path, "one"))
