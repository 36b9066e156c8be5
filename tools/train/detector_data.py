"""What the detector learns from: crops of photos with lettering and lattices on them, and rendered documents."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from PIL import Image, ImageFilter

from tools.train.detector_documents import document, matrix_code
from tools.train.detector_lattices import add_lattice
from tools.train.detector_photos import (
    CELL,
    FACE,
    IGNORED,
    LATTICE,
    PART,
    SIDE,
    TEXT,
    crop_at_face,
    crop_of,
    means,
    to_cells,
)  # fmt: skip
from tools.train.detector_text import sign, warp

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray
    from torch import Tensor

    from tools.train.detector_photos import Floats, Photo


OWN_LATTICES: Final = 0.08
"""Share of examples that are crops of photos which show lattices themselves."""

MANY_CELLS: Final = 60
"""Cells of lattices from which a photo is one of those."""

VISIBLE: Final = 14
"""Difference between the brightest and the darkest pixel of a cell, of 255, from which something is to be seen."""


def add_signs(rng: Generator, image: Image.Image, labels: Floats) -> Image.Image:
    """Write on a picture; labels of `TEXT` are changed in place, and what is hidden is no face any more."""
    covered: Floats = np.zeros((SIDE, SIDE), np.float32)
    hidden: Floats = covered.copy()
    for _ in range(int(rng.integers(1, 6))):
        if rng.random() < 0.07:
            canvas = matrix_code(rng)
            layer, mask = canvas.image.convert("RGBA"), canvas.mask
        else:
            y, x = (int(v) for v in rng.integers(0, SIDE - 40, 2))
            mean = np.asarray(image.crop((x, y, x + 40, y + 40)), np.float32).mean((0, 1))
            layer, mask = sign(rng, (int(mean[0]), int(mean[1]), int(mean[2])), 64 if rng.random() < 0.5 else 30)
        if rng.random() < 0.3:
            layer = layer.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.0)))
        layer, mask = warp(rng, (layer, mask), SIDE)
        alpha = np.asarray(layer.getchannel("A"), np.float32) / np.float32(255)
        marks = np.asarray(mask, np.float32) / np.float32(255)
        covered = np.where(alpha < 0.5, covered, np.float32(0))
        covered = np.maximum(covered, marks)
        hidden = np.maximum(hidden, np.maximum(alpha, marks))
        image.paste(layer.convert("RGB"), (0, 0), layer.getchannel("A"))
    text = to_cells(means(covered), PART[TEXT])
    labels[TEXT] = np.where(text != 0, text, labels[TEXT])
    for other in (FACE, LATTICE):
        labels[other][(means(hidden) > 0.1) & (labels[other] != 0)] = IGNORED
    return image


def spoil(rng: Generator, image: Image.Image, sharp: bool) -> NDArray[np.uint8]:
    """Change colours, sharpness and noise as cameras, scalers and other codecs do."""
    if rng.random() < (0.1 if sharp else 0.25):
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.9)))
    if rng.random() < 0.3:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=int(rng.integers(55, 97)))
        image = Image.open(buffer)
    pixels: NDArray[Any] = np.asarray(image, np.float32)
    if rng.random() < 0.12:
        pixels = np.repeat(pixels.mean(2, keepdims=True), 3, 2)
    if rng.random() < 0.5:
        gain = rng.uniform(0.6, 1.25) * rng.uniform(0.9, 1.1, 3).astype(np.float32)
        pixels = (pixels - 128) * gain + 128 + rng.normal(0, 12)
    if rng.random() < 0.25:
        pixels = pixels + rng.normal(0, rng.uniform(0.5, 9 if rng.random() < 0.8 else 40), pixels.shape)
    if rng.random() < 0.04:
        pixels = 255 - pixels
    result: NDArray[np.uint8] = np.clip(pixels, 0, 255).astype(np.uint8)
    return result


def ignore_invisible(image: Image.Image, labels: Floats) -> None:
    """Cells of lettering and lattices in which nothing is to be seen are `IGNORED`, in place."""
    luma = np.asarray(image.convert("L"), np.int16)
    rows, columns = labels.shape[1:]
    cells = luma.reshape(rows, CELL, columns, CELL)
    flat = cells.max((1, 3)) - cells.min((1, 3)) < VISIBLE
    for number in (TEXT, LATTICE):
        labels[number][flat & (labels[number] > 0)] = IGNORED


def example(
    rng: Generator, photos: list[Photo], with_faces: list[Photo], with_lattices: list[Photo]
) -> tuple[NDArray[np.uint8], Floats]:
    """A picture (SIDE, SIDE, 3) and its labels (3, SIDE / CELL, SIDE / CELL)."""
    kind = rng.random()
    if kind < 0.22:
        canvas = document(rng, SIDE)
        labels = np.zeros((3, SIDE // CELL, SIDE // CELL), np.float32)
        labels[TEXT] = to_cells(means(np.asarray(canvas.mask, np.float32) / np.float32(255)), PART[TEXT])
        labels[LATTICE][labels[TEXT] != 0] = IGNORED
        ignore_invisible(canvas.image, labels)
        return spoil(rng, canvas.image, True), labels
    at_face = kind < 0.54
    if at_face:
        image, labels = crop_at_face(rng, with_faces[int(rng.integers(len(with_faces)))], photos, with_faces)
    else:
        choices = with_lattices if with_lattices and kind > 1 - OWN_LATTICES else photos
        image, labels = crop_of(rng, choices[int(rng.integers(len(choices)))])
    if rng.random() < (0.12 if at_face else 0.4):
        pixels, cover = add_lattice(rng, np.asarray(image))
        image = Image.fromarray(pixels)
        lattice = to_cells(means(cover), PART[LATTICE])
        labels[LATTICE] = np.where(lattice != 0, lattice, labels[LATTICE])
        for other in (TEXT, FACE):
            labels[other][(lattice != 0) & (labels[other] != 0)] = IGNORED
    if rng.random() < (0.3 if at_face else 0.55):
        image = add_signs(rng, image, labels)
    ignore_invisible(image, labels)
    return spoil(rng, image, False), labels


class Pool:
    """The newest examples. Each step replaces some of them, and draws its batch from all: rendering is what takes time.

    Example ``i`` depends on the seed and on ``i`` alone, so that a resumed run has the same pool.
    """

    def __init__(self, photos: list[Photo], seed: int, size: int) -> None:
        self.photos, self.seed, self.size = photos, seed, size
        self.with_faces = [p for p in photos if any(box[4] for box in p.faces)]
        self.with_lattices = [p for p in photos if p.cells is not None and (p.cells[LATTICE] > 0).sum() >= MANY_CELLS]
        self._examples: dict[int, tuple[NDArray[np.uint8], Floats]] = {}

    def batch(self, step: int, count: int, fresh: int) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, SIDE, SIDE) of values in 0 .. 255, and labels (B, 3, SIDE / CELL, SIDE / CELL).

        Args:
            step: number of the step.
            count: B.
            fresh: number of new examples for each step.
        """
        end = self.size + step * fresh
        for number in range(max(end - self.size, max(self._examples, default=-1) + 1), end):
            rng = np.random.default_rng((self.seed, number))
            self._examples[number] = example(rng, self.photos, self.with_faces, self.with_lattices)
        for number in [n for n in self._examples if n < end - self.size]:
            del self._examples[number]
        rng = np.random.default_rng((self.seed, 1 << 40, step))
        chosen = [self._examples[int(n)] for n in rng.integers(end - self.size, end, count)]
        pictures = np.stack([picture[:, ::-1] if i % 2 else picture for i, (picture, _) in enumerate(chosen)])
        labels = np.stack([label[:, :, ::-1] if i % 2 else label for i, (_, label) in enumerate(chosen)])
        return torch.from_numpy(pictures).permute(0, 3, 1, 2).float(), torch.from_numpy(labels)
