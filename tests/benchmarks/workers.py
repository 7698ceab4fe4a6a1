"""The commands that start the workers: who -> [interpreter, script, variant …]; the job's folder follows the script."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
PEERS_PYTHON = HERE.parents[1] / ".venv-benchmark/bin/python"

_TORCH, _JAX = HERE / "peers/torch_worker.py", HERE / "peers/jax_worker.py"
COMMANDS = {
    "ours": [sys.executable, HERE / "ours.py"],
    "torch-eager": [PEERS_PYTHON, _TORCH, "eager"],
    "torch-fused": [PEERS_PYTHON, _TORCH, "fused"],
    "torch-compile": [PEERS_PYTHON, _TORCH, "compile"],
    "jax-jit": [PEERS_PYTHON, _JAX],
}
