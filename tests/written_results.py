"""Small results, written by hand: what a run leaves, without the run."""

import json

import numpy as np
from PIL import Image


def write_run(out, name, settings=None, rows=(), evaluation=None, pictures=("samples", "recon"), finished=True):
    """results/NAME with the files that the report reads; evaluation: {section: {number: value}}."""
    folder = out / "results" / name
    folder.mkdir(parents=True)
    config = {
        "model": "vae",
        "class": "VAE",
        "config": {"epochs": len(rows), "batch_size": 64, "lr": 0.001, "seed": 0, **(settings or {})},
        "as_published": False,
        "image_shape": [1, 28, 28],
        "n_classes": 10,
        "data": {"name": "mnist", "train": 60000, "test": 10000, "split": "MNIST's own"},
        "command": f"python src/vae.py --name {name}",
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if finished:
        (folder / "weights.safetensors").write_bytes(b"")
    if evaluation:
        protocol = {"sha256": "0", "data": "mnist", "seed": 0, "seeds": 5, "images": 10000, "samples": 200}
        protocol["seconds"] = 1.5
        sections = {
            section: {
                "protocol": protocol,
                "numbers": {
                    key: {"values" if isinstance(value, dict) else "value": value} for key, value in numbers.items()
                },
            }
            for section, numbers in evaluation.items()
        }
        (folder / "evaluation.json").write_text(json.dumps(sections))
    for kind in pictures:
        pixels = np.random.default_rng(len(name)).integers(0, 255, (60, 60), np.uint8)
        Image.fromarray(pixels).save(folder / f"{kind}.png")
    return folder


def write_betas(out, values):
    """A run for each beta; values: {beta: (squared error, rate, active units, Fréchet distance)}."""
    from reproduction.reporting import beta_study

    for beta, (error, rate, active, distance) in values.items():
        evaluation = {
            "reconstruction": {"mse": error},
            "likelihood": {"rate": rate, "active_units": active},
            "distances": {"frechet_distance": distance},
            "labels": {"class_entropy": 2.1},
        }
        write_run(out, beta_study.name_of(beta), {"beta": beta}, [{"epoch": 1, "seconds": 2.0}], evaluation)
