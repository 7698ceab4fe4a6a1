"""What the captions of a run's grids and films say."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from jgen.pictures import captions, film
from jgen.training.algorithm import Algorithm


@dataclasses.dataclass(frozen=True)
class Wording:
    """The words of one run: its model's class and settings, and the names of its classes."""

    name: str
    algorithm: type[Algorithm]
    config: object
    image_shape: tuple[int, int, int]
    classes: list[str]

    def titles(self, rows: list[dict]) -> list[str]:
        """A title for each of the metrics' rows."""
        moving = functools.partial(self.algorithm.moving, self.config)
        return captions.epoch_titles(self.name, rows, self.config.epochs, moving)

    def names(self, kind: str) -> dict:
        """The names and the legend around grids of this kind, as `captions.captioned` takes them."""
        row_names, column_names = self.algorithm.grid_names(self.config, self.classes).get(kind, ((), ()))
        legend = self.algorithm.legend(self.config)
        return {"row_names": row_names, "column_names": column_names, "legend": legend}

    def picture(self, path, kind: str, row: dict) -> np.ndarray:
        """The grid of this kind in the file `path`, with the words of its epoch's metrics row."""
        pixels = film.read_frame(path)
        return captions.captioned(pixels, self.image_shape[1:], title=self.titles([row])[0], **self.names(kind))

    def of_film(self, rows: list[dict], kind: str):
        """The `caption` of `film.stitch` for a film of the grids of these rows."""
        return captions.film_captions(self.titles(rows), self.image_shape[1:], **self.names(kind))
