"""A run that is ready to start: what it prints first, its lock, its data and its config.json."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import sys
from collections.abc import Iterator

from jgen.config import Run, Training, flag, to_json
from jgen.errors import UserError
from jgen.platform.files import IN_CHECKOUT
from jgen.runs import record
from jgen.runs.directory import RunDirectory
from jgen.runs.settings import fitted_to_few, fresh_config, preset_name, warning_of_few
from jgen.training import distributed


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
        few = warning_of_few(algorithm.config, len(dataset.x_train), len(dataset.x_test))
        for note in [*few, *algorithm.notes()]:
            print(note)

    def _announce_processes(self, algorithm):
        print(
            f"{distributed.world_size()} processes share each minibatch of {algorithm.config.batch_size}; if one dies, "
            f"mpirun ends all. Go on then with: {self.resume_command()}"
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
        config = dataclasses.replace(self.config, data=dataset.name)
        if self.saved:
            return config
        if dataset.name != self.config.data:
            config = fresh_config(algorithm_class, {**self.explicit, "data": dataset.name}, self.run)
        if self.run.as_published or self.run.config:
            return config
        return fitted_to_few(config, len(dataset.x_train), set(self.explicit))

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
            try:
                stack.enter_context(self.directory.lock())
            except UserError:
                if not (may_be_numbered and self.directory.writer()):
                    raise
            else:
                if self.saved or self.run.overwrite or not self.directory.config.exists():
                    return self.directory.name
                stack.close()
                if not may_be_numbered:
                    raise UserError(
                        f"{self.directory.results} has just got a run from another process: continue it with "
                        "--resume, or choose another --name"
                    )
            free = next_free(self.directory.out, self.model)
            self.notes.append(numbered_note(self.directory, free))
            self.directory = free

    def check_data(self, dataset):
        """A resumed run must find the images it was begun with; raises UserError."""
        if not self.saved:
            return
        recorded = self.saved["data"]
        if dataset.name != recorded.get("name"):
            dataset.require_same(recorded, self.directory.name)
        if difference := dataset.difference(recorded):
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
                resumed = [*self.saved.get("resumed", []), self._command()]
                record.write(self.directory, {**self.saved, "config": config, "data": data, "resumed": resumed})
            return
        self.directory.clear()
        values = {
            "model": type(algorithm).__module__.rsplit(".", 1)[-1],
            "class": type(algorithm).__name__,
            "config": to_json(algorithm.config),
            "as_published": self.run.as_published,
            "image_shape": list(dataset.image_shape),
            "n_classes": dataset.n_classes,
            "data": {**dataset.record, "requested": self.config.data},
            "command": self._command(),
            **record.provenance(),
        }
        record.write(self.directory, values)

    def _command(self):
        return shlex.join([*distributed.command_prefix(), *_program(self.model, "python"), *self.words])

    def resume_command(self):
        """The command that continues this run."""
        python = ".venv/bin/python" if "/.venv/" in sys.executable else "python"  # as one types it at the root
        words = [*distributed.command_prefix(), *_program(self.model, python)]
        words += ["--name", self.directory.name, "--resume"]
        for name in ("out", "data_dir", "device", "save_every", "keep_every"):
            if name in self.given:
                words += [flag(name), str(getattr(self.run, name))]
        return shlex.join(words + ["--tensorboard"] * self.run.tensorboard)


def _program(model, python):
    """The words that start the training of a model: its script in a checkout, else the installed command."""
    return [python, f"src/{model}.py"] if IN_CHECKOUT else ["jgen", "train", model]


def next_free(out, name):
    """The directory NAME-2, NAME-3, …: the first that neither holds a run nor is being written."""
    number = 2
    while (directory := RunDirectory(out, f"{name}-{number}")).config.exists() or directory.writer():
        number += 1
    return directory


def numbered_note(taken, free):
    return (
        f"{taken.results} already holds a run, so this one is named {free.name} "
        "(--resume continues the first, --overwrite replaces it)"
    )
