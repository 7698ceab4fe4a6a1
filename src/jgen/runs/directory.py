"""The paths of a run: results/NAME, intermediate/NAME and results/mp4/NAME.mp4.

results/ belongs to the user. The runs that the project ships are in results/published/NAME and
results/published/mp4/NAME.mp4; only `report.py --publish` writes there.
"""

import contextlib
import dataclasses
import os
import re
from collections.abc import Callable
from pathlib import Path

from jgen.errors import UserError
from jgen.platform.files import delete, inside, lock_holder, locked


def _result(name):
    """The path of a file in results/NAME."""
    return property(lambda self: self.results / name)


@dataclasses.dataclass(frozen=True)
class RunDirectory:
    """The paths of the run NAME below the folder OUT; making one writes nothing.

    published: the run that the project ships under this name, not the user's own.
    Raises UserError unless the name is 1 to 80 letters, digits, '.', '_' or '-', with no '.' or '-' in front.
    """

    out: Path
    name: str
    published: bool = False
    _still_held: Callable[[], bool] | None = dataclasses.field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self):
        object.__setattr__(self, "out", Path(self.out))
        if not re.fullmatch(r"(?![.-])[\w.-]{1,80}", self.name) or len(os.fsencode(self.name)) > 240:
            raise UserError(
                f"{self.name!r} cannot name a run: use 1 to 80 letters, digits, '.', '_' or '-', "
                "and begin with a letter, a digit or '_'"
            )
        if self.name in _RESERVED:
            raise UserError(f"a run cannot be named {self.name!r}: results/{self.name} holds {_RESERVED[self.name]}")

    @property
    def own(self):
        """The user's directory of this name, which receives whatever is made of a published run."""
        return dataclasses.replace(self, published=False) if self.published else self

    @property
    def described(self) -> str:
        """The folder of its results, and whether it is the published run."""
        return f"{self.results} (published)" if self.published else str(self.results)

    @property
    def _root(self):
        return inside(self.out, "results", "published") if self.published else inside(self.out, "results")

    @property
    def results(self):
        return inside(self._root, self.name)

    @property
    def intermediate(self):
        return inside(self.out, "intermediate", self.name)

    @property
    def video(self):
        return inside(self._root, "mp4") / f"{self.name}.mp4"

    config = _result("config.json")
    metrics = _result("metrics.jsonl")
    curves = _result("curves.png")
    samples = _result("samples.png")
    checkpoint = _result("checkpoint.safetensors")
    checkpoint_json = _result("checkpoint.json")
    weights = _result("weights.safetensors")
    best = _result("best.safetensors")  # of the epoch with the best validation metric, for models that name one
    density = _result("density.safetensors")  # Gaussian mixtures fitted to the run's latents
    evaluation = _result("evaluation.json")
    network = _result("network.svg")  # drawn by --summary; not one of the run's files, because it needs no run

    @property
    def explored(self):
        """The pictures that src/explore.py makes."""
        return inside(self.results, "explore")

    @property
    def tensorboard(self):
        return inside(self.results, "tensorboard")

    @property
    def cache(self):
        """Prepared data, common to all runs; the leading '.' keeps it apart from every run's folder."""
        return inside(self.out, "intermediate", ".cache")

    def kept_weights(self, epoch):
        """results/NAME/weights_0001.safetensors for epoch 1."""
        return self.results / f"weights_{epoch:04d}.safetensors"

    def grid(self, kind, epoch):
        """intermediate/NAME/KIND_0001.png for epoch 1."""
        return self.intermediate / f"{kind}_{epoch:04d}.png"

    def grids(self, kind="*"):
        """The grids of this kind that exist, in the order of their epochs."""
        return _numbered(self.intermediate, f"{kind}_*.png")

    def grid_kinds(self):
        """The kinds of which there are grids, sorted."""
        return sorted({path.stem.rpartition("_")[0] for path in self.grids()})

    def files(self):
        """Every file that this run left; not the lock."""
        one_each = [self.config, self.metrics, self.curves, self.samples]
        one_each += [self.checkpoint, self.checkpoint_json, self.weights, self.best, self.video]
        one_each += [self.density, self.density.with_suffix(".json")]
        one_each += [self.results / f"{kind}.png" for kind in self.grid_kinds()]
        one_each += [self.results / name for name in _EVALUATION]
        many = _numbered(self.results, "weights_*.safetensors") + sorted(self.tensorboard.glob("events.*"))
        many += [path for suffix in ("png", "mp4") for path in sorted(self.explored.glob(f"*.{suffix}"))]
        return [path for path in one_each if path.exists()] + many + self.grids()

    def clear(self):
        """Delete the run's files, and nothing that is not the run's; for --overwrite, under the lock.

        The checkpoint goes first and config.json last: killed between, nothing is left that a new run would go on from.
        """
        last = {self.checkpoint: -1, self.config: 1}
        for path in sorted(self.files(), key=lambda path: last.get(path, 0)):
            delete(path)

    @contextlib.contextmanager
    def lock(self):
        """Keep other processes from writing this run during the block; raises UserError if another one does."""

        def refusal(holder):
            return (
                f"the run {self.name!r} is being written by process {holder}: "
                "wait until it ends, or choose another --name"
            )

        with locked(self._lock, refusal) as still_held:
            object.__setattr__(self, "_still_held", still_held)
            try:
                yield
            finally:
                object.__setattr__(self, "_still_held", None)

    def require_held(self):
        """Raise UserError where the folder was deleted or replaced while lock() protects it; else do nothing."""
        if self._still_held and not self._still_held():
            raise UserError(
                f"{self.results} was deleted or replaced while this run was writing it, and its earlier epochs with "
                "it: start the run again, or put the folder back and go on with --resume"
            )

    def writer(self):
        """The process that writes this run just now, as text; "" if there is none."""
        return lock_holder(self._lock)

    @property
    def _lock(self):
        return self.results / ".lock"


def find(out, name) -> RunDirectory:
    """The user's run NAME below OUT; where there is none, the published one, if there is one."""
    own = RunDirectory(out, name)
    published = dataclasses.replace(own, published=True)
    return published if published.config.exists() and not own.config.exists() else own


_RESERVED = {"mp4": "the videos of all runs", "published": "the runs that the project ships"}
_EVALUATION = ("evaluation.json", "neighbours.png", "critic.png", "preservation.png", "low-data.jsonl", "low-data.png")


def _numbered(folder, pattern):
    """The folder's files whose names end in _NUMBER before the suffix, in numeric order."""
    found = [path for path in folder.glob(pattern) if path.stem.rpartition("_")[2].isdigit()]
    return sorted(found, key=lambda path: (len(path.name), path.name))  # 10000 comes after 9999
