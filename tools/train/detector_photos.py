"""The photos that the detector learns from: the labels of their cells of 8x8 pixels, and crops of them.

A label is 1 (of its class; more: with this weight), 0 (not), or `IGNORED`.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from tools.train.data import read

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Box = tuple[float, float, float, float, float]

CELL: Final = 8
"""Pixels of a cell along each axis."""

SIDE: Final = 288
"""Pixels of a crop along each axis."""

IGNORED: Final = -1.0
"""Label of cells that do not count."""

TEXT, FACE, LATTICE = range(3)

PART: Final = (0.25, 0.4, 0.5)
"""For each class the share of a cell that makes it one of the class; cells with less, but some, are ignored."""

FACES: Final = (14.0, 165.0)
"""Heights of faces in pixels that are learned; others are ignored."""

SMALL_FACE: Final = 64.0
"""Faces below this height in pixels weigh more, as they have few cells: labels are this divided by the height."""

MOST_WEIGHT: Final = 4.0

SCALES: Final = (0.4, 1.3)
"""Range that photos are scaled by, log-uniform."""


@dataclass(frozen=True)
class Photo:
    """A photo with what is known of it.

    Attributes:
        image: RGB.
        faces: left, top, right, bottom of each, and 1 if it counts, 0 if its place is to be ignored.
        cells: (3, h, w) of float32, labels known from elsewhere for cells of its own pixels, or None: all 0.
    """

    image: Image.Image
    faces: list[Box]
    cells: Floats | None = None


def load_photos(paths: list[Path], faces: Path, judged: Path, cells: Path | None) -> list[Photo]:
    """Read photos, the teacher's boxes, and labels.

    Args:
        paths: picture files.
        faces: what `detector_teacher` wrote; photos that it lacks are left out.
        judged: configs/detector.toml, what a person has said of the boxes.
        cells: folder with ``NAME.npy`` of `detector_cells`, where there are some.
    """
    found, photos = read_faces(faces, judged), []
    for path in paths:
        if path.name not in found:
            continue
        kept = cells / f"{path.stem}.npy" if cells else None
        known = np.load(kept).astype(np.float32) if kept and kept.is_file() else None
        photos.append(Photo(read(path), found[path.name], known))
    return photos


def read_faces(faces: Path, judged: Path) -> dict[str, list[Box]]:
    """The boxes of each photo: those that count have confidence 1, those to be ignored 0."""
    rules = tomllib.loads(judged.read_text())
    result = {}
    for name, boxes in json.loads(faces.read_text()).items():
        kept: list[Box] = []
        for number, (left, top, right, bottom, confidence) in enumerate(boxes):
            key = f"{Path(name).stem}:{number}"
            if key in rules["accepted"] or (confidence >= rules["confident"] and key not in rules["rejected"]):
                kept.append((left, top, right, bottom, 1.0))
            elif confidence >= rules["ignored"] and key not in rules["rejected"]:
                kept.append((left, top, right, bottom, 0.0))
        result[name] = kept
    return result


def to_cells(cover: Floats, part: float) -> Floats:
    """Labels (h, w) of the shares of cells (h, w) that are covered."""
    return np.where(cover >= part, 1.0, np.where(cover > 0, IGNORED, 0.0)).astype(np.float32)


def means(mask: Floats) -> Floats:
    """Means of the cells of (H, W), whose sides are multiples of `CELL`."""
    h, w = mask.shape
    result: Floats = mask.reshape(h // CELL, CELL, w // CELL, CELL).mean((1, 3))
    return result


def face_labels(boxes: list[Box], height: int, width: int) -> Floats:
    """Labels of the class `FACE` for boxes in pixels of a picture of that size, a multiple of `CELL`."""
    sure, around = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    unsure, weights = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    for left, top, right, bottom, confidence in boxes:
        w, h = right - left, bottom - top
        learned = confidence and FACES[0] <= h <= FACES[1]
        for mask, grown in ((sure, 0.0), (around, 0.2)) if learned else ((unsure, 0.35),):
            x0, x1 = (round(max(0.0, v)) for v in (left - grown * w, right + grown * w))
            y0, y1 = (round(max(0.0, v)) for v in (top - grown * h, bottom + grown * h))
            mask[y0:y1, x0:x1] = 1
            weights[y0:y1, x0:x1] = np.clip(SMALL_FACE / h, 1, MOST_WEIGHT)
    share = means(sure)
    label = to_cells(share, PART[FACE])
    label[label > 0] = weights[CELL // 2 :: CELL, CELL // 2 :: CELL].clip(1)[label > 0]
    label[(label == 0) & ((means(around) > 0) | (means(unsure) > 0))] = IGNORED
    return label


def crop_of(rng: Generator, photo: Photo) -> tuple[Image.Image, Floats]:
    """A crop of ``SIDE`` pixels of a scaled photo, perhaps mirrored, and its labels (3, h, w)."""
    scale = max(SCALES[0] * (SCALES[1] / SCALES[0]) ** rng.random(), SIDE / min(photo.image.size))
    span = SIDE / scale
    x, y = (float(rng.uniform(0, max(0.0, n - span))) for n in photo.image.size)
    return mirrored(rng, *_cut(rng, photo, scale, (x, y, x + span, y + span)))


def mirrored(rng: Generator, image: Image.Image, labels: Floats) -> tuple[Image.Image, Floats]:
    """Both, or in half of the cases both mirrored."""
    if rng.random() < 0.5:
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), labels[:, :, ::-1].copy()
    return image, labels


def _cut(rng: Generator, photo: Photo, scale: float, box: tuple[float, ...]) -> tuple[Image.Image, Floats]:
    """What is in ``box``, in pixels of the photo, at a scale that makes its sides multiples of `CELL`; and labels."""
    size = (round((box[2] - box[0]) * scale), round((box[3] - box[1]) * scale))
    filters = (Image.Resampling.BICUBIC, Image.Resampling.LANCZOS, Image.Resampling.BILINEAR)
    inside = (box[0], box[1], min(box[2], photo.image.width), min(box[3], photo.image.height))
    part = photo.image.resize(size, filters[int(rng.integers(3))], box=inside)
    n, m = size[1] // CELL, size[0] // CELL
    labels = np.zeros((3, n, m), np.float32)
    if photo.cells is not None:
        rows, columns = (
            np.clip(np.floor((start + (np.arange(count) + 0.5) * CELL / scale) / CELL).astype(int), 0, limit - 1)
            for start, count, limit in ((box[1], n, photo.cells.shape[1]), (box[0], m, photo.cells.shape[2]))
        )
        labels = photo.cells[:, rows[:, None], columns[None, :]].copy()
    x, y = box[:2]
    faces = [
        ((b[0] - x) * scale, (b[1] - y) * scale, (b[2] - x) * scale, (b[3] - y) * scale, b[4]) for b in photo.faces
    ]
    found = face_labels(faces, size[1], size[0])
    labels[FACE] = np.where(found != 0, found, labels[FACE])
    return part, labels


def crop_at_face(
    rng: Generator, photo: Photo, photos: list[Photo], with_faces: list[Photo]
) -> tuple[Image.Image, Floats]:
    """A crop with a face of the photo in one of the sizes of `FACES`, perhaps turned a little.

    Where the photo gets smaller than the crop, it is laid on another one, with others of its kind.
    """
    sure = [box for box in photo.faces if box[4]]
    face = sure[int(rng.integers(len(sure)))]
    size = FACES[0] * (150 / FACES[0]) ** rng.random()
    scale = float(np.clip(size / (face[3] - face[1]), 0.08, 1.4))
    span = SIDE / scale
    if span <= min(photo.image.size):
        low = [max(0.0, min(face[i + 2], n) - span) for i, n in enumerate(photo.image.size)]
        high = [min(max(face[i], low[i]), max(0.0, n - span)) for i, n in enumerate(photo.image.size)]
        x, y = (float(rng.uniform(min(a, b), max(a, b))) for a, b in zip(low, high, strict=True))
        image, labels = mirrored(rng, *_cut(rng, photo, scale, (x, y, x + span, y + span)))
    else:
        image, labels = crop_of(rng, photos[int(rng.integers(len(photos)))])
        for number in range(int(rng.integers(1, 6))):
            if number:
                photo = with_faces[int(rng.integers(len(with_faces)))]
                height = max(b[3] - b[1] for b in photo.faces)
                scale = float(np.clip(size * rng.uniform(0.6, 1.4) / height, 0.08, 1.0))
            cells = [min(int(n * scale / CELL), SIDE // CELL) for n in photo.image.size]
            if min(cells) < 2:
                continue
            width, height = (c * CELL / scale for c in cells)
            left = float(np.clip(face[0] - width / 3, 0, photo.image.width - width)) if not number else 0.0
            top = float(np.clip(face[1] - height / 3, 0, photo.image.height - height)) if not number else 0.0
            part, known = mirrored(rng, *_cut(rng, photo, scale, (left, top, left + width, top + height)))
            x, y = (int(rng.integers(0, SIDE // CELL - c + 1)) for c in cells)
            image.paste(part, (x * CELL, y * CELL))
            labels[:, y : y + cells[1], x : x + cells[0]] = known
    return _turned(rng, image, labels) if rng.random() < 0.35 else (image, labels)


def _turned(rng: Generator, image: Image.Image, labels: Floats) -> tuple[Image.Image, Floats]:
    angle = float(rng.normal(0, 12))
    image = image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=tuple(int(v) for v in rng.integers(0, 256, 3)))
    planes = [Image.fromarray(plane).rotate(angle, Image.Resampling.NEAREST, fillcolor=0) for plane in labels]
    return image, np.stack([np.asarray(plane) for plane in planes])
