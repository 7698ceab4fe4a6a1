"""The training loop with an algorithm that only counts: averages, checkpoints, stops and refusals, to the step."""

import dataclasses
import json
import os
import shutil
import signal

import numpy as np
import pytest
from PIL import Image

from jgen import config, streams
from jgen.algorithm import Algorithm, Grid, Shape
from jgen.artifacts import checkpoint, metrics
from jgen.artifacts.run_directory import RunDirectory
from jgen.data import Dataset
from jgen.errors import UserError
from jgen.runtime import jt, nn
from jgen.trainer import Interrupted, Trainer


class Total(nn.Module):
    def __init__(self):
        self.value = jt.array(np.float32([0]))


class Counter(Algorithm):
    """Adds up what it sees. `at` maps a step (from 0) to something to do there; every third step also logs `rare`."""

    name, summary, Config, latent_dim = "counter", "", config.Training, 2
    best_metric = "test_score"

    def __init__(self, settings, shape, at=None, scores=None):
        super().__init__(settings, shape)
        self.total, self.at, self.seen, self.scores = Total(), at or {}, [], scores
        self.networks, self.optimizers = {"total": self.total}, {}

    def begin_epoch(self, epoch, epochs):
        self.epoch = epoch

    def step(self, x, y, noise):
        value = float(x.mean().item()) + float(noise.normal(1).item())
        self.seen.append(noise.step)
        self.total.value.update(self.total.value + value)
        action = self.at.get(noise.step)
        loss = action() if action else noise.step
        terms = {"loss": jt.array(np.float32([noise.step if loss is None else loss]))}
        return terms | ({"rare": jt.array(np.float32([1 + noise.step]))} if noise.step % 3 == 0 else {})

    def sample(self, z, y=None):
        return jt.array(np.full((z.shape[0], *self.shape.image_shape), 0.5, np.float32))

    def validate(self, x, y, noise):
        return {"score": jt.array(np.float32([self.scores[self.epoch - 1] if self.scores else x.mean().item()]))}

    def grids(self, z, x, y, noise):
        return {"epoch": Grid(self.sample(z)), "input": Grid(x, 2)}


N_STEPS = 5  # 11 images in batches of 2


def dataset(n=11, n_test=3):
    pixels = np.random.default_rng(0).integers(0, 256, (n + n_test, 1, 4, 5), dtype=np.uint8)
    labels = np.arange(n + n_test) % 2
    return Dataset("d", pixels[:n], labels[:n], pixels[n:], labels[n:], ("a", "b"), {})


@pytest.fixture
def trainer(tmp_path):
    def make(at=None, epochs=3, name="run", data=None, scores=None, seed=0, observers=(), lr=1e-3, **options):
        settings = config.Training(epochs=epochs, batch_size=2, seed=seed, lr=lr)
        data = data or dataset()
        algorithm = Counter(settings, Shape(data.image_shape, data.n_classes), at, scores)
        directory = RunDirectory(tmp_path, name)
        return Trainer(algorithm, data, settings, config.Run(**options), directory, observers)

    return make


def interrupt(number=signal.SIGTERM):
    return lambda: os.kill(os.getpid(), number)


def rows_of(trainer):
    timing = ("seconds", "images_per_second", "resident_mb")
    return [
        {name: value for name, value in row.items() if name not in timing}
        for row in metrics.read_rows(trainer.directory.metrics)
    ]


def test_an_epochs_row_holds_the_means_over_the_steps_that_reported_a_term(trainer):
    run = trainer()
    run.fit()
    assert run.algorithm.seen == list(range(3 * N_STEPS))
    rows = rows_of(run)
    assert [row["loss"] for row in rows] == [2, 7, 12]
    assert [row["rare"] for row in rows] == [(1 + 4) / 2, (7 + 10) / 2, 13]
    expected = run.dataset.x_test.mean() / 255
    assert [row["test_score"] for row in rows] == pytest.approx([expected] * 3, rel=1e-6)


def test_long_epochs_are_averaged_alike_although_losses_are_read_in_parts(trainer):
    run = trainer(epochs=1, data=dataset(160))
    run.fit()
    assert rows_of(run)[0]["loss"] == np.arange(80).mean()


def test_validation_weighs_images_equally_over_unequal_batches(trainer, monkeypatch):
    monkeypatch.setattr("jgen.trainer.VALIDATION_BATCH", 2)
    run = trainer(epochs=1)
    run.fit()
    assert rows_of(run)[0]["test_score"] == pytest.approx(run.dataset.x_test.mean() / 255, rel=1e-6)


def test_without_test_images_training_images_are_shown_and_nothing_is_validated(trainer):
    run = trainer(epochs=1, data=dataset(n_test=0))
    run.fit()
    assert set(rows_of(run)[0]) == {"epoch", "loss", "rare"}
    assert run.preview[0].shape == (11, 1, 4, 5)


def test_pictures_have_their_exact_pixels_and_size(trainer):
    run = trainer(epochs=1)
    run.fit()
    assert Image.open(run.directory.grid("epoch", 1)).size == (8 * (5 + 2) + 2, 8 * (4 + 2) + 2)
    order = streams.stream(0, streams.PREVIEW).permutation(3)
    shown = np.asarray(Image.open(run.directory.grid("input", 1)).convert("L"))
    np.testing.assert_array_equal(shown[2:6, 2:7], run.dataset.x_test[order[0], 0])
    np.testing.assert_array_equal(shown[8:12, 2:7], run.dataset.x_test[order[2], 0])


def test_observers_see_each_epoch(trainer):
    seen = []
    trainer(epochs=2, observers=[lambda *given: seen.append(given)]).fit()
    assert [epoch for epoch, _, _ in seen] == [1, 2]
    assert all(row["epoch"] == epoch and set(pictures) == {"epoch", "input"} for epoch, row, pictures in seen)


def test_checkpoints_and_weights_are_kept_as_often_as_was_said(trainer):
    run = trainer(epochs=5, save_every=2, keep_every=3)
    saved = []
    run.observers = [lambda *_: saved.append(run.directory.checkpoint.exists())]
    run.fit()
    assert saved == [False, False, True, True, True]
    assert checkpoint.load(run.directory.checkpoint)[1]["position"]["epoch"] == 6
    assert sorted(path.name for path in run.directory.results.glob("weights_*")) == ["weights_0003.safetensors"]
    never = trainer(epochs=3, name="never", keep_every=0)
    never.fit()
    assert not list(never.directory.results.glob("weights_*"))


def test_the_best_weights_are_the_first_of_the_best_epochs(trainer):
    run, best = trainer(epochs=4, scores=[1, 3, 3, 2]), []
    run.observers = [lambda *_: best.append(checkpoint.load_weights(run.directory.best)["total.value"].item())]
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
    assert rows_of(resumed) == rows_of(through)


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


def test_a_recipe_is_all_settings_but_the_number_of_epochs(trainer):
    fields = {field.name for field in dataclasses.fields(config.Training)}
    assert set(trainer()._recipe()) == fields - {"epochs"}
