"""From the command line to a run that is ready to start: its name, its settings, its config.json."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import pathlib
import shlex
import sys

from jgen.config import MOVABLE, Run, Training, explicit_fields, from_json, to_json
from jgen.data import identity
from jgen.errors import UserError
from jgen.platform.files import atomic_write, read_json
from jgen.runs import small_data
from jgen.runs.directory import RunDirectory
from jgen.training import distributed

RECORDED_PACKAGES = ("jittor", "numpy", "onednn-cpu-gomp")


def prepare(algorithm_class, namespace, root):
    """Settings and directory of the run that `namespace` (the flags that were given) asks for."""
    explicit = explicit_fields(algorithm_class.Config, namespace)
    run = Run(**explicit_fields(Run, namespace))
    if run.resume and run.overwrite:
        raise UserError("--resume and --overwrite exclude each other: continue the run, or delete it")
    out = pathlib.Path(run.out) if run.out else root
    run = dataclasses.replace(run, data_dir=str(_data_dir(run, root)))
    name, notes, saved, begun = distributed.broadcast(lambda: _look(out, run, algorithm_class))
    directory = RunDirectory(out, name)
    if saved:
        config = _resumed_config(algorithm_class, saved, explicit, directory)
        if run.as_published and not saved["as_published"]:
            raise UserError(
                f"{directory.results} was not begun with --as-published: a resumed run keeps its settings; leave the "
                "flag out, or start another run with --name"
            )
        run = dataclasses.replace(run, as_published=saved["as_published"])
        run = run if begun else dataclasses.replace(run, resume=False)
    else:
        config = fresh_config(algorithm_class, explicit, run)
        run = dataclasses.replace(run, resume=False)
    return Prepared(config, run, directory, notes, saved, explicit, frozenset(vars(namespace)))


def _look(out, run, algorithm_class):
    """What the disk says: (the run's name, notes for the user, its config.json to resume by, whether it has begun)."""
    directory, notes = _choose_directory(out, run, algorithm_class.name)
    saved = read_config(directory) if run.resume and directory.config.exists() else None
    if saved:
        _check_resumable(directory, saved, algorithm_class)
    return directory.name, notes, saved, directory.checkpoint.exists()


def _data_dir(run, root):
    """Like the outputs, the default data folder is anchored to the repository's root; a given one is not."""
    return root / run.data_dir if run.data_dir == Run.data_dir else pathlib.Path(run.data_dir)


def _choose_directory(out, run, default_name):
    name = run.name or default_name
    directory = RunDirectory(out, name)
    if run.summary:  # writes no run, so it may look at one that is there
        return directory, []
    taken = directory.config.exists()
    if run.resume and not taken:
        return directory, [f"nothing to resume: {directory.results} holds no run; starting from the beginning"]
    if not taken or run.resume or run.overwrite:
        return directory, []
    if run.name:
        raise UserError(
            f"{directory.results} already holds a run: continue it with --resume, replace it with --overwrite, "
            "or choose another --name"
        )
    number = 2
    while RunDirectory(out, f"{name}-{number}").config.exists():
        number += 1
    return RunDirectory(out, f"{name}-{number}"), [
        f"{directory.results} already holds a run, so this one is named {name}-{number} "
        "(--resume continues the first, --overwrite replaces it)"
    ]


def read_config(directory):
    """config.json of a run, as a table with at least the keys that `Prepared.write_config` writes."""
    path = directory.config
    try:
        values = read_json(path)
        for key in ("model", "class", "config", "image_shape", "n_classes", "data", "as_published"):
            values[key]
        _check_types(values)
    except FileNotFoundError:
        raise UserError(f"{directory.results} holds no run (no config.json); train one first") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path} does not hold a run's settings ({error!r}); train again with --overwrite") from None
    return values


def _check_types(values):
    """Raise ValueError where a part that others rely on is of another type: the file may come from a stranger."""
    data = values["data"]
    if not isinstance(data, dict) or not isinstance(values["config"], dict):
        raise ValueError("'data' and 'config' must be tables")
    for key in ("requested", "name"):
        if not isinstance(data.get(key, ""), str):
            raise ValueError(f"the data's {key!r} must be a text")
    classes = data.get("classes", [])
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ValueError("the data's 'classes' must be a list of texts")
    if not isinstance(values.get("command", ""), str):
        raise ValueError("'command' must be a text")
    if not isinstance(values.get("resumed", []), list):
        raise ValueError("'resumed' must be a list")


def _check_resumable(directory, saved, algorithm_class):
    if saved["class"] != algorithm_class.__name__:
        raise UserError(f"{directory.results} holds a run of {saved['class']}, not of {algorithm_class.__name__}")
    if directory.weights.exists() and not directory.checkpoint.exists():
        raise UserError(
            f"{directory.results} holds a finished run without its checkpoint, there is nothing to resume; "
            "replace it with --overwrite, or choose another --name"
        )


def fresh_config(algorithm_class, explicit, run):
    """Settings of a new run: defaults, under the data set's preset, the published recipe, the flags that were given."""
    cls = algorithm_class.Config
    data = explicit.get("data", cls.data)
    values = dict(algorithm_class.presets.get(preset_name(data), {}))
    if run.as_published:
        values.update({name: value for name, (value, _) in algorithm_class.published_for(preset_name(data)).items()})
    return cls(**{**values, **explicit})


def preset_name(data):
    """The data set's name without its options: celeba for celeba:Young,Eyeglasses."""
    return data.partition(":")[0]


def _resumed_config(algorithm_class, saved, explicit, directory):
    config = from_json(algorithm_class.Config, saved["config"], directory.config)
    requested = {**vars(config), "data": saved["data"].get("requested", config.data)}
    free = ("epochs", *MOVABLE)
    differing = [name for name, value in explicit.items() if name not in free and value != requested[name]]
    if differing:
        flag = "--" + differing[0].replace("_", "-")
        raise UserError(
            f"{flag} {explicit[differing[0]]} differs from the run's {requested[differing[0]]}: a resumed run keeps "
            "its settings; leave the flag out, or start another run with --name"
        )
    epochs = explicit.get("epochs", config.epochs)
    spread = algorithm_class.spread_over_epochs(config)
    if spread and epochs != config.epochs:
        raise UserError(
            f"--epochs {epochs}: {spread} is laid out over this run's {config.epochs} epochs, so they stay; leave "
            "the flag out, or start another run with --name"
        )
    moved = {name: explicit[name] for name in MOVABLE if explicit.get(name, requested[name]) != requested[name]}
    return dataclasses.replace(config, epochs=epochs, **moved)


@dataclasses.dataclass
class Prepared:
    """A run that is ready to start."""

    config: Training
    run: Run
    directory: RunDirectory
    notes: list[str]
    saved: dict | None
    explicit: dict
    given: frozenset[str]  # the flags of the command line

    def announce(self, algorithm, dataset):
        """Echo what will run: the resolved settings, the data, and what differs from the source document."""
        from jgen.platform import runtime

        for note in self.notes:
            print(note)
        shown = "  ".join(f"{name} {value}" for name, value in to_json(algorithm.config).items() if value != "")
        print(f"{self.directory.name}: {shown}")
        print(f"data: {dataset.describe()}  device: {runtime.device()}")
        print(dataset.describe_split())
        if distributed.world_size() > 1:
            self._announce_processes(algorithm)
        if self.run.as_published:
            self._announce_published(algorithm)
        few = small_data.warning(algorithm.config, len(dataset.x_train), len(dataset.x_test))
        for note in [*few, *algorithm.notes()]:
            print(note)

    def _announce_processes(self, algorithm):
        print(
            f"{distributed.world_size()} processes share each minibatch of {algorithm.config.batch_size}; if one dies, "
            f"mpirun ends all. Go on then with: {self.resume_command(algorithm.name)}"
        )
        from jgen import networks

        if networks.normalises_batches(*algorithm.networks.values()):
            print("batch normalisation: each process takes the statistics of its own images of the minibatch")

    def _announce_published(self, algorithm):
        published = algorithm.published_for(preset_name(self.config.data))
        if not published:
            print("as published: the document's recipe is the default")
        defaults = {field.name: field.default for field in dataclasses.fields(algorithm.Config)}
        defaults.update(algorithm.presets.get(preset_name(self.config.data), {}))
        for name, (value, why) in published.items():
            default = defaults[name]
            override = "" if name not in self.explicit else f" (overridden by the command line: {self.explicit[name]})"
            print(f"as published: {name} {value} instead of {default}: {why}{override}")

    def config_for(self, algorithm_class, dataset):
        """The settings for the data that were really loaded: a fallback brings its preset, few images their recipe."""
        if self.saved:
            return dataclasses.replace(self.config, data=dataset.name)
        config = dataclasses.replace(self.config, data=dataset.name)
        if dataset.name != self.config.data:
            config = fresh_config(algorithm_class, {**self.explicit, "data": dataset.name}, self.run)
        if self.run.as_published:
            return config
        return small_data.fitted(config, len(dataset.x_train), set(self.explicit))

    def check_still_free(self):
        """Under the lock: the folder may have got a run since it was chosen. Raises UserError."""
        if self.saved is None and not self.run.overwrite and self.directory.config.exists():
            raise UserError(
                f"{self.directory.results} has just got a run from another process: continue it with --resume, or "
                "choose another --name"
            )

    def check_data(self, dataset):
        """A resumed run must find the images it was begun with; raises UserError."""
        if not self.saved:
            return
        recorded = self.saved["data"]
        if dataset.name != recorded.get("name"):
            identity.require_same(recorded, dataset, self.directory.name)
        if difference := identity.difference(recorded, dataset):
            raise UserError(
                f"the data of {self.directory.name} changed since it was begun ({difference}): put the old back, "
                "or start another run with --name"
            )

    def write_config(self, algorithm, dataset):
        """Clear an overwritten run, make the folders, and save everything that is needed to repeat the run."""
        if self.run.overwrite:
            self.directory.clear()
        values = {
            "model": type(algorithm).__module__.rsplit(".", 1)[-1],
            "class": type(algorithm).__name__,
            "config": to_json(algorithm.config),
            "as_published": self.run.as_published,
            "image_shape": list(dataset.image_shape),
            "n_classes": dataset.n_classes,
            "data": {**dataset.source, "name": dataset.name, "classes": list(dataset.classes)},
            "command": shlex.join([*distributed.command_prefix(), "python", f"src/{algorithm.name}.py", *sys.argv[1:]]),
            "versions": {name: importlib.metadata.version(name) for name in RECORDED_PACKAGES},
        }
        values["data"]["requested"] = self.config.data
        if self.saved:  # a resumed run keeps its record; its number of epochs may grow, and its data may move
            changed = values["config"] != self.saved["config"]
            resumed = [*self.saved.get("resumed", []), values["command"]]
            place = (
                {"name": dataset.name, "requested": self.config.data}
                if dataset.name != self.saved["data"].get("name")
                else {}
            )
            update = {"config": values["config"], "resumed": resumed, "data": {**self.saved["data"], **place}}
            values = {**self.saved, **(update if changed else {})}
        text = json.dumps(values, indent=1, ensure_ascii=False) + "\n"
        atomic_write(self.directory.config, text.encode("utf-8", "backslashreplace"))

    def resume_command(self, script):
        """The command that continues this run."""
        words = [*distributed.command_prefix(), self.python, f"src/{script}.py"]
        words += ["--name", self.directory.name, "--resume"]
        for name in ("out", "data_dir", "device", "save_every", "keep_every"):
            if name in self.given:
                words += ["--" + name.replace("_", "-"), str(getattr(self.run, name))]
        return shlex.join(words + ["--tensorboard"] * self.run.tensorboard)

    @property
    def python(self):
        """The interpreter as one types it from the repository's root."""
        return ".venv/bin/python" if "/.venv/" in sys.executable else "python"
