"""Dataclass -> flags -> config.json and back; every flag of every script refuses what it cannot take in one line."""

import argparse
import dataclasses
import json

import pytest

from jgen import config
from jgen.cli import training
from jgen.cli.sample import Sampling
from jgen.cli.video import Stitching
from jgen.config import argument, option, parse_size
from jgen.errors import UserError
from jgen.evaluation.job import Evaluation
from jgen.models import ae, beta_vae, conv_vae, cvae, g_vae, vae, wgan
from reproduction.campaign import Report

ALGORITHMS = [ae.AE, vae.VAE, beta_vae.BetaVAE, cvae.CVAE, conv_vae.ConvVAE, g_vae.GVAE, wgan.WGAN]


def tool_parser(cls):
    return config.parser_for("tool.py", "A tool", {"options": (cls, config.fields_of(cls))})


PARSERS = {cls.name: training.training_parser(cls) for cls in ALGORITHMS}
PARSERS |= {cls.__name__: tool_parser(cls) for cls in (Sampling, Stitching, Evaluation, Report)}


def flags(parser):
    return [action for action in parser._actions if action.option_strings and action.dest != "help"]


def required(parser):
    return ["name"] if any(not action.option_strings for action in parser._actions) else []


def bad_values(action):
    """Texts that no flag of the action's kind can take."""
    if action.nargs == 0:
        return ["=yes"]
    kinds = ["=zzz"] if action.choices else []
    try:
        action.type("zzz")
    except argparse.ArgumentTypeError as problem:
        kinds += ["=zzz", "=", "=nan", "=-inf", "=1e999", "=0x10", "=-1", "=1,5"] if "number" in str(problem) else []
        kinds += ["=2.5"] if "whole" in str(problem) else []
    return kinds


CASES = [
    (name, action.option_strings[-1], text)
    for name, parser in PARSERS.items()
    for action in flags(parser)
    for text in [*bad_values(action), None]
    if not (text is None and action.nargs == 0)
]


@pytest.mark.parametrize("name", list(PARSERS))
def test_every_flag_refuses_bad_values_in_one_line(name, capsys):
    tried = 0
    for _, flag, text in (case for case in CASES if case[0] == name):
        words = [flag] if text is None else [flag + text]
        with pytest.raises(SystemExit) as stop:
            PARSERS[name].parse_args([*required(PARSERS[name]), *words])
        line = capsys.readouterr().err
        assert stop.value.code == 2 and line.count("\n") == 1 and flag in line, (words, line)
        tried += 1
    assert tried >= 4


def test_what_was_not_tried_is_text():
    """Texts (names, folders) are checked where they are used."""
    tried = {(name, flag) for name, flag, text in CASES if text is not None}
    for name, parser in PARSERS.items():
        for action in flags(parser):
            if (name, action.option_strings[-1]) not in tried and action.dest != "size":
                assert isinstance(action.type("zzz"), str)


@pytest.mark.parametrize("words", ["--nonsense", "--epoch 3", "-z", "stray", "--size 3", "--size 1x2x3"])
def test_unknown_and_shortened_flags_and_sizes_are_refused(words, capsys):
    with pytest.raises(SystemExit) as stop:
        PARSERS["vae"].parse_args(words.split())
    assert stop.value.code == 2 and capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("name", list(PARSERS))
def test_help_names_every_flag_and_its_default(name):
    text = " ".join(PARSERS[name].format_help().split())
    for action in flags(PARSERS[name]):
        assert all(flag in text for flag in action.option_strings)
        assert action.help.split("[")[0].strip().split(" ")[0] in text
    if name == "vae":
        assert "images per step [64]" in text and "model:" in text and "training:" in text and "run:" in text


def test_flags_not_given_stay_out_of_the_parse():
    given = vars(PARSERS["beta-vae"].parse_args(["-b", "0.5", "--hidden", "3", "4"]))
    assert given == {"beta": 0.5, "hidden": [3, 4]}
    explicit = config.explicit_fields(beta_vae.Config, argparse.Namespace(**given))
    assert beta_vae.Config(**explicit).hidden == (3, 4)


@pytest.mark.parametrize(
    "text, size",
    [("", None), ("64", (64, 64)), ("96x64", (96, 64)), ("96X64", (96, 64)), ("4", (4, 4)), ("1024", (1024, 1024))],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["3", "1025", "0", "-64", "64x", "x64", "64x64x64", "6 4", "٦٤", "64.0", "a"])
def test_bad_sizes(text):
    with pytest.raises(ValueError):
        parse_size(text)


@dataclasses.dataclass(frozen=True)
class Everything:
    whole: int = option(3, "a whole number", "-w", at_least=1, at_most=9)
    real: float = option(0.5, "a real number", above=0, below=1)
    many: tuple[int, ...] = option((1, 2), "numbers", at_least=0)
    maybe: float | None = option(None, "may be missing", at_least=0)
    word: str = option("a", "a word", choices=("a", "b"))
    on: bool = option(True, "on by default")
    off: bool = option(False, "off by default, 100 % so")


def test_everything_survives_json_and_flags():
    changed = Everything(4, 0.25, (), 1.5, "b", False, True)
    for value in (Everything(), changed):
        assert config.from_json(Everything, json.loads(json.dumps(config.to_json(value))), "here") == value
    parser = config.parser_for("x.py", "x", {"all": (Everything, config.fields_of(Everything))})
    given = parser.parse_args(["-w", "4", "--real=0.25", "--many=5", "--maybe=1.5", "--word=b", "--no-on", "--off"])
    assert Everything(**config.explicit_fields(Everything, given)) == Everything(4, 0.25, (5,), 1.5, "b", False, True)
    assert "100 % so" in parser.format_help()


@pytest.mark.parametrize(
    "values, message",
    [
        ({"stranger": 1}, "unknown setting 'stranger'"),
        ({"whole": "4"}, "whole should be of type int"),
        ({"whole": True}, "whole should be of type int"),
        ({"whole": 2.0}, "whole should be of type int"),
        ({"whole": 10}, "whole must be at most 9"),
        ({"real": 0}, "real must be above 0"),
        ({"real": 1.0}, "real must be below 1"),
        ({"real": float("nan")}, "real needs a finite number"),
        ({"many": 3}, "many should be a list"),
        ({"many": [1, -1]}, "many must be at least 0"),
        ({"many": [1, None]}, "many should be of type int"),
        ({"word": "c"}, "word should be one of a, b"),
        ({"on": 1}, "on should be of type bool"),
        ({"whole": None}, "whole should be of type int"),
        ([1], "not a table"),
        (None, "not a table"),
    ],
)
def test_a_strangers_settings_are_refused_by_name(values, message):
    with pytest.raises(UserError, match=message):
        config.from_json(Everything, values, "here")


def test_a_positional_argument_may_have_a_default():
    @dataclasses.dataclass(frozen=True)
    class Positional:
        name: str = argument("the name")
        kind: str = argument("the kind", choices=("x", "y"), default="y")

    parser = config.parser_for("x.py", "x", {"all": (Positional, config.fields_of(Positional))})
    assert vars(parser.parse_args(["n"])) == {"name": "n", "kind": "y"}
    assert vars(parser.parse_args(["n", "x"])) == {"name": "n", "kind": "x"}
