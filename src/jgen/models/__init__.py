"""One paper, one file, one screen. Nothing lists the models: they are the files of this folder."""

from __future__ import annotations

import importlib
import pathlib

from jgen.errors import UserError
from jgen.training.algorithm import Algorithm

_FOLDER = pathlib.Path(__file__).parent


def algorithm(name: str) -> type[Algorithm]:
    """The Algorithm called `name`, such as "beta-vae", from the file of that name. UserError where there is none."""
    stem = name.replace("-", "_")
    if stem.isidentifier() and (_FOLDER / f"{stem}.py").is_file() and (found := _defined_in(stem)):
        return found
    raise UserError(f"there is no model {name!r}; the models are: {', '.join(names())}")


def names() -> list[str]:
    """The names of all models. Imports all of them."""
    stems = sorted(path.stem for path in _FOLDER.glob("*.py") if path.stem != "__init__")
    return [found.name for stem in stems if (found := _defined_in(stem))]


def _defined_in(stem):
    """The Algorithm with a name that jgen.models.STEM defines, or None: a file may hold what several models share."""
    module = importlib.import_module(f"jgen.models.{stem}")
    found = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Algorithm)]
    return next((cls for cls in found if cls.__module__ == module.__name__ and "name" in vars(cls)), None)
