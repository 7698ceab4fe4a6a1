"""One command for all scripts: `jgen train MODEL …`, `jgen sample NAME …`; the same as `python -m jgen`."""

from __future__ import annotations

import sys
from collections.abc import Callable

import jgen
from jgen import models
from jgen.cli import exits, tool, training
from jgen.platform import supervisor

PROGRAM = "jgen"


def main(arguments: list[str] | None = None) -> None:
    """Do what the command line says; exits as the scripts do."""
    if arguments is None:
        supervisor.supervise(PROGRAM)
    words = sys.argv[1:] if arguments is None else list(arguments)
    command, rest = (words[0], words[1:]) if words else ("--help", [])
    if command in ("-h", "--help"):
        print(_help())
    elif command == "--version":
        print(f"{PROGRAM} {jgen.__version__}")
    elif command in COMMANDS:
        COMMANDS[command][0](rest)
    else:
        exits.fail(PROGRAM, f"there is no command {command!r}; the commands are: {', '.join(COMMANDS)}")


def _train(words: list[str]) -> None:
    if not words or words[0] in ("-h", "--help"):
        print(
            f"usage: {PROGRAM} train MODEL [flags], each with its own --help; the models: {', '.join(models.names())}"
        )
        return
    found = []
    exits.exit_cleanly(PROGRAM, lambda: found.append(models.algorithm(words[0])))
    training.run(found[0], words[1:])


def _sample(words: list[str]) -> None:
    from jgen.cli.sample import Sampling, sample

    tool.run("sample", Sampling, sample, words)


def _explore(words: list[str]) -> None:
    from jgen.exploration.job import KINDS, SUMMARY, explore

    tool.run_kind("explore", SUMMARY, KINDS, explore, words)


def _evaluate(words: list[str]) -> None:
    from jgen.evaluation.job import Evaluation, evaluate

    tool.run("evaluate", Evaluation, evaluate, words)


def _augment(words: list[str]) -> None:
    from jgen.augmentation.augment import Augmentation, augment

    tool.run("augment", Augmentation, augment, words)


def _video(words: list[str]) -> None:
    from jgen.cli.video import Stitching, stitch

    tool.run("video", Stitching, stitch, words)


def _train_classifier(words: list[str]) -> None:
    from jgen.judges.training import Training, train

    tool.run("train-classifier", Training, train, words)


# Imported when needed: --version and --help answer at once.
COMMANDS: dict[str, tuple[Callable[[list[str]], None], str]] = {
    "train": (_train, "train a model: jgen train MODEL --help lists its flags"),
    "sample": (_sample, "draw images from a finished run"),
    "explore": (_explore, "pictures of a finished run: reconstructions, morphs, latent axes, …"),
    "evaluate": (_evaluate, "numbers about a finished run, each with its protocol"),
    "augment": (_augment, "more images of a labelled folder"),
    "video": (_video, "a run's film, made again from its grids"),
    "train-classifier": (_train_classifier, "an independent judge of your own classes"),
}


def _help() -> str:
    lines = [f"usage: {PROGRAM} COMMAND … (each has its own --help)", "", "Image generative models on Jittor.", ""]
    lines += [f"  {name:18}{what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join([*lines, "", "  --version         print the version"])
