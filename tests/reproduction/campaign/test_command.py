"""python src/report.py --run as a whole, on a campaign of one tiny run."""

import dataclasses
import os

import pytest

from covering import quick_first
from jgen.errors import UserError
from jgen.platform.files import ROOT
from jgen.runs.directory import RunDirectory
from reproduction import campaign
from reproduction.campaign import jobs, scheduler, show


@pytest.mark.slow
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


@pytest.mark.parametrize(
    "words", quick_first(["beta-study", "", "--quick", "--overwrite", "--run nothing", "--run --jobs -1"])
)
def test_bad_input_is_one_line_and_exit_code_2(script, tmp_path, words):
    process = script("report.py", *words.split(), "--out", tmp_path)
    assert process.returncode == 2 and process.stdout == ""
    assert process.stderr.count("\n") == 1 and "report.py: error: " in process.stderr
    assert not list(tmp_path.iterdir())


def test_durations_read_as_one_says_them():
    assert [show.duration(seconds) for seconds in (42, 420, 11100)] == ["42 s", "7 min", "3 h 05 min"]
