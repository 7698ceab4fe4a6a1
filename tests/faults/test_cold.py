"""A few interrupts of cold runs, as `faults.py` makes many."""

import os
import pathlib
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.skipif("JGEN_COLD" not in os.environ, reason="compiles Jittor for every trial: set JGEN_COLD=1")
def test_interrupts_at_random_moments_of_cold_runs_end_well():
    program = pathlib.Path(__file__).with_name("faults.py")
    command = [sys.executable, str(program), "--fault", "cold_kernels", "--cold", "8", "--scripts", "ae"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3000, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
