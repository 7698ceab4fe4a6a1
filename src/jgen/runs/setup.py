"""From the command line to a run that is ready to start: its name, its settings, its config.json."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import shlex
import sys
import typing
from collections.abc import Iterator, Sequence

from jgen.config import MOVABLE, Run, Training, explicit_fields, from_json, to_json
from jgen.data import identity
from jgen.errors import UserError
from jgen.platform.files import IN_CHECKOUT, ROOT
from jgen.runs import metrics, record, small_data
from jgen.runs.directory import RunDirectory
from jgen.training import distributed


def prepare(algorithm_class, namespace, words: Sequence[str]) -> Prepared:
    """Settings and directory of the run that the flags in `namespace`, parsed from `words`, ask for."""
    explicit = explicit_fields(algorithm_class.Config, namespace)
    run = Run(**explicit_fields(Run, namespace))
    _check_flags(run)
    out = pathlib.Path(run.out) if run.out else ROOT
    run = dataclasses.replace(run, data_dir=str(_data_dir(run)))
    name, notes, saved, begun = distributed.broadcast(lambda: _look(out, run, algorithm_class))
    directory = RunDirectory(out, name)
    if saved:
        config = _resumed_config(algorithm_class, saved, explicit, directory)
        _check_as_published(run, saved, directory)
        notes = [*notes, *_finished_note(algorithm_class, config, directory)]
        run = dataclasses.replace(run, as_published=saved["as_published"], resume=begun)
    else:
        config = fresh_config(algorithm_class, explicit, run)
        run = dataclasses.replace(run, resume=False)
    return Prepared(
        algorithm_class.name, config, run, directory, notes, saved, explicit, frozenset(vars(namespace)), tuple(words)
    )


def _check_flags(run):
    if run.resume and run.overwrite:
        raise UserError("--resume and --overwrite exclude each other: continue the run, or delete it")
    if run.config and (run.resume or run.as_published):
        other = "--resume" if run.resume else "--as-published"
        raise UserError(f"--config and {other} exclude each other: both say which settings the run has")


def _check_as_published(run, saved, directory):
    if run.as_published and not saved["as_published"]:
        raise UserError(
            f"{directory.results} was not begun with --as-published: a resumed run keeps its settings; leave the "
            "flag out, or start another run with --name"
        )


def _finished_note(algorithm_class, config, directory):
    """What is said of a run that has nothing left to resume."""
    if not directory.weights.exists() or len(metrics.read_epochs(directory.metrics)) < config.epochs:
        return []
    more = "" if algorithm_class.spread_over_epochs(config) else "; a larger --epochs trains it further"
    return [f"{directory.name} is finished, its {config.epochs} epochs are trained{more}"]


def _look(out, run, algorithm_class):
    """Resolve the run's name and its saved config: (name, notes for the user, config.json to resume, has begun)."""
    directory, notes = _choose_directory(out, run, algorithm_class.name)
    saved = record.read(directory) if run.resume and directory.config.exists() else None
    if saved:
        _check_resumable(directory, saved, algorithm_class)
    return directory.name, notes, saved, directory.checkpoint.exists()


def _data_dir(run):
    """The data folder: by default below ROOT, as the outputs are."""
    return ROOT / run.data_dir if run.data_dir == Run.data_dir else pathlib.Path(run.data_dir)


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
    free = _next_free(out, name)
    return free, [_numbered_note(directory, free)]


def _next_free(out, name):
    """The directory NAME-2, NAME-3, …: the first that neither holds a run nor is being written."""
    number = 2
    while (directory := RunDirectory(out, f"{name}-{number}")).config.exists() or directory.writer():
        number += 1
    return directory


def _numbered_note(taken, free):
    return (
        f"{taken.results} already holds a run, so this one is named {free.name} "
        "(--resume continues the first, --overwrite replaces it)"
    )


def _check_resumable(directory, saved, algorithm_class):
    if saved["class"] != algorithm_class.__name__:
        raise UserError(f"{directory.results} holds a run of {saved['class']}, not of {algorithm_class.__name__}")
    if directory.weights.exists() and not directory.checkpoint.exists():
        raise UserError(
            f"{directory.results} holds a finished run without its checkpoint, there is nothing to resume; "
            "replace it with --overwrite, or choose another --name"
        )


def fresh_config(algorithm_class, explicit: dict[str, typing.Any], run: Run) -> Training:
    """The settings of a new run.

    From the weakest on: the defaults, the data set's preset, the published recipe, those of --config, the flags given.
    """
    cls = algorithm_class.Config
    if run.config:
        return dataclasses.replace(_config_from(algorithm_class, pathlib.Path(run.config).expanduser()), **explicit)
    data = explicit.get("data", cls.data)
    values = dict(algorithm_class.presets.get(preset_name(data), {}))
    if run.as_published:
        values.update({name: value for name, (value, _) in algorithm_class.published_for(preset_name(data)).items()})
    return cls(**{**values, **explicit})


def _config_from(algorithm_class, path):
    """The settings of the config.json at `path`, its data set as it was asked for."""
    try:
        saved = record.read_file(path)
    except FileNotFoundError:
        raise UserError(f"--config {path}: there is no such file; give the config.json of an earlier run") from None
    if saved["class"] != algorithm_class.__name__:
        raise UserError(f"--config {path} is of a run of {saved['class']}, not of {algorithm_class.__name__}")
    config = from_json(algorithm_class.Config, saved["config"], path)
    return dataclasses.replace(config, data=saved["data"].get("requested", config.data))


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
    """A run that is ready to start; `model` is also its default name."""

    model: str
    config: Training
    run: Run
    directory: RunDirectory
    notes: list[str]
    saved: dict | None
    explicit: dict
    given: frozenset[str]  # the flags of the command line
    words: tuple[str, ...]  # the command line

    def announce(self, algorithm, dataset):
        """Echo what will run: the resolved settings, the data, and what differs from the source document."""
        from jgen.platform import runtime

        for note in self.notes:
            print(note)
        shown = "  ".join(
            f"{name} {value}" for name, value in to_json(algorithm.config).items() if value not in ("", None)
        )
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
        if self.run.as_published or self.run.config:
            return config
        return small_data.fitted(config, len(dataset.x_train), set(self.explicit))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the run's directory, in the first process.

        A run without --name takes the next number where another process has taken its directory since it was chosen;
        one with --name raises UserError.
        """
        with contextlib.ExitStack() as stack:
            name = distributed.broadcast(lambda: self._take_lock(stack))
            if not distributed.is_first():
                self.directory = RunDirectory(self.directory.out, name)
            yield

    def _take_lock(self, stack):
        """Enter the lock on the stack; the name of the directory that it protects."""
        may_be_numbered = not (self.run.name or self.saved or self.run.overwrite)
        while True:
            lock = self.directory.lock()
            try:
                lock.__enter__()
            except UserError:
                if not (may_be_numbered and self.directory.writer()):
                    raise
            else:
                if self.saved or self.run.overwrite or not self.directory.config.exists():
                    stack.push(lock)
                    return self.directory.name
                lock.__exit__(None, None, None)
                if not may_be_numbered:
                    raise UserError(
                        f"{self.directory.results} has just got a run from another process: continue it with "
                        "--resume, or choose another --name"
                    )
            free = _next_free(self.directory.out, self.model)
            self.notes.append(_numbered_note(self.directory, free))
            self.directory = free

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

    def write_config(self, algorithm, dataset) -> None:
        """Delete what an earlier run of this name left, and save everything that is needed to repeat this one.

        A resumed run keeps its record; its number of epochs may grow, and its data may move.
        """
        if self.saved:
            config, data = to_json(algorithm.config), self.saved["data"]
            if config != self.saved["config"]:
                if dataset.name != data.get("name"):
                    data = {**data, "name": dataset.name, "requested": self.config.data}
                resumed = [*self.saved.get("resumed", []), self._command(algorithm)]
                record.write(self.directory, {**self.saved, "config": config, "data": data, "resumed": resumed})
            return
        self.directory.clear()
        data = {**dataset.source, "name": dataset.name, "classes": list(dataset.classes), "requested": self.config.data}
        values = {
            "model": type(algorithm).__module__.rsplit(".", 1)[-1],
            "class": type(algorithm).__name__,
            "config": to_json(algorithm.config),
            "as_published": self.run.as_published,
            "image_shape": list(dataset.image_shape),
            "n_classes": dataset.n_classes,
            "data": data,
            "command": self._command(algorithm),
            **record.provenance(),
        }
        record.write(self.directory, values)

    def _command(self, algorithm):
        return shlex.join([*distributed.command_prefix(), *_program(algorithm.name, "python"), *self.words])

    def resume_command(self, script):
        """The command that continues this run."""
        python = ".venv/bin/python" if "/.venv/" in sys.executable else "python"  # as one types it at the root
        words = [*distributed.command_prefix(), *_program(script, python)]
        words += ["--name", self.directory.name, "--resume"]
        for name in ("out", "data_dir", "device", "save_every", "keep_every"):
            if name in self.given:
                words += ["--" + name.replace("_", "-"), str(getattr(self.run, name))]
        return shlex.join(words + ["--tensorboard"] * self.run.tensorboard)


def _program(model, python):
    """The words that start the training of a model: its script in a checkout, else the installed command."""
    return [python, f"src/{model}.py"] if IN_CHECKOUT else ["jgen", "train", model]
