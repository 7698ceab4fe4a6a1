# make setup | demo | test | test-all | lint | notebook | benchmark | mpi; `make` lists them. Everything is kept in .venv and re-used.
.DEFAULT_GOAL := help
PYTHON ?= $(firstword $(foreach v,3.11 3.12 3.10,$(shell command -v python$(v) 2>/dev/null)) python3)
BIN := .venv/bin
# A file's tests stay in one process. Each uses one thread, for there is a process for every core.
PYTEST := $(BIN)/python -m pytest -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder
.PHONY: help setup demo reproduce test test-all lint notebook benchmark mpi

help:
	@echo "make setup   create .venv, install requirements.txt, and let Jittor compile itself (3 minutes at first)"
	@echo "make demo    setup, then train a beta-VAE and make its film (4 minutes at first, then 1)"
	@echo "make reproduce  setup, then train and measure what results/ lacks (hours), and build report/"
	@echo "              (make reproduce ARGS=--quick: everything small, in minutes)"
	@echo "make test    setup, then run the quick tests (6 minutes at first, then 2)"
	@echo "make test-all  the same, then the slow ones (15 minutes): browser, MPI, notebooks,"
	@echo "              emulated CUDA, installation, every script, and further cases of the quick tests"
	@echo "make lint    setup, then ruff"
	@echo "make benchmark  setup, then measure every model against PyTorch and JAX in .venv-benchmark (20 minutes)"
	@echo "              (make benchmark ARGS=--start-up, --commands, --scaling, --rhvae: what else can be measured)"
	@echo "              (make benchmark ARGS=--mpi: one process against two under mpirun)"
	@echo "make mpi     check for what several processes need (mpirun, mpicc)"
	@echo "make notebook  setup, then execute report/g-vae.ipynb in place"

setup:
	@PYTHON="$(PYTHON)" sh .ci/setup

demo: setup
	@echo "demo: trains a beta-VAE and makes the film of it: about a minute"
	$(BIN)/python src/beta-vae.py -b 0.1

reproduce: setup
	$(BIN)/python src/report.py --run $(ARGS)

test: setup
	$(PYTEST) -m "not slow"

test-all: test
	$(PYTEST) -m slow

lint: setup
	$(BIN)/ruff check

notebook: setup
	$(BIN)/jupyter-execute --inplace report/g-vae.ipynb

benchmark: setup
	@PYTHON="$(PYTHON)" sh tests/benchmarks/setup
	$(BIN)/python tests/benchmarks/benchmark.py $(ARGS)

mpi:
	@for program in mpirun mpicc; do command -v $$program >/dev/null || { \
	  echo "make mpi: $$program is missing: sudo apt install libopenmpi-dev openmpi-bin" >&2; exit 2; }; done
	@echo "ready: mpirun -np 2 $(BIN)/python src/beta-vae.py"
