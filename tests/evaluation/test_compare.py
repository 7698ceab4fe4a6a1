"""Nats of two likelihoods never share an axis, and every run can be told from the others."""

import pytest

from jgen.evaluation import compare
from jgen.evaluation.numbers import number


def run(likelihood=None, rate=1.0, distance=None):
    sections = {}
    if likelihood:
        numbers = {"rate": number(rate), "distortion": number(90)}
        sections["likelihood"] = {"protocol": {"likelihood": likelihood}, "numbers": numbers}
    if distance is not None:
        protocol = {"classifier": {"weights": "mnist.safetensors"}}
        sections["distances"] = {"protocol": protocol, "numbers": {"frechet_distance": number(distance)}}
    return sections


@pytest.fixture
def figures(monkeypatch):
    """The figures that were drawn."""
    drawn = []
    monkeypatch.setattr(compare.figures, "png", lambda figure: drawn.append(figure) or b"")
    return drawn


def draw(runs, betas=None):
    return compare.draw(runs, {name: (betas or {}).get(name) for name in runs})


def test_each_likelihood_has_a_panel_of_its_own(figures):
    runs = {
        "a": run("Gaussian of variance 1"),
        "b": run("Bernoulli, of grey values"),
        "c": run("Bernoulli", distance=3),
    }
    draw(runs, {"a": 0.5})
    assert [axes.get_title() for axes in figures[0].axes] == [
        "Gaussian likelihood",
        "Bernoulli likelihood",
        "Fréchet distance",
    ]
    assert figures[0].axes[-1].get_xlabel() == "in the features of the classifier mnist"
    (legend,) = figures[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["a (beta 0.5)", "b", "c"]


def test_a_rate_of_zero_and_one_of_hundreds_are_both_within_the_axis(figures):
    draw({"a": run("Bernoulli", 0.0), "b": run("Bernoulli", 300.0)})
    axes = figures[0].axes[0]
    low, high = axes.get_xlim()
    assert axes.get_xscale() == "asinh" and low < 0 and high > 300


def test_no_two_of_twenty_runs_look_alike(figures):
    draw({f"run-{i}": run("Bernoulli", i) for i in range(20)})
    lines = figures[0].axes[0].lines[1:]
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == len(lines) == 20


def test_without_numbers_there_is_no_picture():
    assert draw({"a": {}}) is None
    assert draw({"a": run(distance=1.0)}).startswith(b"\x89PNG")
