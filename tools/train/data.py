"""Training photos: read once, kept in memory, and cut into crops.

A batch depends on the seed and the step alone, so that a run that was stopped and resumed sees the same batches as an
uninterrupted run.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from tools.train.text import write_on

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT_COPIES: Final = 400
"""How many photos with text on them `ResidentPhotos` prepares."""

SCALES: Final = (1.0, 1.0, 0.75, 0.5)
"""Sizes that photos are scaled to, equally likely: half of the crops are at full size."""

SIDE_MULTIPLE: Final = 16
"""Sides of `evaluation_crops` are multiples of this many pixels: two latent positions at factor 8."""

SUFFIXES: Final = {".webp", ".png", ".jpg", ".jpeg", ".avif", ".tif", ".tiff", ".bmp"}


@dataclass(frozen=True)
class Split:
    """Photos to train on, and photos held out for evaluation."""

    train: list[Path]
    held_out: list[Path]


def split_photos(folder: Path, held_out: int | list[str] = 60, exclude: tuple[str, ...] = ()) -> Split:
    """Sort the photos of ``folder`` by name and hold out some of them.

    Args:
        folder: searched recursively for picture files.
        held_out: file names of the photos that are never trained on; or how many, which are taken at even distances.
        exclude: photos whose file names start with one of these are left out, such as those in documentation and tests.

    Raises:
        SystemExit: fewer photos than ``held_out`` + 1, or one of these names is not among them.
    """
    paths = sorted(
        p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith(exclude or ("\0",))
    )
    if isinstance(held_out, list):
        if missing := set(held_out) - {path.name for path in paths}:
            raise SystemExit(f"{folder} lacks photos that are to be held out: {', '.join(sorted(missing))}")
        return Split([p for p in paths if p.name not in held_out], [p for p in paths if p.name in held_out])
    if len(paths) <= held_out:
        raise SystemExit(f"{folder} has {len(paths)} photos; at least {held_out + 1} are needed to hold {held_out} out")
    kept = {paths[(2 * i + 1) * len(paths) // (2 * held_out)] for i in range(held_out)}
    return Split([p for p in paths if p not in kept], sorted(kept))


def read(path: Path) -> Image.Image:
    """The decoded picture, RGB."""
    with Image.open(path) as image:
        return image.convert("RGB")


class Photos:
    """Photos in memory. The probability of a photo is proportional to its area, so that all pixels are equally likely.

    Args:
        paths: picture files.
        crop: side of the crops in pixels; photos with a shorter side are left out.
        progress: whether to show a progress bar.
        text: share of photos that text is drawn on.

    Raises:
        SystemExit: no photo is large enough.
    """

    def __init__(self, paths: list[Path], crop: int, progress: bool = True, text: float = 0.0) -> None:
        self.crop, self.text = crop, text
        self.images: list[Image.Image] = []
        with ThreadPoolExecutor() as threads:
            for image in tqdm(
                threads.map(read, paths), "reading photos", len(paths), disable=None if progress else True
            ):
                if min(image.size) >= crop:
                    self.images.append(image)
        if not self.images:
            raise SystemExit(f"none of {len(paths)} photos has a short side of {crop} pixels, the crop size")
        area = np.array([image.width * image.height for image in self.images], float)
        self.weights = area / area.sum()

    def batch(self, seed: int, step: int, photos: int, crops: int) -> Tensor:
        """Crops of random photos, half of them mirrored.

        Each photo is scaled by one of `SCALES` if it stays at least as large as the crop: scaling down removes
        compression artefacts, and gives sharper detail per pixel.

        Args:
            seed, step: seed of the random numbers.
            photos: how many photos.
            crops: how many crops of each.

        Returns:
            (photos * crops, 3, crop, crop) float in [0, 1]; crops of one photo are neighbours.
        """
        rng = np.random.default_rng((seed, step))
        out = []
        for chosen in rng.choice(len(self.images), photos, p=self.weights):
            scale = rng.choice(SCALES)
            photo, size = self._photo(chosen, rng)
            if min(size) * scale < self.crop:
                scale = 1.0
            side = int(self.crop / scale)
            for _ in range(crops):
                x, y = (int(rng.integers(length - side + 1)) for length in size)
                piece = self._cut(photo, x, y, side)
                out.append(piece.flip(2) if rng.random() < 0.5 else piece)
        return torch.stack(out).float() / 255

    def _photo(self, index: int, rng: np.random.Generator) -> tuple[Any, tuple[int, int]]:
        """A photo, maybe with text on it, in the form that `_cut` takes, and its width and height."""
        image = self.images[index]
        if self.text and rng.random() < self.text:
            image = write_on(image, rng)
        return image, image.size

    def _cut(self, photo: Any, x: int, y: int, side: int) -> Tensor:
        """A square of a photo, scaled to the size of the crops: (3, crop, crop), 0 to 255."""
        piece = photo.crop((x, y, x + side, y + side))
        if side != self.crop:
            piece = piece.resize((self.crop, self.crop), Image.Resampling.LANCZOS)
        return torch.from_numpy(np.asarray(piece).copy()).permute(2, 0, 1)


class ResidentPhotos(Photos):
    """`Photos` in the memory of a GPU, cut and scaled there.

    The crops are the same as those of `Photos`, except that scaling resamples differently, and that text is drawn
    beforehand, on copies of `TEXT_COPIES` photos.

    Args:
        paths, crop, progress, text: see `Photos`.
        device: the GPU, by torch's name of it.
    """

    def __init__(self, paths: list[Path], crop: int, device: str, progress: bool = True, text: float = 0.0) -> None:
        super().__init__(paths, crop, progress, text)
        self.planes = [_on(device, image) for image in self.images]
        rng = np.random.default_rng(len(self.images))
        chosen = rng.choice(len(self.images), TEXT_COPIES if text else 0, p=self.weights)
        self.written = [_on(device, write_on(self.images[each], rng)) for each in chosen]

    def _photo(self, index: int, rng: np.random.Generator) -> tuple[Any, tuple[int, int]]:
        plane = self.planes[index]
        if self.text and rng.random() < self.text:
            plane = self.written[int(rng.integers(len(self.written)))]
        return plane, (plane.shape[2], plane.shape[1])

    def _cut(self, photo: Any, x: int, y: int, side: int) -> Tensor:
        piece: Tensor = photo[:, y : y + side, x : x + side].float()
        if side != self.crop:
            piece = F.interpolate(piece[None], (self.crop, self.crop), mode="bicubic", antialias=True)[0].clamp(0, 255)
        return piece


def _on(device: str, image: Image.Image) -> Tensor:
    """A picture as (3, h, w) uint8 on the device."""
    return torch.from_numpy(np.asarray(image).copy()).to(device).permute(2, 0, 1).contiguous()


def evaluation_crops(paths: list[Path], crop: int) -> Iterator[Tensor]:
    """The centre of each photo, (1, 3, h, w) in [0, 1].

    Args:
        paths: the photos.
        crop: longest side in pixels; sides are rounded down to a multiple of `SIDE_MULTIPLE`.
    """
    for path in paths:
        pixels = np.asarray(read(path))
        h, w = (min(side, crop) // SIDE_MULTIPLE * SIDE_MULTIPLE for side in pixels.shape[:2])
        y, x = (pixels.shape[0] - h) // 2, (pixels.shape[1] - w) // 2
        yield torch.from_numpy(pixels[y : y + h, x : x + w].copy()).permute(2, 0, 1)[None].float() / 255
