"""The training loop with an algorithm that only counts: averages, checkpoints and stops, to the step."""

import dataclasses
import signal

import numpy as np
import pytest
from PIL import Image

from counting import N_STEPS, dataset, interrupt, rows_of
from jgen import config, random
from jgen.runs import checkpoint, metrics
from jgen.runs.directory import RunDirectory
from jgen.training.checkpoints import bound_config
from jgen.training.trainer import Interrupted


def test_an_epochs_row_holds_the_means_over_the_steps_that_reported_a_term(trainer):
    run = trainer()
    run.fit()
    assert run.algorithm.seen == list(range(3 * N_STEPS))
    rows = rows_of(run)
    assert [row["loss"] for row in rows] == [2, 7, 12]
    assert [row["extra"] for row in rows] == [(1 + 4) / 2, (7 + 10) / 2, 13]
    expected = run.examples.dataset.x_test.mean() / 255
    assert [row["test_score"] for row in rows] == pytest.approx([expected] * 3, rel=1e-6)


def test_long_epochs_are_averaged_alike_although_losses_are_read_in_parts(trainer):
    run = trainer(epochs=1, data=dataset(160))
    run.fit()
    assert rows_of(run)[0]["loss"] == np.arange(80).mean()


def test_validation_weighs_images_equally_over_unequal_batches(trainer, monkeypatch):
    monkeypatch.setattr("jgen.training.examples.VALIDATION_BATCH", 2)
    run = trainer(epochs=1)
    run.fit()
    assert rows_of(run)[0]["test_score"] == pytest.approx(run.examples.dataset.x_test.mean() / 255, rel=1e-6)


def test_without_test_images_training_images_are_shown_and_nothing_is_validated(trainer):
    run = trainer(epochs=1, data=dataset(n_test=0))
    run.fit()
    assert set(rows_of(run)[0]) == {"epoch", "loss", "extra"}
    assert run.examples.preview()[0].shape == [11, 1, 4, 5]


def test_pictures_have_their_exact_pixels_and_size(trainer):
    run = trainer(epochs=1)
    run.fit()
    assert Image.open(run.directory.grid("epoch", 1)).size == (8 * (5 + 2) + 2, 8 * (4 + 2) + 2)
    order = random.stream(0, random.PREVIEW).permutation(3)
    shown = np.asarray(Image.open(run.directory.grid("input", 1)).convert("L"))
    np.testing.assert_array_equal(shown[2:6, 2:7], run.examples.dataset.x_test[order[0], 0])
    np.testing.assert_array_equal(shown[8:12, 2:7], run.examples.dataset.x_test[order[2], 0])


def test_an_epoch_waits_for_the_disk_three_times(trainer, monkeypatch):
    """For its metrics, and for its checkpoint and that one's name; a flush takes as long as many small steps."""
    flushed = []
    monkeypatch.setattr("os.fsync", flushed.append)
    counts = []
    trainer(epochs=4, scores=[4, 3, 2, 1], observers=[lambda *given: counts.append(len(flushed))]).fit()
    assert np.diff(counts).tolist() == [3, 3, 3]


def test_observers_see_each_epoch(trainer):
    seen = []
    trainer(epochs=2, observers=[lambda *given: seen.append(given)]).fit()
    assert [epoch for epoch, _, _ in seen] == [1, 2]
    assert all(row["epoch"] == epoch and set(pictures) == {"epoch", "input"} for epoch, row, pictures in seen)


def test_checkpoints_and_weights_are_kept_as_often_as_was_said(trainer):
    saved = []
    observers = [lambda *_: saved.append(run.directory.checkpoint.exists())]
    run = trainer(epochs=5, save_every=2, keep_every=3, observers=observers)
    run.fit()
    assert saved == [False, False, True, True, True]
    assert checkpoint.load(run.directory.checkpoint)[1]["position"]["epoch"] == 6
    assert sorted(path.name for path in run.directory.results.glob("weights_*")) == ["weights_0003.safetensors"]
    never = trainer(epochs=3, name="never", keep_every=0)
    never.fit()
    assert not list(never.directory.results.glob("weights_*"))


def test_the_best_weights_are_the_first_of_the_best_epochs(trainer):
    best = []
    observers = [lambda *_: best.append(checkpoint.load_weights(run.directory.best)["total.value"].item())]
    run = trainer(epochs=4, scores=[1, 3, 3, 2], observers=observers)
    run.fit()
    assert best[1] == best[2] == best[3] != best[0]


@pytest.mark.parametrize(
    "stop_at, number",
    [(0, signal.SIGINT), (3, signal.SIGTERM), (4, signal.SIGINT), (7, signal.SIGTERM), (14, signal.SIGINT)],
)
def test_a_stopped_run_goes_on_as_if_it_had_not_been(trainer, stop_at, number):
    through = trainer(name="through")
    through.fit()
    stopped = trainer({stop_at: interrupt(number)})
    with pytest.raises(Interrupted, match=f"{number.name} at epoch {stop_at // 5 + 1}, step {stop_at % 5 + 1}"):
        stopped.fit()
    assert stopped.algorithm.seen[-1] == stop_at
    resumed = trainer(resume=True)
    resumed.fit()
    assert resumed.algorithm.seen == list(range(stop_at + 1, 15))
    assert resumed.directory.checkpoint.read_bytes() == through.directory.checkpoint.read_bytes()
    assert list(map(str, rows_of(resumed))) == list(map(str, rows_of(through)))  # in the same order, too


def test_handlers_are_put_back_and_a_second_signal_stops_at_once(trainer):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    def twice():
        interrupt(signal.SIGINT)()
        interrupt(signal.SIGINT)()

    with pytest.raises(KeyboardInterrupt):
        trainer({1: twice}).fit()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_rows_after_the_checkpoint_are_forgotten_and_an_epoch_more_is_trained(trainer):
    trainer(epochs=2).fit()
    metrics.append_row(RunDirectory(trainer().directory.out, "run").metrics, {"epoch": 3, "loss": 99})
    resumed = trainer(epochs=4, resume=True)
    resumed.fit()
    through = trainer(epochs=4, name="through")
    through.fit()
    assert rows_of(resumed) == rows_of(through)
    assert resumed.algorithm.state()["total.value"] == through.algorithm.state()["total.value"]


def test_rows_of_a_run_killed_before_its_first_checkpoint_do_not_count(trainer):
    metrics.append_row(trainer().directory.metrics, {"epoch": 1, "loss": 99})
    run = trainer(epochs=1)
    run.fit()
    assert [row["loss"] for row in rows_of(run)] == [2]


def test_a_bound_config_is_all_settings_but_the_number_of_epochs(trainer):
    fields = {field.name for field in dataclasses.fields(config.Training)}
    assert set(bound_config(trainer().config)) == fields - {"epochs", "data", "follow_links"}


def test_a_checkpoint_older_than_a_setting_goes_on_with_its_default(trainer):
    trainer(epochs=1).fit()
    tensors, metadata = checkpoint.load(trainer().directory.checkpoint)
    del metadata["config"]["size"]
    checkpoint.save(trainer().directory.checkpoint, tensors, metadata)
    resumed = trainer(epochs=2, resume=True)
    resumed.fit()
    assert [row["epoch"] for row in rows_of(resumed)] == [1, 2]
