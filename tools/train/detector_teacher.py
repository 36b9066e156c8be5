"""Find the faces of photos with MTCNN, for the detector to learn from: a JSON file, name -> boxes.

    python tools/train/detector_teacher.py PHOTOS FACES.json

MTCNN (Zhang et al. 2016) and its weights come from the package facenet-pytorch (MIT), which pins old versions of torch
and Pillow: install it with ``--no-deps`` into an environment of its own. Its import of torchvision is answered here,
by the one function of it that detection needs. A box is left, top, right, bottom and confidence, in pixels of the
photo. Photos are looked at at one and a half times their size, for the faces that MTCNN is too coarse to see. Photos
that FACES.json has already are skipped, so that a run can be stopped.
"""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

from tools.train.data import SUFFIXES, read

if TYPE_CHECKING:
    from torch import Tensor

SCALE: Final = 1.5
"""The photo is enlarged by this before it is searched."""

SMALLEST: Final = 18
"""Smallest face in pixels of the enlarged photo."""

THRESHOLDS: Final = (0.6, 0.7, 0.7)
"""Confidence that each of MTCNN's three networks needs."""

KEPT_AT_ONCE: Final = 50
"""The file is written after this many photos."""


def batched_nms(boxes: Tensor, scores: Tensor, groups: Tensor, overlap: float) -> Tensor:
    """The function of this name of torchvision: indices of the boxes left by greedy non-maximum suppression."""
    if not len(boxes):
        return torch.zeros(0, dtype=torch.long)
    moved = boxes.double().numpy() + groups.double().numpy()[:, None] * (float(boxes.max()) + 1)
    area = (moved[:, 2] - moved[:, 0]) * (moved[:, 3] - moved[:, 1])
    order, kept = np.argsort(-scores.numpy(), kind="stable"), []
    while len(order):
        first, order = order[0], order[1:]
        kept.append(int(first))
        width = np.minimum(moved[first, 2], moved[order, 2]) - np.maximum(moved[first, 0], moved[order, 0])
        height = np.minimum(moved[first, 3], moved[order, 3]) - np.maximum(moved[first, 1], moved[order, 1])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        order = order[shared <= overlap * (area[first] + area[order] - shared)]
    return torch.tensor(kept)


def load_teacher() -> Any:
    """MTCNN, ready to detect."""
    for name in ("torchvision", "torchvision.ops", "torchvision.ops.boxes", "torchvision.transforms"):
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules["torchvision.ops.boxes"].batched_nms = batched_nms  # type: ignore[attr-defined]
    sys.modules["torchvision.transforms"].functional = None  # type: ignore[attr-defined]
    from facenet_pytorch import MTCNN

    return MTCNN(keep_all=True, min_face_size=SMALLEST, thresholds=list(THRESHOLDS), device="cpu")


def faces_of(teacher: Any, image: Image.Image) -> list[list[float]]:
    """Boxes with confidence, in pixels of the picture."""
    large = image.resize((round(image.width * SCALE), round(image.height * SCALE)), Image.Resampling.BICUBIC)
    boxes, confidences = teacher.detect(large)
    if boxes is None:
        return []
    return [
        [*(round(float(v) / SCALE, 1) for v in box), round(float(confidence), 4)]
        for box, confidence in zip(boxes, confidences, strict=True)
    ]


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.argument("photos", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("faces", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--first", default="", help="names that start with one of these, with commas between, come first")
def main(photos: Path, faces: Path, first: str) -> None:
    """The command; its help is the module's docstring."""
    found: dict[str, list[list[float]]] = json.loads(faces.read_text()) if faces.is_file() else {}
    order = first.split(",") if first else []
    paths = [p for p in sorted(photos.rglob("*")) if p.suffix.lower() in SUFFIXES and p.name not in found]
    paths.sort(key=lambda p: next((i for i, name in enumerate(order) if p.name.startswith(name)), len(order)))
    teacher = load_teacher()
    for number, path in enumerate(tqdm(paths, "faces", disable=None)):
        found[path.name] = faces_of(teacher, read(path))
        if number % KEPT_AT_ONCE == 0 or number == len(paths) - 1:
            faces.write_text(json.dumps(found, indent=0, sort_keys=True))


if __name__ == "__main__":
    main()
