"""The commands that start the workers: who -> [interpreter, script, variant …]; the job's folder follows the script."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
PEERS_PYTHON = HERE.parents[1] / ".venv-benchmark/bin/python"

_TORCH, _JAX = HERE / "peers/torch_worker.py", HERE / "peers/jax_worker.py"
COMMANDS = {
    "ours": [sys.executable, HERE / "ours.py", "cpu"],
    "torch-eager": [PEERS_PYTHON, _TORCH, "eager", "cpu"],
    "torch-fused": [PEERS_PYTHON, _TORCH, "fused", "cpu"],
    "torch-compile": [PEERS_PYTHON, _TORCH, "compile", "cpu"],
    "jax-jit": [PEERS_PYTHON, _JAX],
}
ON_CUDA = {
    "ours": [sys.executable, HERE / "ours.py", "cuda"],
    **{f"torch-{way}": [PEERS_PYTHON, _TORCH, way, "cuda"] for way in ("eager", "fused", "compile", "graphs")},
}
EVERY = {"cpu": COMMANDS, "cuda": ON_CUDA}


def command(words, folder):
    """A worker's command for the job in `folder`."""
    return [*words[:2], folder, *words[2:]]
