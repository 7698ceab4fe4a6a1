"""Classic augmentation of uint8 images by hand-written moves, with Pillow.

affine   rotation by up to 15 degrees, scale by up to 10 %, shear by up to 0.15, shift by up to 7 % of a side
flip     mirrored left to right with probability 1/2
crop     a random part of at least 70 % of the area, resized to the whole
colour   brightness, contrast and saturation each changed by up to 30 %
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageEnhance

from jgen.data.images import image_of, pixels_of

ROTATION, SCALE, SHEAR, SHIFT = np.deg2rad(15), 0.1, 0.15, 0.07
SMALLEST_AREA = 0.7
COLOUR = 0.3


def moved(x: np.ndarray, moves: tuple[str, ...], generator: np.random.Generator) -> np.ndarray:
    """Every image of uint8 x [N, C, H, W] changed by each of `moves` in turn; x itself without moves."""
    if not moves:
        return x
    return np.stack([_changed(image, moves, generator) for image in x])


def _changed(pixels, moves, generator):
    image = image_of(pixels)
    for move in moves:
        image = MOVES[move](image, generator)
    return pixels_of(image)


def affine(image: Image.Image, generator: np.random.Generator) -> Image.Image:
    """Rotated, scaled, sheared and shifted about the centre; grey images get black borders, others mirrored ones."""
    angle, shear = generator.uniform(-ROTATION, ROTATION), generator.uniform(-SHEAR, SHEAR)
    scale = 1 + generator.uniform(-SCALE, SCALE)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = rotation @ np.array([[1, shear], [0, 1]]) / scale  # output coordinates -> input coordinates
    size = np.array(image.size)
    margin = np.zeros(2, int)
    if image.mode != "L":
        margin = size // 4
        pixels = np.asarray(image)
        image = Image.fromarray(np.pad(pixels, ((margin[1],) * 2, (margin[0],) * 2, (0, 0)), mode="symmetric"))
    centre = size / 2  # Pillow counts from the corner of the first pixel
    offset = centre + margin - matrix @ (centre + size * generator.uniform(-SHIFT, SHIFT, 2))
    coefficients = (*matrix[0], offset[0], *matrix[1], offset[1])
    return image.transform(tuple(map(int, size)), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)


def flip(image: Image.Image, generator: np.random.Generator) -> Image.Image:
    """Mirrored left to right with probability 1/2."""
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if generator.random() < 0.5 else image


def crop(image: Image.Image, generator: np.random.Generator) -> Image.Image:
    """A random part of the image, of the same proportions, resized to the whole."""
    side = np.sqrt(generator.uniform(SMALLEST_AREA, 1))
    left, top = generator.uniform(0, 1 - side, 2) * image.size
    box = (left, top, left + side * image.width, top + side * image.height)
    return image.resize(image.size, Image.Resampling.BILINEAR, box=box)


def colour(image: Image.Image, generator: np.random.Generator) -> Image.Image:
    """Brightness, contrast and, of a colour image, saturation, each by a random factor."""
    for enhancer in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhancer(image).enhance(generator.uniform(1 - COLOUR, 1 + COLOUR))
    return image


MOVES = {"affine": affine, "flip": flip, "crop": crop, "colour": colour}
