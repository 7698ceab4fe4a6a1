"""The real commands on tiny runs, and the files they leave."""

import hashlib
import json

import pytest

from jgen.cli import tool, training
from jgen.evaluation import sections
from jgen.evaluation.job import WHAT, Evaluation, evaluate
from jgen.models.cvae import CVAE
from jgen.models.vae import VAE
from jgen.models.wgan import WGAN

TINY = ["--data", "mnist5k", "--epochs", "1", "--batch-size", "500"]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    small = ["--hidden", "8", "--latent-dim", "3", "--out", str(folder), *TINY]
    training.run(VAE, small)
    training.run(VAE, [*small, "--name", "black-and-white", "--binarise", "static"])
    return folder


@pytest.fixture(scope="module")
def cvae(out):
    training.run(CVAE, ["--net", "mlp", "--hidden", "8", "--latent-dim", "3", "--out", str(out), *TINY])


@pytest.fixture(scope="module")
def wgan(out):
    training.run(WGAN, ["--hidden", "8", "8", "--critic-hidden", "8", "--out", str(out), *TINY])


def run(out, *words):
    tool.run("evaluate.py", Evaluation, evaluate, [*map(str, words), "--out", str(out)])


def read(out, name):
    return json.loads((out / "results" / name / "evaluation.json").read_text())


FEW = ("-n", 40, "--images", 30, "--samples", 4)


@pytest.mark.slow
def test_all_of_a_vae_with_its_protocol(out, capsys):
    capsys.readouterr()  # the trainings'
    run(out, "vae", *FEW)
    found = read(out, "vae")
    assert list(found) == ["reconstruction", "likelihood", "distances", "labels", "memorisation", "preservation"]
    digest = hashlib.sha256((out / "results/vae/weights.safetensors").read_bytes()).hexdigest()
    for part in found.values():
        protocol = part["protocol"]
        assert protocol["sha256"] == digest and protocol["data"] == "mnist5k" and protocol["seed"] == 0
        assert protocol["command"].startswith("python src/evaluate.py")
    assert found["likelihood"]["protocol"]["images"] == 30 and found["likelihood"]["protocol"]["samples"] == 4
    assert "not a normalised density" in found["likelihood"]["protocol"]["likelihood"]
    numbers = found["likelihood"]["numbers"]
    assert -numbers["elbo"]["value"] >= numbers["nll"]["value"] > 0
    assert len(numbers["kl_per_dimension"]["values"]) == 3
    assert "biased" in found["distances"]["protocol"]["warning"]
    assert (out / "results/vae/neighbours.png").exists()
    printed = capsys.readouterr().out.splitlines()[2:]
    assert [line.split()[0] for line in printed[:5]] == ["reconstructions", "latents", "samples", "variety", "copies"]
    assert printed[5].startswith("--verbose prints all numbers, with ")
    names = ["evaluation.json", "neighbours.png", "preservation.png"]
    assert printed[6:] == [f"made: {out / 'results/vae' / name}" for name in names]


def test_verbose_prints_all_numbers_and_why_a_part_is_left_out(out, capsys, monkeypatch):
    monkeypatch.setattr(sections, "ALL", ("likelihood", "critic"))
    run(out, "vae", *FEW, "--verbose")
    printed = capsys.readouterr().out
    assert "kl per dimension" in printed and "critic: left out" in printed and "warning: median effective" in printed


@pytest.mark.slow
def test_one_part_joins_the_others_of_the_same_weights_only(out):
    run(out, "black-and-white", "labels", *FEW)
    run(out, "black-and-white", "likelihood", *FEW)
    found = read(out, "black-and-white")
    assert set(found) == {"labels", "likelihood"}
    assert found["likelihood"]["protocol"]["binarisation"] == "static"
    assert found["likelihood"]["protocol"]["likelihood"] == "Bernoulli"
    path = out / "results/black-and-white/evaluation.json"
    found["labels"]["protocol"]["sha256"] = "of other weights"
    path.write_text(json.dumps(found))
    with pytest.raises(SystemExit):
        run(out, "--compare", "black-and-white")
    run(out, "black-and-white", "reconstruction", *FEW)
    assert set(read(out, "black-and-white")) == {"likelihood", "reconstruction"}
    run(out, "--compare", "black-and-white")


@pytest.mark.slow
def test_the_same_command_gives_the_same_numbers(out, cvae):
    run(out, "cvae", *FEW)
    first = read(out, "cvae")
    assert 0 <= first["labels"]["numbers"]["agreement"]["value"] <= 100
    run(out, "cvae", *FEW)
    again = read(out, "cvae")
    assert {name: part["numbers"] for name, part in first.items()} == {
        name: part["numbers"] for name, part in again.items()
    }


@pytest.mark.slow
def test_the_critic_needs_the_checkpoint(out, wgan, capsys):
    run(out, "wgan", "critic", *FEW)
    numbers = read(out, "wgan")["critic"]["numbers"]
    assert {"critic_gap", "weights_at_bound", "negated_critic_loss_last"} <= numbers.keys()
    assert (out / "results/wgan/critic.png").exists()
    checkpoint = out / "results/wgan/checkpoint.safetensors"
    content = checkpoint.read_bytes()
    checkpoint.unlink()
    with pytest.raises(SystemExit) as stop:
        run(out, "wgan", "critic", *FEW)
    checkpoint.write_bytes(content)
    assert stop.value.code == 2 and "only it holds the critic" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        run(out, "wgan", "likelihood")
    assert stop.value.code == 2 and "has no likelihood" in capsys.readouterr().err


def test_comparison_of_runs_in_a_table_and_a_picture(out, capsys):
    run(out, "vae", "likelihood", *FEW)
    run(out, "black-and-white", "likelihood", *FEW)
    run(out, "--compare", "vae", "black-and-white")
    assert (out / "results/comparison.png").exists()
    table = (out / "results/comparison.md").read_text()
    assert "| vae " in table and "| black-and-white |" in table and "NLL" in table
    assert "binarisation differs between the runs: none; static" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, message",
    [
        (["missing"], "holds no run"),
        ([], "give the name of a run"),
        (["vae", "critic"], "has no critic"),
        (["vae", "preservation", "--beside", "missing"], "holds no run"),
        (["--compare", "vae", "missing"], "has no evaluation.json"),
        (["vae", "fid"], "--inception FILE"),
        (["vae", "fid", "--inception", "results/vae/weights.safetensors"], "does not hold the Inception"),
        (["vae", "distances", "--classifier", "nowhere.safetensors"], "nowhere.safetensors"),
    ],
)
def test_errors_are_one_clear_line(out, capsys, monkeypatch, words, message):
    monkeypatch.chdir(out)
    with pytest.raises(SystemExit) as stop:
        run(out, *words)
    error = capsys.readouterr().err
    assert stop.value.code == 2 and message in error and "Traceback" not in error


def test_what_names_every_section():
    from jgen.evaluation.sections import SECTIONS

    assert tuple(SECTIONS) == WHAT[1:]
