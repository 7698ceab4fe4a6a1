"""The source documents' experiments, as data: what was run under which name, and what the document reports of it."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Experiment:
    """The run `name`, made by `python src/COMMAND --name NAME` on full MNIST unless the command says otherwise.

    published: numbers that the document reports, such as {"loss": 0.2213}.
    """

    name: str
    command: str
    published: dict[str, float] = dataclasses.field(default_factory=dict)


BETA_VAE_AND_WGAN = (
    Experiment("beta-vae", "beta-vae.py -b 0.1"),
    Experiment("beta-vae-as-published", "beta-vae.py -b 0.1 --as-published"),
    Experiment("wgan", "wgan.py"),
)

# The second document prints one loss for each batch size; of the rates and the losses it describes the pictures.
CVAE = (
    Experiment("cvae-batch-32", "cvae.py --as-published --batch-size 32", {"loss": 0.2222}),
    Experiment("cvae-published", "cvae.py --as-published", {"loss": 0.2213}),
    Experiment("cvae-batch-128", "cvae.py --as-published --batch-size 128", {"loss": 0.2213}),
    Experiment("cvae-lr-1e-3", "cvae.py --as-published --lr 1e-3"),
    Experiment("cvae-lr-1e-5", "cvae.py --as-published --lr 1e-5"),
    Experiment("cvae-sum", "cvae.py --as-published --reduction sum"),
    Experiment("cvae-sum-0.9", "cvae.py --as-published --reduction sum --combine power --alpha 0.9"),
    Experiment("cvae-sum-0.8", "cvae.py --as-published --reduction sum --combine power --alpha 0.8"),
    Experiment("cvae-mean-6", "cvae.py --as-published --combine power --alpha 6"),
    Experiment("cvae-mlp-published", "cvae.py --as-published --net mlp"),
    Experiment("cvae", "cvae.py"),
    Experiment("cvae-mlp", "cvae.py --net mlp"),
    # A heavier KL brings the codes closer to the prior: what is drawn from it is more often the digit asked for.
    Experiment("cvae-beta-4", "cvae.py --beta-weight 4"),
    Experiment("cvae-mlp-beta-4", "cvae.py --net mlp --beta-weight 4"),
)

POKEMON = "--data data/pokemon/pokemon_jpg/pokemon_jpg --size 128"
FAMILY = (
    Experiment("vae", "vae.py"),
    Experiment("ae", "ae.py"),
    Experiment("dae", "ae.py --noise 0.5"),
    Experiment("pokemon", f"conv-vae.py {POKEMON} --batch-size 16 --epochs 150"),
    Experiment("pokemon-as-published", f"conv-vae.py {POKEMON} --as-published --batch-size 16 --epochs 80"),
)

ALL = (*BETA_VAE_AND_WGAN, *CVAE, *FAMILY)


def published(name):
    """The numbers that a source document reports of run `name`; {} where it reports none."""
    return next((experiment.published for experiment in ALL if experiment.name == name), {})
