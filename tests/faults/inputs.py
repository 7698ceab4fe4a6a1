"""Faults of what is read: data cut short or replaced while training, NaN in a state, a learning rate that diverges."""

import os
import random
import shutil
import time

import numpy as np
from harness import DATA, ROOT, Outcome, complaint, content, finish, last_line, remove, wait_for

from conftest import make_folder
from jgen.runs import checkpoint
from jgen.runs.directory import RunDirectory


def images_changed(place):
    """The image files are emptied or replaced in mid-run: what is decoded counts, but a resume refuses other images."""
    outcome = Outcome("image files emptied or replaced while training, and before a resume")
    for script in place.some:
        expected, training, _ = place.undisturbed(script)
        for how in ("emptied", "replaced"):
            out, data = place.new(), make_folder(place.folder / f"{script} {how}", *DATA)
            with place.started(script, out, data=data) as process:
                wait_for(RunDirectory(out, "run").config, process)
                time.sleep(training / 4)
                for path in data.rglob("*.png"):
                    path.write_bytes(b"" if how == "emptied" else path.with_name("0.png").read_bytes())
                printed, errors = process.communicate(timeout=600)
            found = {name: value for name, value in content(out).items() if name != "checkpoint.json"}
            damage = ", ".join(n for n in found if found[n] != expected[n] and not n.startswith("checkpoint"))
            outcome.add(complaint(process.returncode, printed, errors, (0,)) or damage, lost=damage)
            again = place.finish(script, out, "--resume", "--epochs", 20, data=data)
            damage = ", ".join(n for n in found if content(out).get(n) != found[n])
            problem = complaint(again.returncode, again.stdout, again.stderr)
            outcome.add(problem or damage, place.shown(last_line("", again.stderr)), lost=damage)
            remove(out)
    return outcome


def cache_cut_short(place):
    """The memory map that training reads is truncated: to touch a page beyond its end is SIGBUS."""
    outcome, moments = Outcome("memory-mapped data file truncated while training"), random.Random(place.options.seed)
    for trial in range(2 * place.options.each):
        script = place.every[trial % len(place.every)]
        out, (_, training, _) = place.new(), place.undisturbed(script)
        with place.started(script, out) as process:
            wait_for(RunDirectory(out, "run").config, process)
            time.sleep(moments.uniform(0, 0.5) * training)
            for path in RunDirectory(out, "run").cache.glob("*.npy"):
                os.truncate(path, 0)
            printed, errors = process.communicate(timeout=600)
        problem = complaint(process.returncode, printed, errors, (0, 2))
        damage = place.recovered(script, out)
        outcome.add(problem or damage, place.shown(last_line("", errors)), lost=damage)
        remove(out)
    return outcome


def not_a_number(place):
    """NaN in the weights that a stranger sends, and in a checkpoint: 8-bit images cannot hold one."""
    outcome = Outcome("NaN in weights and in a checkpoint")
    for script in place.some:
        place.undisturbed(script)
        out = place.new()
        shutil.copytree(place.folder / f"{script} measured", out)
        directory = RunDirectory(out, "run")
        tensors, metadata = checkpoint.load(directory.checkpoint)
        name = next(name for name, tensor in tensors.items() if tensor.dtype == np.float32)
        spoilt = {**tensors, name: np.full_like(tensors[name], np.nan)}
        checkpoint.save(directory.checkpoint, spoilt, metadata)
        before = directory.checkpoint.read_bytes()
        process = place.finish(script, out, "--resume", "--epochs", 20)
        problem = complaint(process.returncode, process.stdout, process.stderr)
        damage = "" if directory.checkpoint.read_bytes() == before else f"{script}: the checkpoint was replaced"
        outcome.add(problem or damage, place.shown(last_line("", process.stderr)), lost=damage)
        weights = checkpoint.load_weights(directory.weights)
        checkpoint.save_weights(directory.weights, {n: np.full_like(w, np.nan) for n, w in weights.items()})
        process = finish([*place.command(script, out)[:1], str(ROOT / "src/sample.py"), "run", "--out", out, "-n", "4"])
        outcome.add(complaint(process.returncode, process.stdout, process.stderr))
    return outcome


def divergence(place):
    """A learning rate far too large: stopped, with the step, the term and the last good checkpoint named."""
    outcome = Outcome("a learning rate that diverges")
    for script in place.every:
        place.undisturbed(script)
        out = place.new()
        process = place.finish(script, out, "--lr", "1e20")
        path = RunDirectory(out, "run").checkpoint
        problem = complaint(process.returncode, process.stdout, process.stderr, (0, 2))
        if process.returncode == 2:
            unsaid = [w for w in ("training diverged", "step", "Last good state") if w not in process.stderr]
            problem = problem or (f"{script} does not say {', '.join(unsaid)}" if unsaid else "")
            outcome.message = place.shown(last_line("", process.stderr))
        good = not path.exists() or all(np.isfinite(t).all() for t in checkpoint.load(path)[0].values())
        outcome.add(problem or ("" if good else f"{script}: a checkpoint that is not finite"), lost=not good)
        remove(out)
    return outcome
