"""How the package grows: images a second and peak memory against batch size, data-set size and image size.

    results/scaling.json    {machine, threads, axes: {AXIS: {label, unit, series: {MODEL: {
        points   [{x, images_per_s, step_ms, peak_mb}], peak_mb the largest resident size of a process of its own
        fit      of a step: {fixed_ms, per_unit_us: step_ms = fixed_ms + per_unit_us x / 1000, largest_deviation};
                 x counts images of the batch, or pixels of an image; not for the size of the data set
    }}}}}
    results/scaling.png     the same as a picture

The points of a series have a process each and are measured in turn, so that what another program does for a while falls
on one block of each and not on one point. Images are generated; up to a million of them lie in a memory map, as decoded
image folders do.
"""

import contextlib
import dataclasses
import datetime
import statistics
import sys
import tempfile
from pipes import Worker, WorkerError

import numpy as np
from cases import CASES, CHECKED_STEPS, Job, generated_images
from workers import COMMANDS, command

from jgen.config import to_json
from jgen.errors import UserError
from jgen.pictures import figures
from jgen.platform.files import atomic_write, write_json

BLOCK_SECONDS = 1.5  # long against the permutation of a million images, which opens a block as it opens an epoch
ROUNDS = 5


@dataclasses.dataclass(frozen=True)
class Axis:
    label: str
    unit: str  # what a step's time is proportional to
    values: tuple[int, ...]
    cases: tuple[str, ...]


AXES = {
    "batch_size": Axis("images of a batch", "image", (32, 64, 128, 256, 512, 1024), ("vae", "cvae-conv")),
    "n_images": Axis("images of the data set", "image", (5_000, 60_000, 250_000, 1_000_000), ("vae",)),
    "image_size": Axis("height and width of an image", "pixel", (28, 48, 64, 96, 128), ("conv-vae",)),
}


def measure(options, environment, folder, machine):
    """Measure every axis; write scaling.json and scaling.png below `folder`."""
    axes = {}
    for name, axis in AXES.items():
        axes[name] = {"label": axis.label, "unit": axis.unit, "series": {}}
        values = axis.values[:2] if options.quick else axis.values
        for series in axis.cases:
            print(f"{series} against {axis.label}", flush=True)
            points = measure_series(series, name, values, options, environment)
            axes[name]["series"][series] = {"points": points, "fit": fit(name, points)}
    report = {"machine": machine, "date": datetime.date.today().isoformat(), "threads": options.threads, "axes": axes}
    print_table(report)
    write_json(folder / "scaling.json", report)
    draw(report, folder / "scaling.png")
    print(f"written: {folder / 'scaling.json'}, {folder / 'scaling.png'}")


def measure_series(series, axis, values, options, environment):
    """[{x, images_per_s, step_ms, peak_mb}] of one case, whose `axis` takes these values."""
    with contextlib.ExitStack() as open_points:
        points = []
        for x in values:
            points.append(open_points.enter_context(point(series, {axis: x}, options, environment)))
            print(f"  {x:,}: {points[-1].steps} steps a block", flush=True)
        seconds = [[each.block(1 + r) for each in points] for r in range(1 if options.quick else ROUNDS)]
        peaks = [each.worker.peak_megabytes() for each in points]
    found = []
    for x, each, times, peak in zip(values, points, zip(*seconds), peaks):
        step = statistics.median(times) / each.steps
        speed = round(each.job.config["batch_size"] / step, 1)
        found.append({"x": x, "images_per_s": speed, "step_ms": round(1000 * step, 4), "peak_mb": peak})
    return found


@dataclasses.dataclass(frozen=True)
class Point:
    """A process that has compiled, and the steps of its blocks."""

    what: str
    worker: Worker
    job: Job
    steps: int

    def block(self, number):
        """Seconds of one block. Raises UserError."""
        try:
            return self.worker.ask("steps", block=number, count=self.steps)["seconds"]
        except WorkerError as error:
            raise UserError(f"{self.what}: {error}") from None


@contextlib.contextmanager
def point(series, changed, options, environment):
    """The Point of one case with one thing changed."""
    case = CASES[series]
    config = to_json(case.config(**{k: v for k, v in changed.items() if k == "batch_size"}))
    n_images = changed.get("n_images", 4096 if case.generated else 60_000)
    size = changed.get("image_size", 28)
    shape = (case.generated[0] if case.generated else 1, size, size)
    with tempfile.TemporaryDirectory() as folder:
        job = Job(series, config, shape, n_images, 10, 0, folder, memory_map="n_images" in changed)
        write_images(job)
        job.write()
        with Worker("ours", command(COMMANDS["ours"], folder), environment) as worker:
            once = Point(f"{series} with {changed}", worker, job, min(CHECKED_STEPS, job.steps_per_epoch))
            once.block(0)  # compiles
            needed = 0 if options.quick else round(BLOCK_SECONDS / once.block(0) * once.steps)
            yield dataclasses.replace(once, steps=min(job.steps_per_epoch, max(once.steps, needed)))


def write_images(job):
    """The job's images, in blocks, so that this process stays small."""
    images, _ = generated_images(job.image_shape, min(4096, job.n_images))
    shape = (job.n_images, *job.image_shape)
    stored = np.lib.format.open_memmap(job.file("images.npy"), "w+", np.uint8, shape)
    for start in range(0, job.n_images, len(images)):
        stored[start : start + len(images)] = images[: job.n_images - start]
    stored.flush()
    np.save(job.file("labels.npy"), np.arange(job.n_images) % 10)


def fit(axis, points):
    """A straight line through the times of a step, weighted so that every point counts by its relative deviation."""
    if axis == "n_images":
        return None
    power = 2 if axis == "image_size" else 1
    x = np.array([point["x"] ** power for point in points], float)
    times = np.array([point["step_ms"] for point in points])
    slope, fixed = np.polyfit(x, times, 1, w=1 / times)
    deviation = np.abs((fixed + slope * x) / times - 1).max()
    return {
        "fixed_ms": round(float(fixed), 4),
        "per_unit_us": round(1000 * float(slope), 5),
        "largest_deviation": round(float(deviation), 4),
    }


def print_table(report):
    for axis in report["axes"].values():
        for case, found in axis["series"].items():
            print(f"\n{case} against {axis['label']}")
            print(f"{'x':>10}{'images/s':>12}{'step ms':>12}{'peak MB':>10}")
            for p in found["points"]:
                print(f"{p['x']:>10}{p['images_per_s']:>12.0f}{p['step_ms']:>12.2f}{p['peak_mb']:>10.0f}")
            if found["fit"]:
                line = found["fit"]
                print(
                    f"a step takes {line['fixed_ms']:.2f} ms and {line['per_unit_us']:.3f} us for each {axis['unit']}, "
                    f"within {line['largest_deviation']:.0%}"
                )


def draw(report, path):
    """A column for each axis, with images/s above and memory below; dotted, the fitted straight line of step times."""
    figure = figures.figure(figsize=(13, 7), layout="constrained")
    panels = figure.subplots(2, len(AXES))
    for column, (name, axis) in enumerate(report["axes"].items()):
        for case, found in axis["series"].items():
            x = [p["x"] for p in found["points"]]
            speed = [p["images_per_s"] for p in found["points"]]
            panels[0, column].plot(x, speed, "o-", label=case)
            panels[1, column].plot(x, [p["peak_mb"] for p in found["points"]], "o-", label=case)
            if found["fit"]:
                panels[0, column].plot(*line_of(name, found), ":", color="grey", label="fixed + linear")
        for row, what in enumerate(("images a second", "peak memory, MB")):
            axes = panels[row, column]
            axes.set(xscale="log", xlabel=axis["label"], ylabel=what, xticks=x, xticklabels=[f"{v:,}" for v in x])
            axes.set_ylim(0, 1.15 * axes.get_ylim()[1])
            axes.minorticks_off()
            axes.grid(alpha=0.3)
            axes.legend(fontsize=8)
    figure.suptitle(f"{report['threads']} cores of {report['machine']['cpu']}", fontsize=10)
    atomic_write(path, figures.png(figure, dpi=120))


def line_of(name, found):
    """Points (x, images/s) of the fitted straight line of step times."""
    points, line = found["points"], found["fit"]
    x = np.geomspace(points[0]["x"], points[-1]["x"], 50)
    unit = x**2 if name == "image_size" else x
    times = line["fixed_ms"] + line["per_unit_us"] * unit / 1000
    batch = x if name == "batch_size" else points[0]["images_per_s"] * points[0]["step_ms"] / 1000
    return x, 1000 * batch / times


if __name__ == "__main__":
    sys.exit("scaling.py is started by benchmark.py --scaling")
