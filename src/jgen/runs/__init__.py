"""Runs: directory, set-up, config.json, checkpoint, metrics, finished runs."""
