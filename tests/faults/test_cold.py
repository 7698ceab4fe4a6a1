"""A few interrupts of cold runs, as `cold.py` makes many."""

import os
import pathlib
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.skipif("JGEN_COLD" not in os.environ, reason="compiles Jittor for every trial: set JGEN_COLD=1")
def test_interrupts_at_random_moments_of_cold_runs_end_well():
    program = pathlib.Path(__file__).with_name("cold.py")
    environment = {name: value for name, value in os.environ.items() if name != "cache_name"}
    command = [sys.executable, str(program), "--trials", "8", "--longest", "40"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=3000, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
