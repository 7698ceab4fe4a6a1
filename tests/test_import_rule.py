"""Imports flow one way, Jittor starts in one place, nothing unpickles, and nothing central names a model."""

import ast
import functools
import graphlib
import pathlib
import re
import subprocess
import sys

import pytest

from covering import quick_first

SRC = pathlib.Path(__file__).resolve().parents[1] / "src"
PACKAGE = SRC / "jgen"
FILES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = sorted(SRC.glob("*.py"))
MODELS = sorted(path for path in (PACKAGE / "models").glob("*.py") if path.stem not in ("__init__", "latent_model"))

# From the bottom up: a module imports from its own line and from those above it. A room is split where it must be.
ORDER = [
    "errors", "random", "platform", "config",
    "training.progress", "data", "losses.combination", "losses.corruption",
    "kernels", "training.distributed", "losses.distributions", "losses.posterior", "networks", "losses",
    "training.schedules", "training.optim", "training.noise", "training.algorithm", "training.fake_buffer", "models",
    "runs.directory", "runs.metrics", "runs.quantised", "runs.checkpoint", "pictures", "runs", "training",
    "cli.processes", "cli.exits", "cli.tool", "evaluation.numbers", "judges", "augmentation.directions", "exploration",
    "augmentation", "evaluation", "cli", "api", "__main__",
]  # fmt: skip


@functools.cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def module_of(path):
    name = ".".join(("jgen", *path.relative_to(PACKAGE).with_suffix("").parts))
    return name.removesuffix(".__init__")


NAMES = {module_of(path) for path in FILES}


def imports(path):
    """Names of all modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            joined = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in NAMES else node.module for name in joined}
    return found


def level(module):
    """The position of a module of jgen in ORDER: that of its own entry, or of its room's."""
    name = module.removeprefix("jgen.")
    return ORDER.index(name if name in ORDER else name.split(".")[0])


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_a_module_imports_what_lies_below_it(path):
    module = module_of(path)
    if module == "jgen":
        return
    above = [used for used in imports(path) & NAMES - {"jgen"} if level(used) > level(module)]
    assert not above, f"{module} imports {sorted(above)}"


def test_the_library_does_not_know_of_the_reproduction():
    for path in FILES:
        assert not any(name.split(".")[0] == "reproduction" for name in imports(path)), path


def test_there_are_no_circles():
    graph = {module_of(path): imports(path) & NAMES - {module_of(path), "jgen"} for path in FILES}
    list(graphlib.TopologicalSorter(graph).static_order())


def test_models_do_not_import_each_other_and_nobody_imports_a_model_by_name():
    for path in FILES:
        if module_of(path) == "jgen.augmentation.generators":
            continue  # trains small VAEs of its own, as a script trains its model
        named = {module for module in imports(path) if module.startswith("jgen.models.")} - {"jgen.models.latent_model"}
        assert not named, f"{module_of(path)} imports {named}"


def test_a_script_is_a_doorbell():
    for path in SCRIPTS:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 12, path
        assert all(module in NAMES or module.startswith("reproduction") for module in imports(path)), path
        assert imports(path) & {"jgen.cli.training", "jgen.cli.tool"}, path


def test_every_model_has_its_script():
    used = {module for path in SCRIPTS for module in imports(path)}
    assert {f"jgen.models.{path.stem}" for path in MODELS} <= used


def test_jittor_is_imported_in_one_place():
    for path in [*FILES, *SCRIPTS]:
        if path != PACKAGE / "platform" / "runtime.py":
            assert not any(name.split(".")[0] == "jittor" for name in imports(path)), path


def test_one_module_knows_of_mpi():
    for path in [*FILES, *SCRIPTS]:
        names = {node.attr for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)}
        found = {name for name in names if re.search(r"(^|_)mpi(_|$)", name)}
        assert path.stem in ("distributed", "runtime") or not found, f"{path}: {found}"


def test_nothing_reads_or_writes_pickles():
    for path in [*FILES, *SCRIPTS]:
        assert not {name.split(".")[0] for name in imports(path)} & {"pickle", "dill", "shelve", "joblib"}, path
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Attribute) and node.attr in ("load", "save") and isinstance(node.value, ast.Name):
                assert node.value.id not in ("jt", "jittor", "torch"), f"{path}:{node.lineno}"
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant) and node.value.value is False, f"{path}:{node.lineno}"


def model_names():
    """The models' names in every spelling: file, class and command."""
    for path in MODELS:
        yield path.stem
        yield path.stem.replace("_", "-")
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef) and node.name != "Config":
                yield node.name


CENTRAL = [
    "training/trainer", "training/observers", "training/checkpoints", "training/examples", "training/algorithm",
    "training/job", "training/progress", "cli/training",
    "runs/setup", "runs/settings", "runs/prepared", "runs/record", "runs/outputs",
    "config",
    "runs/finished", "runs/sampling", "cli/sample", "cli/video", "cli/tool", "cli/main",
]  # fmt: skip


@pytest.mark.parametrize("name", CENTRAL)
def test_nothing_central_names_a_model(name):
    text = (PACKAGE / f"{name}.py").read_text(encoding="utf-8")
    help_example = "name of the run, such as beta-vae"  # the one example that a user sees
    text = text.replace(help_example, "")
    for model in model_names():
        assert not re.search(rf"(?<![\w-]){re.escape(model)}(?![\w-])", text), f"{name}.py names {model}"


@pytest.mark.parametrize("first", quick_first(["jgen.networks.activations", "jgen.networks", "jgen.models.vae"]))
def test_a_deferred_package_and_its_modules_are_executed_once(first):
    code = (
        f"import sys; sys.path.insert(0, sys.argv[1]); import {first}, jgen; jgen.networks.MLP; "
        "import jgen.networks.activations as found; from jgen.networks import layers; "
        "assert layers.activation_name is found.activation_name and jgen.networks is sys.modules['jgen.networks']"
    )
    subprocess.run([sys.executable, "-c", code, str(SRC)], check=True)
