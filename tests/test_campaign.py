"""The campaign: what counts as done, in what order the rest is made, and that a stop or a kill costs nothing."""

import dataclasses
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time

import pytest

from jgen import campaign, experiments
from jgen.artifacts import metrics
from jgen.artifacts.run_directory import RunDirectory
from jgen.campaign import jobs, scheduler, show, state
from jgen.errors import UserError
from jgen.experiment import ROOT

TINY = "--epochs 1 --batch-size 18 --hidden 4 --latent-dim 2"  # as trained_vae was


@pytest.fixture
def finished(trained_vae, tmp_path, grey_folder):
    """(the directory of a finished run "vae", the command that made it); free to change."""
    shutil.copytree(trained_vae, tmp_path, dirs_exist_ok=True)
    return RunDirectory(tmp_path, "vae"), f"vae.py {TINY} --data {grey_folder}"


# What counts as done


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


# Parts


def test_parts_are_documents_studies_and_runs(tmp_path):
    place = jobs.Place(tmp_path)

    def runs(*parts):
        return {job.run for job in jobs.select(parts, place)[0] if job.run}

    everything, every = jobs.select((), place)
    assert {job.key for job in everything} == set(every)
    assert {job.run for job in everything if job.run} == {experiment.name for experiment in experiments.ALL}
    assert runs("wgan", "vae") == {"wgan", "vae"}
    betas = ("0", "0.02", "0.03", "0.05", "0.1", "0.12", "0.15", "1")
    assert runs("beta-study") == {f"beta-vae-{beta}" for beta in betas}
    assert runs("beta-vae-wgan") == runs("beta-study") | {"wgan", "beta-vae", "beta-vae-as-published"}
    with pytest.raises(UserError, match=r"no part 'vea'; the parts are: vae-cvae, vae, .*beta-study"):
        jobs.select(("vea",), place)


def test_what_is_needed_comes_first_and_exists(tmp_path):
    everything, _ = jobs.select((), jobs.Place(tmp_path))
    seen = set()
    for job in everything:
        assert set(job.needs) <= seen, job.key
        seen.add(job.key)
    assert any("train g-vae-mnist-plain" in job.needs and job.run == "g-vae-mnist" for job in everything)


def test_a_small_version_replaces_flags_and_keeps_the_rest():
    words = shlex.split("evaluate.py vae likelihood --samples 5000 --beside a b --images 1000")
    made = jobs.replaced(words, ["--samples", "10", "-n", "5"])
    assert " ".join(made) == "evaluate.py vae likelihood --beside a b --images 1000 --samples 10 -n 5"
    assert jobs.replaced(["a.py", "-b", "0.1"], ["--epochs", "1"]) == ["a.py", "-b", "0.1", "--epochs", "1"]


def test_a_data_folder_elsewhere_is_found_by_every_script(tmp_path):
    (tmp_path / "pokemon/pokemon_jpg/pokemon_jpg").mkdir(parents=True)
    place = jobs.Place(tmp_path / "out", data_dir=str(tmp_path))
    job = jobs.select(("pokemon",), place)[0][0]
    assert job.data == str(tmp_path / "pokemon/pokemon_jpg/pokemon_jpg") and not place.why_without(job.data)
    command = job.process(False)
    assert job.data in command and command[command.index("--data-dir") + 1] == str(tmp_path)
    assert "no folder" in dataclasses.replace(place, data_dir=str(tmp_path / "none")).why_without("nowhere")
    assert "CIFAR-10 is not in" in place.why_without("cifar10")


def test_a_begun_run_is_resumed_and_a_differing_one_replaced_when_told(finished, monkeypatch):
    directory, command = finished
    experiment = experiments.Experiment("vae", command, 1)
    job = jobs.training(experiment, jobs.Place(directory.out))
    assert "--resume" in job.process(False) and "--overwrite" in job.process(True)
    assert job.seconds() == 0
    directory.config.unlink()
    directory.metrics.unlink()
    assert not {"--resume", "--overwrite"} & set(job.process(False)) and job.seconds() == 60


# The order of the work, with processes that only write a file


class Quiet:
    """Notes what a Scheduler tells."""

    def __init__(self):
        self.ends, self.most = [], 0

    def ended(self, job, outcome, scheduler):
        self.ends.append((job.key, outcome.kind))
        assert scheduler.seconds_left() >= 0

    def status(self, scheduler):
        self.most = max(self.most, len(scheduler.running))


def stub(key, out, needs=(), code="", kind="missing"):
    """A job that runs `code` and writes the file `key`, which is all that its being done means."""
    program = f"import pathlib, signal, sys, time\n{code}\npathlib.Path({str(out / key)!r}).write_text('made')"
    return jobs.Job(
        key=key,
        run=key,
        data="",
        needs=tuple(needs),
        look=lambda: state.State("done" if (out / key).exists() else kind, "so it is"),
        process=lambda overwrite: [sys.executable, "-c", program],
        seconds=lambda: 0.1,
    )


def schedule(chosen, out, others=(), overwrite=False, slots=2):
    shown = Quiet()
    every = {job.key: job for job in [*chosen, *others]}
    made = scheduler.Scheduler(chosen, every, jobs.Place(out), overwrite, slots, shown)
    outcomes, stopped = made.run()
    return {key: (outcome.kind, outcome.reason) for key, outcome in outcomes.items()}, shown, stopped


def test_each_step_waits_for_what_it_needs_and_what_is_done_is_left_alone(tmp_path):
    (tmp_path / "a").write_text("earlier")
    needs_b = f"assert pathlib.Path({str(tmp_path / 'b')!r}).exists()"
    chosen = [stub("a", tmp_path), stub("b", tmp_path, code="time.sleep(0.3)"), stub("c", tmp_path, "ab", needs_b)]
    outcomes, shown, stopped = schedule(chosen, tmp_path)
    assert outcomes == {"a": ("at hand", ""), "b": ("made", ""), "c": ("made", "")} and not stopped
    assert (tmp_path / "a").read_text() == "earlier" and shown.most == 1
    assert schedule(chosen, tmp_path)[0] == dict.fromkeys("abc", ("at hand", ""))


def test_as_many_at_a_time_as_there_are_slots(tmp_path):
    chosen = [stub(key, tmp_path, code="time.sleep(0.5)") for key in "abcd"]
    assert schedule(chosen, tmp_path, slots=3)[1].most == 3


def test_what_depends_on_something_new_is_made_anew(tmp_path):
    (tmp_path / "b").write_text("earlier")
    chosen = [stub("a", tmp_path), stub("b", tmp_path, "a")]
    assert schedule(chosen, tmp_path)[0]["b"] == ("made", "")
    assert (tmp_path / "b").read_text() == "made"


def test_a_failure_is_told_with_its_last_line_and_stops_nothing_else(tmp_path):
    chosen = [stub("a", tmp_path, code="sys.exit('no luck')"), stub("b", tmp_path, "a"), stub("c", tmp_path)]
    outcomes, _, _ = schedule(chosen, tmp_path)
    assert outcomes["a"] == ("failed", "exit code 1: no luck")
    assert outcomes["b"] == ("left out", "a failed") and outcomes["c"][0] == "made"
    lines = show.summary(
        {key: scheduler.Outcome(*outcome) for key, outcome in outcomes.items()}, 5000, tmp_path / "logs"
    )
    assert lines[0] == "1 made, 1 failed, 1 left out; 83 min"
    assert lines[1:] == [
        "left out: a failed (1 step)",
        "failed: a: exit code 1: no luck",
        f"logs: {tmp_path / 'logs'}",
    ]


def test_a_process_that_ends_well_without_making_its_thing_has_failed(tmp_path):
    outcomes, _, _ = schedule([stub("a", tmp_path, code="sys.exit(0)")], tmp_path)
    assert outcomes["a"] == ("failed", "ended well, but missing: so it is")


def test_what_differs_is_left_alone_unless_told(tmp_path):
    chosen = [stub("a", tmp_path, kind="differs"), stub("b", tmp_path, "a")]
    outcomes, _, _ = schedule(chosen, tmp_path)
    assert [kind for kind, _ in outcomes.values()] == ["left out", "left out"]
    assert outcomes["b"][1] == "a differs: so it is; --overwrite makes it again"
    assert schedule(chosen, tmp_path, overwrite=True)[0]["b"] == ("made", "")


def test_what_another_process_trains_is_left_to_it(tmp_path):
    outcomes, _, _ = schedule([stub("a", tmp_path, kind="running")], tmp_path, overwrite=True)
    assert outcomes["a"] == ("left out", "a running: so it is")


def test_a_part_may_need_what_is_not_of_it(tmp_path):
    chosen, others = [stub("b", tmp_path, "a")], [stub("a", tmp_path)]
    assert schedule(chosen, tmp_path, others)[0]["b"] == ("left out", "needs: a (missing); run that too")
    (tmp_path / "a").touch()
    assert schedule(chosen, tmp_path, others)[0]["b"] == ("made", "")


def test_missing_data_are_a_reason_and_not_a_failure(tmp_path):
    job = dataclasses.replace(stub("a", tmp_path), data="nowhere/at all")
    outcomes, _, _ = schedule([job, stub("b", tmp_path, "a")], tmp_path)
    assert outcomes == dict.fromkeys("ab", ("left out", "there is no folder nowhere/at all"))


# Stopping


STOPPABLE = "signal.signal(signal.SIGINT, lambda *_: (pathlib.Path('TOLD').open('a').write('x'), sys.exit(130)))"
DRIVER = """
import pathlib, sys
sys.path[:0] = {paths!r}
from test_campaign import schedule, stub
out = pathlib.Path({out!r})
waits = {stoppable!r}.replace("TOLD", str(out / "told")) + "\\npathlib.Path({begun!r}).touch()\\ntime.sleep(60)"
outcomes, _, stopped = schedule([stub("a", out, code=waits), stub("b", out, "a")], out)
print(stopped, outcomes)
"""


@pytest.fixture
def campaign_that_waits(tmp_path):
    """A process that schedules one endless job, and one that needs it; begun."""
    begun = tmp_path / "begun"
    paths = [str(ROOT / "src"), str(ROOT / "tests")]
    code = DRIVER.format(paths=paths, out=str(tmp_path), stoppable=STOPPABLE, begun=str(begun))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True)
    wait_for(begun.exists)
    yield process
    process.kill()
    process.wait()


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_ctrl_c_reaches_a_process_once_and_begins_no_other(campaign_that_waits, tmp_path):
    os.killpg(campaign_that_waits.pid, signal.SIGINT)  # as a terminal does: to the whole group
    said = campaign_that_waits.communicate(timeout=60)[0]
    assert said.startswith("SIGINT {'b': ('stopped', 'not begun'), 'a': ('stopped', 'so it is')}")
    assert (tmp_path / "told").read_text() == "x"


def test_a_killed_campaign_takes_its_processes_with_it(campaign_that_waits):
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(campaign_that_waits.pid)], capture_output=True, text=True, check=True
    )
    (child,) = map(int, found.stdout.split())
    campaign_that_waits.kill()
    campaign_that_waits.wait()
    wait_for(lambda: not running(child))


def running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# The command


@pytest.fixture
def one_document(monkeypatch, grey_folder):
    """The campaign has one document of one tiny run, whose reconstruction is measured."""
    step = experiments.evaluation("reconstruction", "reconstruction")
    run = experiments.Experiment("tiny", f"vae.py {TINY} --data {grey_folder}", 1, (step,))
    table = experiments.Comparison("tiny-study", ("tiny",))
    monkeypatch.setattr(experiments, "DOCUMENTS", (experiments.Document("doc", 1, (run,), (table,)),))


def test_the_campaign_trains_measures_compares_and_then_has_nothing_to_do(one_document, tmp_path, capsys):
    built = []

    def build(out):
        built.append(out)
        return [out / "report/README.md"]

    options = campaign.Report(run=True, out=str(tmp_path))
    campaign.report(options, build)
    said = capsys.readouterr().out
    assert said.startswith("3 steps, 3 of them to do: about ") and "3 made; " in said and "train tiny" in said
    assert f"made: {tmp_path / 'report/README.md'}" in said and built == [tmp_path]
    directory = RunDirectory(tmp_path, "tiny")
    assert directory.video.exists() and (tmp_path / "results/tiny-study.md").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"results", "intermediate"}
    campaign.report(options, build)
    assert "3 steps, 0 of them to do" in (said := capsys.readouterr().out) and "3 at hand; " in said
    campaign.report(dataclasses.replace(options, run=False, list=True, parts=("tiny",)), build)
    assert capsys.readouterr().out.splitlines()[1].split()[:6] == ["doc", "tiny", "done", "1", "of", "1"]


def test_one_campaign_at_a_time(one_document, tmp_path):
    place = jobs.Place(tmp_path)
    with (
        campaign.locked(place.log_folder / "lock", lambda holder: holder),
        pytest.raises(UserError, match=f"process {os.getpid()} runs a campaign below"),
    ):
        campaign.report(campaign.Report(run=True, out=str(tmp_path)), lambda out: [])


def test_a_failed_step_makes_the_exit_code_1_after_the_report(one_document, tmp_path, monkeypatch):
    monkeypatch.setattr(campaign, "carry_out", lambda options, out: False)
    built = []
    with pytest.raises(SystemExit) as stop:
        campaign.report(campaign.Report(run=True, out=str(tmp_path)), lambda out: built.append(out) or [])
    assert stop.value.code == 1 and built == [tmp_path]


@pytest.mark.parametrize("name, code", [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_stopped_campaign_says_so_builds_no_report_and_can_go_on(one_document, tmp_path, monkeypatch, name, code):
    monkeypatch.setattr(scheduler.Scheduler, "run", lambda self: ({}, name))
    with pytest.raises(SystemExit) as stop:
        campaign.report(campaign.Report(run=True, out=str(tmp_path)), lambda out: pytest.fail("built"))
    assert stop.value.code == code


def test_quick_never_touches_the_full_runs(monkeypatch):
    asked = []
    monkeypatch.setattr(campaign, "carry_out", lambda options, out: asked.append(out) or True)
    campaign.report(campaign.Report(run=True, quick=True), lambda out: asked.append(out) or [])
    assert asked == [ROOT / "intermediate/quick"] * 2


@pytest.mark.parametrize("words", ["beta-study", "--quick", "--overwrite", "--run nothing", "--run --jobs -1"])
def test_bad_input_is_one_line_and_exit_code_2(script, tmp_path, words):
    process = script("report.py", *words.split(), "--out", tmp_path)
    assert process.returncode == 2 and process.stdout == ""
    assert process.stderr.count("\n") == 1 and "report.py: error: " in process.stderr
    assert not list(tmp_path.iterdir())


def test_durations_read_as_one_says_them():
    assert [show.duration(seconds) for seconds in (42, 420, 11100)] == ["42 s", "7 min", "3 h 05 min"]
