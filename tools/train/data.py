"""Training photos: read once, held in memory, and cut into crops that depend on the seed and the step alone.

Because nothing else decides a batch, a run that was stopped and resumed sees exactly the batches that an
uninterrupted run would have seen.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from text import write_on

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT_COPIES = 400
"""How many photos with text on them a GPU holds."""

SUFFIXES = {".webp", ".png", ".jpg", ".jpeg", ".avif", ".tif", ".tiff", ".bmp"}


@dataclass(frozen=True)
class Split:
    """Paths to train on and paths held out for choosing weights."""

    train: list[Path]
    held_out: list[Path]


def split_photos(folder: Path, held_out: int = 60, exclude: tuple[str, ...] = ()) -> Split:
    """Sort the photos of ``folder`` by name and hold out ``held_out`` of them at even distances.

    Args:
        folder: searched recursively for picture files.
        held_out: how many photos are never trained on.
        exclude: file name prefixes to leave out altogether (pictures that documentation or tests show).

    Raises:
        SystemExit: fewer photos than ``held_out`` + 1.
    """
    paths = sorted(
        p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith(exclude or ("\0",))
    )
    if len(paths) <= held_out:
        raise SystemExit(f"{folder} has {len(paths)} photos; at least {held_out + 1} are needed to hold {held_out} out")
    kept = {paths[(2 * i + 1) * len(paths) // (2 * held_out)] for i in range(held_out)}
    return Split([p for p in paths if p not in kept], sorted(kept))


def read(path: Path) -> Image.Image:
    """The picture in RGB, decoded."""
    with Image.open(path) as image:
        return image.convert("RGB")


class Photos:
    """Photos in memory, sampled by area: a large photo has more to teach than a thumbnail.

    Args:
        paths: picture files.
        crop: side of the crops; smaller photos are left out.
        progress: show a bar.
        text: the share of photos that get text written on them.
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
        """``photos`` x ``crops`` crops as float (B, 3, crop, crop) in [0, 1]; crops of one photo are neighbours in B.

        Each photo is scaled by 1, 3/4 or 1/2 where it stays larger than the crop: scaling down hides old
        compression and gives sharper detail per pixel.
        """
        rng = np.random.default_rng((seed, step))
        out = []
        for chosen in rng.choice(len(self.images), photos, p=self.weights):
            scale = rng.choice([1.0, 1.0, 0.75, 0.5])
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
        """A photo, perhaps with text on it, and its width and height."""
        image = self.images[index]
        if self.text and rng.random() < self.text:
            image = write_on(image, rng)
        return image, image.size

    def _cut(self, photo: Any, x: int, y: int, side: int) -> Tensor:
        """A square out of a photo, scaled to the size of the crops: (3, crop, crop), 0 to 255."""
        piece = photo.crop((x, y, x + side, y + side))
        if side != self.crop:
            piece = piece.resize((self.crop, self.crop), Image.Resampling.LANCZOS)
        return torch.from_numpy(np.asarray(piece).copy()).permute(2, 0, 1)


class ResidentPhotos(Photos):
    """The same for a GPU: photos lie in its memory and are cut and scaled there.

    But for text, and how what is scaled is resampled, the crops are the same. Text is written on copies of some photos
    beforehand, and those are chosen with ``text``'s share.
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
    return torch.from_numpy(np.asarray(image).copy()).to(device).permute(2, 0, 1).contiguous()


def evaluation_crops(paths: list[Path], crop: int) -> Iterator[Tensor]:
    """The centre of each photo, as large as fits up to ``crop``, sides a multiple of 16; one (1, 3, h, w) each."""
    for path in paths:
        pixels = np.asarray(read(path))
        h, w = (min(side, crop) // 16 * 16 for side in pixels.shape[:2])
        y, x = (pixels.shape[0] - h) // 2, (pixels.shape[1] - w) // 2
        yield torch.from_numpy(pixels[y : y + h, x : x + w].copy()).permute(2, 0, 1)[None].float() / 255
