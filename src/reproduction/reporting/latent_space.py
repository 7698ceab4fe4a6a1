"""The section of the page that lets a reader move through the latent space of trained models."""

from __future__ import annotations

import dataclasses
import json

import numpy as np

from jgen import random
from jgen.evaluation import report
from jgen.runs import checkpoint, finished
from reproduction.reporting import decoders
from reproduction.reporting.blocks import Fragment
from reproduction.reporting.templates import asset

SHOWN = 8  # sliders that are visible at first, at most
SILENT = 0.01  # nats; a latent with a smaller KL carries nothing
REACH = 2.0  # standard deviations by which a latent is moved to rank it without an encoder
DRAWS = 256  # of the prior, to measure the error of eight-bit weights
START = 18  # seed of the two draws that the section opens with


@dataclasses.dataclass(frozen=True)
class Shown:
    """A model of the section; runs: those that can represent it, the preferred one first."""

    label: str
    runs: tuple[str, ...]
    about: str


MODELS = (
    Shown("VAE", ("vae",), "The variational autoencoder trained with the plain ELBO: every latent is in use."),
    Shown(
        "beta-VAE",
        ("beta-vae",),
        "The KL weighs more here: the model keeps few latents, and what they do not tell it draws as a blur.",
    ),
    Shown(
        "CVAE",
        ("cvae-mlp-beta-4", "cvae-mlp"),
        "The decoder is told the class, so the latents hold what is left: slant, width, stroke. Keep them, and change "
        "the class.",
    ),
    Shown(
        "WGAN",
        ("wgan-gp", "wgan"),
        "A generator that has only ever met a critic: sharper strokes, but no encoder, and no latent that stands out.",
    ),
)


def fragment(results):
    """The section, or None without any of its runs. Raises UserError if a run's files cannot be read."""
    models = [model for shown in MODELS if (model := _model(results, shown))]
    if not models:
        return None
    data = json.dumps(models, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    return Fragment(
        key="a-latent-space-to-touch",
        title="A latent space to touch",
        html=asset("latent_space.html").replace("{{data}}", data),
        css=asset("latent_space.css"),
        js=asset("decoders.js") + asset("latent_space.js"),
        markdown=_markdown(models),
    )


def _model(results, shown):
    """The first run of `shown` that has a decoder to show, as JSON for the page; or None."""
    for name in shown.runs:
        directory = results.directory(name)
        if directory.config.exists() and directory.weights.exists():
            saved, algorithm_class, config, _ = finished.settings(directory)
            if declared := algorithm_class.decoder_chain(config):
                chain = decoders.chain(declared, checkpoint.load_weights(directory.weights))
                return _described(shown, directory, saved, chain)
    return None


def _described(shown, directory, saved, chain):
    classes = saved["data"]["classes"] if chain.labels.size else []
    sizes = "-".join(map(str, [chain.layers[0].weight.shape[1], *(len(layer.weight) for layer in chain.layers)]))
    packed = chain.packed()
    error = _error(chain, decoders.unpacked(packed, len(classes)))
    draws = random.stream(START, random.PREVIEW).standard_normal((2, chain.latents))
    return {
        "name": directory.name,
        "label": shown.label,
        "about": shown.about,
        "sizes": sizes,
        "facts": f"Run {directory.name}, {sizes}, eight bits a weight: {_compared(error)}.",
        "shape": saved["image_shape"],
        "latents": chain.latents,
        "classes": [str(name) for name in classes],
        "start": {"pair": np.round(draws, 2).tolist(), "label": min(3, max(0, len(classes) - 1))},
        "error": error,
        **_ranking(directory, chain),
        **packed,
    }


def _ranking(directory, chain):
    """The order of the latents: by the encoder's KL, or else by the RMS change of the pixels from −REACH to REACH."""
    latents = chain.latents
    likelihood = report.read(directory).get("likelihood", {"numbers": {}})
    if kl := likelihood["numbers"].get("kl_per_dimension"):
        values, unit = np.asarray(kl["values"]), "nats"
        active = int((values >= SILENT).sum())
        heading = f"Latents by KL: {active} of {latents} carry at least {SILENT} nats"
        note = "" if active == latents else f"Below {SILENT} nats a latent carries nothing: its slider changes nothing."
    else:
        steps = REACH * np.eye(latents, dtype=np.float32)
        labels = np.zeros(latents, int)
        change = chain.decode(steps, labels) - chain.decode(-steps, labels)
        values, unit, active = np.sqrt((change**2).mean(1)), "RMS", latents
        heading = f"Latents by how much they move the pixels, from {-REACH:g} to {REACH:g}"
        note = "Without an encoder there is no KL: this is the order of the pixels' root mean square change."
    return {
        "values": np.round(values.astype(float), 5).tolist(),
        "order": np.argsort(-values, kind="stable").tolist(),
        "unit": unit,
        "shown": min(SHOWN, max(2, active), latents),
        "heading": heading,
        "note": note,
    }


def _error(chain, eight_bit):
    """The change of the pixels by eight-bit weights, in 255ths, over draws of the prior."""
    generator = random.stream(0, random.SAMPLES)
    z = generator.standard_normal((DRAWS, chain.latents), dtype=np.float32)
    y = generator.integers(0, max(1, len(chain.labels)), DRAWS)
    difference = 255 * np.abs(eight_bit.decode(z, y) - chain.decode(z, y))
    return {"mean": round(float(difference.mean()), 4), "largest": round(float(difference.max()), 4)}


def _compared(error):
    drawn = f"over {DRAWS} draws its pixels"
    if error["largest"] < 0.005:
        return f"{drawn} are those of weights.safetensors"
    average, most = error["mean"], error["largest"]
    return f"{drawn} differ from those of weights.safetensors by {average:.2f} of 255 on average, by {most:.1f} at most"


def _markdown(models):
    lines = [
        "On the page (`index.html`) these decoders run in the browser, from weights of eight bits: sliders for the",
        "latents, a map over two of them, draws and morphs. How far their pixels are from those of",
        f"weights.safetensors, in 255ths, over {DRAWS} draws of the prior:",
        "",
        "| model | run | decoder | mean difference | largest |",
        "| --- | --- | --- | --- | --- |",
    ]
    for model in models:
        named = f"| {model['label']} | `{model['name']}` | {model['sizes']} "
        lines.append(f"{named}| {model['error']['mean']:.2f} | {model['error']['largest']:.2f} |")
    return "\n".join(lines)
