"""Ways to augment: who makes further images, and which images are moved by hand-written moves."""

from __future__ import annotations

import dataclasses

import numpy as np

from jgen.augmentation import generators
from jgen.augmentation.generators import Recipe
from jgen.augmentation.small_classifiers import Labelled

FEW, UNLABELLED, ALL_UNLABELLED = "few", "unlabelled", "all unlabelled"


@dataclasses.dataclass(frozen=True)
class Way:
    """source: FEW, a VAE of the labelled images; UNLABELLED or ALL_UNLABELLED, VAEs of unlabelled ones too; "", none.

    generator_moves: the VAEs, and the classifier that judges unlabelled images, are trained under moves.
    classifier_moves: so is the classifier that uses the images.
    """

    text: str
    source: str = ""
    generator_moves: bool = False
    classifier_moves: bool = False

    def made(
        self, real: Labelled, unlabelled: np.ndarray | None, recipe: Recipe, seed: int, per_class: int | None = None
    ) -> Labelled | None:
        """Images made in this way, `per_class` drawn ones of each class (default: the recipe's number) first.

        None where nobody makes any. The recipe's moves apply under `generator_moves`.
        """
        per_class = per_class or recipe.made_per_class
        if not self.generator_moves:
            recipe = dataclasses.replace(recipe, moves=())
        if self.source == FEW:
            return generators.made_of_few(real, recipe, seed, per_class)
        return generators.made_with_unlabelled(real, unlabelled, recipe, seed, per_class) if self.source else None
