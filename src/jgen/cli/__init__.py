"""Command lines: training scripts, tools for finished runs, exit codes and signals."""
