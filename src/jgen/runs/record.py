"""config.json: the record by which a run is repeated, resumed and loaded."""

from __future__ import annotations

import datetime
import importlib.metadata
import pathlib
import subprocess
import typing

from jgen.errors import UserError
from jgen.platform.files import ROOT, read_json, write_json
from jgen.runs.directory import RunDirectory

RECORDED_PACKAGES = ("jittor", "numpy", "onednn-cpu-gomp")
Record = dict[str, typing.Any]


def read(directory: RunDirectory) -> Record:
    """The run's config.json. Raises UserError where there is none, or where it lacks what others rely on."""
    return read_file(directory.config, f"{directory.results} holds no run (no config.json); train one first")


def read_file(path: pathlib.Path, missing: str) -> Record:
    """The config.json at `path`; a stranger's, perhaps. UserError for bad content, or `missing` where there is none."""
    try:
        values = read_json(path)
        for key in ("model", "class", "config", "image_shape", "n_classes", "data", "as_published"):
            values[key]
        _check_types(values)
    except FileNotFoundError:
        raise UserError(missing) from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path} does not hold a run's settings ({error!r}); train again with --overwrite") from None
    return values


def _check_types(values):
    """Raise ValueError if a part that others rely on has the wrong type."""
    data = values["data"]
    if not isinstance(data, dict) or not isinstance(values["config"], dict):
        raise ValueError("'data' and 'config' must be tables")
    for key in ("requested", "name"):
        if not isinstance(data.get(key, ""), str):
            raise ValueError(f"the data's {key!r} must be a text")
    if not all(type(data.get(key, 0)) is int for key in ("train", "test")):
        raise ValueError("the data's 'train' and 'test' must be numbers of images")
    classes = data.get("classes", [])
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ValueError("the data's 'classes' must be a list of texts")
    if not isinstance(values.get("command", ""), str):
        raise ValueError("'command' must be a text")
    if not isinstance(values.get("resumed", []), list):
        raise ValueError("'resumed' must be a list")


def write(directory: RunDirectory, values: Record) -> None:
    """Write config.json, whole or not at all."""
    write_json(directory.config, values)


def finish(directory: RunDirectory, seconds: float) -> None:
    """Record when the run was finished, and for how many seconds it trained, all sittings together."""
    saved, seconds = read(directory), round(seconds, 1)
    if "finished" not in saved or saved["seconds"] != seconds:  # else a resume had nothing left to train
        write(directory, {**saved, "finished": now(), "seconds": seconds})


def provenance() -> Record:
    """The date, the git commit ("" outside a checkout) and the versions of packages."""
    versions = {name: importlib.metadata.version(name) for name in RECORDED_PACKAGES}
    return {"date": now(), "commit": commit(ROOT), "versions": versions}


def now() -> str:
    """The time, such as 2025-01-31T12:00:00+00:00."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def commit(folder: pathlib.Path) -> str:
    """The git commit that is checked out in `folder`, with "+" where tracked files were changed; "" without one."""
    if not (folder / ".git").exists():
        return ""
    try:
        return _git(folder, "rev-parse", "HEAD") + "+" * bool(_git(folder, "status", "--porcelain", "-uno"))
    except (OSError, subprocess.SubprocessError):  # no git, no commit yet, or a repository of another user
        return ""


def _git(folder, *words):
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
