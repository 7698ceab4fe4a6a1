"""Whether a data set is the one that a run was trained on, by content: folders move, archives are packed anew."""

from __future__ import annotations

from jgen.data.dataset import Dataset
from jgen.errors import UserError

_SUMS = ("sha256", "md5")


def difference(recorded: dict, dataset: Dataset) -> str:
    """What tells `dataset` from the one that config.json's table "data" records, in a few words; '' for the same one.

    Counts, classes and the files' checksums are compared, not their names.
    """
    found = {**dataset.source, "classes": list(dataset.classes)}
    for key, what in (("train", "training images"), ("test", "test images")):
        if key in recorded and recorded[key] != found[key]:
            return f"{found[key]} {what} instead of {recorded[key]}"
    if "classes" in recorded and recorded["classes"] != found["classes"]:
        return "other classes"
    if "files" in recorded and _checksums(recorded["files"]) != _checksums(found["files"]):
        return "other images, by their checksums"
    return ""


def require_same(recorded: dict, dataset: Dataset, run: str) -> None:
    """Raise UserError unless the checksums in config.json's table "data" prove `dataset` to be that of `run`."""
    if not any(_checksums(recorded.get("files"))):
        raise UserError(f"config.json of {run} holds no checksums: nothing proves that {dataset.name} is its data")
    if found := difference(recorded, dataset):
        raise UserError(f"{dataset.name} is not what {run} was trained on: {found}")


def _checksums(files):
    """The checksums in a table {file: {"sha256" or "md5": …}}, sorted; "" for a file that has none."""
    if not isinstance(files, dict):
        return []
    tables = [table if isinstance(table, dict) else {} for table in files.values()]
    return sorted(str(next((table[name] for name in _SUMS if name in table), "")) for table in tables)
