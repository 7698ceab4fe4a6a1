"""What counts as done."""

import json
import os

from jgen.runs import metrics
from jgen.runs.directory import RunDirectory
from reproduction.campaign import state


def test_a_run_is_done_only_with_the_settings_of_its_command(finished):
    directory, command = finished
    assert state.of_run(command, directory) == state.State("done")
    assert state.of_run(f"{command} --lr 5e-4", directory) == state.State("differs", "lr 0.001 instead of 0.0005")
    assert "epochs 1 instead of 2" in state.of_run(f"{command} --epochs 2", directory).note
    assert "is a run of VAE, not of AE" in state.of_run("ae.py", directory).note
    assert state.of_run(command, RunDirectory(directory.out, "other")).kind == "missing"


def test_a_run_that_fell_back_to_other_data_differs(finished):
    directory, command = finished
    folder = command.split()[-1]
    assert state.of_run(command.replace(folder, "mnist"), directory).note == f"data {folder} instead of mnist"


def test_a_run_without_its_last_epoch_its_weights_or_its_film_is_a_part(finished):
    directory, command = finished
    directory.video.unlink()
    assert state.of_run(command, directory) == state.State("part", "epoch 1 of 1 is done")
    directory.weights.unlink()
    metrics.truncate_after(directory.metrics, 0)
    assert state.of_run(command, directory) == state.State("part", "epoch 0 of 1 is done")
    with directory.lock():
        found = state.of_run(command, directory)
    assert found.kind == "running" and str(os.getpid()) in found.note


def test_a_clone_without_checkpoints_is_done(finished):
    directory, command = finished
    directory.checkpoint.unlink()
    directory.video.unlink()
    assert state.of_run(command, directory).kind == "done"
    metrics.truncate_after(directory.metrics, 0)
    assert "no checkpoint to go on from" in state.of_run(command, directory).note


def test_a_broken_config_differs_and_is_not_overwritten(finished):
    directory, command = finished
    directory.config.write_text("{")
    assert state.of_run(command, directory).kind == "differs"


def test_an_image_folder_is_the_same_wherever_the_data_lie(finished):
    directory, command = finished
    record = json.loads(directory.config.read_text())
    record["config"]["data"] = "/elsewhere/some/folder"
    directory.config.write_text(json.dumps(record))
    flags = command[: command.index(" --data")]
    assert state.of_run(f"{flags} --data data/some/folder", directory).kind == "done"
    assert state.of_run(f"{flags} --data data/another/folder", directory).kind == "differs"


def write_evaluation(directory, **protocol):
    protocol = {"sha256": state.sha256(directory.weights), **protocol}
    numbers = {"mse": {"value": 0.123456}}
    text = json.dumps({"reconstruction": {"protocol": protocol, "numbers": numbers}})
    (directory.results / "evaluation.json").write_text(text)


def test_an_evaluation_counts_for_its_weights_and_its_options(finished):
    directory, _ = finished
    makes, command = ("evaluation:reconstruction",), "evaluate.py vae reconstruction --images 10"
    assert state.of_follow_up(makes, command, directory).kind == "missing"
    write_evaluation(directory, command=f"python src/{command} --out /elsewhere --device cpu")
    assert state.of_follow_up(makes, command, directory).kind == "done"
    write_evaluation(directory, command="python src/evaluate.py vae --images 20")
    assert state.of_follow_up(makes, command, directory).note == "reconstruction was measured with another images"
    write_evaluation(directory, command=f"python src/{command}", sha256="another")
    assert state.of_follow_up(makes, command, directory).note == "reconstruction is of other weights"


def test_pictures_count_when_all_are_there(finished):
    directory, _ = finished
    directory.explored.mkdir()
    makes = ("explore/a.png", "explore/b.png")
    assert state.of_follow_up(makes, "explore.py vae morph", directory).kind == "missing"
    (directory.explored / "a.png").touch()
    assert state.of_follow_up(makes, "explore.py vae morph", directory) == state.State("part", "no explore/b.png")
    (directory.explored / "b.png").touch()
    assert state.of_follow_up(makes, "explore.py vae morph", directory).kind == "done"


def test_a_table_counts_with_all_its_runs_and_their_numbers(finished):
    directory, _ = finished
    target = directory.out / "table.md"
    assert state.of_comparison([directory], target).kind == "missing"
    write_evaluation(directory)
    target.write_text("| run | MSE |\n| --- | --- |\n| other | 0.1235 ± 1 |\n")
    assert state.of_comparison([directory], target).note == "without vae"
    target.write_text("| run | MSE |\n| --- | --- |\n| vae | 0.1234 ± 1 |\n")
    assert state.of_comparison([directory], target).note == "with other numbers of vae"
    target.write_text("| run | MSE |\n| --- | --- |\n| vae | 0.1235 ± 1 |\n")
    assert state.of_comparison([directory], target).kind == "done"
