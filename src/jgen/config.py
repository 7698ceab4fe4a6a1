"""A frozen dataclass -> command line -> config.json, and back.

A model's settings are the fields of a frozen dataclass beside the model. `option` declares a field with its help
text and its bounds; `parser_for` makes flags of the fields. A flag that is not given leaves no value in the parsed
namespace, so that a model's defaults, a data set's preset, a document's published recipe or a resumed run's settings
can take its place.
"""

import argparse
import dataclasses
import functools
import math
import operator
import reprlib
import types
import typing

from jgen.errors import UserError, printable
from jgen.platform.files import expanded

# Bounds of every setting: what lies beyond can only fail, in float32 or for want of memory and time.
MOST_WHOLE, MOST, LEAST = 10**18, 1e6, 1e-30
BOUNDS = {"at_least": operator.ge, "above": operator.gt, "at_most": operator.le, "below": operator.lt}
MOST_ITEMS = 256  # of a setting with several values, such as a network's layers


def option(default, help, *flags, choices=None, parse=None, path=False, **bounds):
    """A dataclass field that is also a command-line flag; `flags` adds short names.

    bounds: at_least, above, at_most, below. parse: raises ValueError for a wrong value. path: the flag's value may be a
    path, so that ~ is expanded.
    """
    metadata = {"help": help, "flags": flags, "choices": choices, "bounds": bounds, "parse": parse, "path": path}
    return dataclasses.field(default=default, metadata=metadata)


def units(default, help):
    """`option` for a number of units or channels, or several; bounded, because Jittor crashes without memory."""
    return option(default, help, at_least=1, at_most=2**16)


def device():
    """The flag --device: auto takes a GPU where one works."""
    return option("auto", "where to compute", choices=("auto", "cpu", "cuda"))


def argument(help, choices=None, default=dataclasses.MISSING, path=False):
    """A dataclass field that is a positional argument: a text, required unless it has a default.

    A field of type tuple[str, ...] takes any number of texts.
    """
    metadata = {"help": help, "flags": None, "choices": choices, "bounds": {}, "parse": None, "path": path}
    return dataclasses.field(default=default, metadata=metadata)


def parse_size(text):
    """'' -> None, '64' -> (64, 64), '96x64' -> (96, 64): height and width in pixels, 4 to 1024 each."""
    if text == "":
        return None
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and part.isascii() for part in parts):
        raise ValueError("needs N or HxW")
    size = tuple(int(part) for part in parts)
    if not all(4 <= side <= 1024 for side in size):
        raise ValueError("needs sides of 4 to 1024 pixels")
    return size if len(size) == 2 else size * 2


BINARISATIONS = ("none", "static", "dynamic")
# Settings that a resumed run may change: checksums, not the folder's path, identify the images it was begun with.
MOVABLE = ("data", "follow_links")


@dataclasses.dataclass(frozen=True)
class Training:
    """Settings that decide a run's numbers; a model's Config adds its own."""

    data: str = option(
        "mnist",
        "mnist, mnist5k (5,000 images that come with the package), cifar10, celeba[:ATTRIBUTES], or an image folder",
        path=True,
    )
    follow_links: bool = option(False, "read images through links that lead out of the image folder")
    size: str = option("", "resize images to N or HxW pixels (default: as the data set has them)", parse=parse_size)
    binarise: str = option(
        "none",
        "black and white pixels, white with the grey value as probability: drawn once (static) or anew for every epoch "
        "(dynamic)",
        choices=BINARISATIONS,
    )
    epochs: int = option(100, "passes over the training images", at_least=1)
    batch_size: int = option(64, "images per step", at_least=1)
    lr: float = option(1e-3, "learning rate", above=0)
    seed: int = option(0, "seed of every random stream", at_least=0, at_most=2**32 - 1)


@dataclasses.dataclass(frozen=True)
class Run:
    """Settings of where and how to run; they never change a run's numbers."""

    name: str = option("", "name of the run and of its folders (default: the script's name)")
    data_dir: str = option("data", "folder that holds, or receives, the data sets", path=True)
    out: str = option("", "write intermediate/ and results/ here (default: the repository's root)", path=True)
    device: str = device()
    config: str = option("", "take the settings of an earlier run, its config.json; flags come before them", path=True)
    resume: bool = option(False, "continue an interrupted run, exactly")
    overwrite: bool = option(False, "delete an earlier run of the same name first")
    save_every: int = option(1, "epochs between checkpoints", at_least=1)
    keep_every: int = option(10, "epochs between weights that are kept, 0 for none", at_least=0)
    tensorboard: bool = option(False, "also write scalars and grids for TensorBoard")
    summary: bool = option(False, "print the layers and draw the networks as an SVG, without training")
    as_published: bool = option(False, "use the source document's recipe to the letter, its mistakes included")


class _OneLineParser(argparse.ArgumentParser):
    """Errors as one line, without the whole usage in front."""

    def __init__(self, prog, description):
        formatter = functools.partial(argparse.HelpFormatter, max_help_position=30, width=100)
        # --help is in the last group of flags.
        super().__init__(prog, description=description, formatter_class=formatter, allow_abbrev=False, add_help=False)

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {printable(message)} (--help lists the flags)\n")


def parser_for(prog, description, groups):
    """A parser whose flags are the fields of `groups`: {title: (dataclass, those of its fields)}."""
    return _add_groups(_OneLineParser(prog, description), groups)


def parser_of_kinds(prog, description, common, kinds):
    """A parser for `prog NAME KIND …`: each of `kinds`, {name: options class}, adds its flags to those of `common`."""
    parser = _add_groups(_OneLineParser(prog, description), {"options": (common, fields_of(common))})
    parsers = parser.add_subparsers(dest="kind", required=True, metavar="KIND", title="kinds (each has its own --help)")
    inherited = [field for field in fields_of(common) if field.metadata["flags"] is not None]
    for name, cls in kinds.items():
        summary = cls.__doc__.strip().splitlines()[0]
        one = parsers.add_parser(name, help=summary, prog=f"{prog} NAME {name}", description=summary)
        # Twice, so that --out may stand before or after the kind.
        _add_groups(one, {"options": (cls, [*fields_of(cls, without=common), *inherited])})
    return parser


def _add_groups(parser, groups):
    for title, (cls, fields) in groups.items():
        group = parser.add_argument_group(title)
        hints = typing.get_type_hints(cls)
        for field in fields:
            _add_flag(parser if field.metadata["flags"] is None else group, field, hints[field.name])
    group.add_argument("-h", "--help", action="help", help="show this text and exit")
    return parser


def fields_of(cls, without=None):
    """The option fields of a config class, but for those of its base class `without`."""
    inherited = {field.name for field in dataclasses.fields(without)} if without else ()
    return [field for field in dataclasses.fields(cls) if field.name not in inherited]


def _add_flag(group, field, hint):
    metadata, choices = field.metadata, field.metadata["choices"]
    kind, many = _element_type(hint)
    convert = _checked(kind, metadata)
    if metadata["flags"] is None:
        required = field.default is dataclasses.MISSING
        optional = {} if required else {"nargs": "*" if many else "?", "default": field.default}
        group.add_argument(field.name, help=metadata["help"], choices=choices, type=convert, **optional)
        return
    names = (*metadata["flags"], flag(field.name))
    unnamed = field.default in ("", None, ()) or field.default is False or "(default: " in metadata["help"]
    help_text = (metadata["help"] + ("" if unnamed else f" [{_shown(field.default)}]")).replace("%", "%%")
    keywords = {"dest": field.name, "default": argparse.SUPPRESS, "help": help_text}
    if kind is bool:
        action = argparse.BooleanOptionalAction if field.default else "store_true"
        group.add_argument(*names, action=action, **keywords)
        return
    if many:
        keywords["nargs"] = "+"
    shown = {"choices": choices} if choices else {"metavar": {int: "N", float: "X", str: "TEXT"}[kind]}
    group.add_argument(*names, type=convert, **shown, **keywords)


def flag(name):
    """The flag of a field: "--latent-dim" of "latent_dim"."""
    return "--" + name.replace("_", "-")


def _shown(value):
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else value


def _element_type(hint):
    """(int | float | str | bool, whether the field is a tuple of them)."""
    if typing.get_origin(hint) is tuple:
        return typing.get_args(hint)[0], True
    if isinstance(hint, types.UnionType):
        return next(kind for kind in typing.get_args(hint) if kind is not type(None)), False
    return hint, False


def _checked(kind, metadata):
    """An argparse type that converts one value and checks its bounds."""

    def convert(text):
        try:
            value = expanded(text) if metadata["path"] else kind(text)
        except UserError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        except ValueError:
            article = {"int": "a whole number", "float": "a number"}[kind.__name__]
            raise argparse.ArgumentTypeError(f"needs {article}, got {shortened(text)}") from None
        if problem := _problem(value, metadata):
            raise argparse.ArgumentTypeError(f"{problem}, got {shortened(value)}")
        return value

    return convert


def _problem(value, metadata):
    """Why `value` is not acceptable, or None."""
    if isinstance(value, float) and not math.isfinite(value):
        return "needs a finite number"
    if isinstance(value, int) and abs(value) > MOST_WHOLE:
        return f"must be at most {MOST_WHOLE:g}"
    if isinstance(value, float) and (abs(value) > MOST or 0 < abs(value) < LEAST):
        return f"must lie between {LEAST:g} and {MOST:g}"
    for word, bound in metadata["bounds"].items():
        if not BOUNDS[word](value, bound):
            return f"must be {word.replace('_', ' ')} {bound}"
    if metadata["parse"] is not None:
        try:
            metadata["parse"](value)
        except ValueError as error:
            return str(error)
    return None


def explicit_fields(cls, namespace):
    """The fields of `cls` that were given on the command line, tuples restored."""
    given = vars(namespace)
    values = {field.name: given[field.name] for field in dataclasses.fields(cls) if field.name in given}
    for name, value in values.items():
        if isinstance(value, list):
            _require_few(value, flag(name))
            values[name] = tuple(value)
    return values


def to_json(config):
    """A config as JSON-ready values."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(config).items()}


def from_json(cls, values, where):
    """The config that `to_json` wrote; unknown fields, wrong types and values out of bounds are a UserError."""
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    if not isinstance(values, dict):
        raise UserError(f"{where}: 'config' is not a table of settings")
    arguments = {}
    for name, value in values.items():
        if name not in fields:
            raise UserError(f"{where}: unknown setting {name!r}; written by another version of this package?")
        arguments[name] = _restore(value, hints[name], fields[name].metadata, f"{where}: {name}")
    return cls(**arguments)


def _restore(value, hint, metadata, where):
    kind, many = _element_type(hint)
    if value is None and isinstance(hint, types.UnionType):
        return None
    if many:
        if not isinstance(value, list):
            raise UserError(f"{where} should be a list")
        _require_few(value, where)
        return tuple(_restore(item, kind, metadata, where) for item in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) <= MOST_WHOLE else math.inf
    if type(value) is not kind:
        raise UserError(f"{where} should be of type {kind.__name__}, is {shortened(value)}")
    if metadata["choices"] and value not in metadata["choices"]:
        raise UserError(f"{where} should be one of {', '.join(map(str, metadata['choices']))}, is {shortened(value)}")
    if problem := _problem(value, metadata):
        raise UserError(f"{where} {problem}, is {shortened(value)}")
    return value


def _require_few(values, where):
    if len(values) > MOST_ITEMS:
        raise UserError(f"{where} has {len(values)} values, {MOST_ITEMS} are the most")


def shortened(value) -> str:
    """A value for an error message: printable, and some 60 letters long at most."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = short.maxlong = 60
    return short.repr(value)
