"""Measure the detector on held-out photos: what it finds of rendered lettering, faces and lattices, and false alarms.

    python tools/train/detector_evaluate.py --photos PHOTOS --faces FACES.json --held-out NAMES.txt [--checkpoint FILE]

A cell counts as found if its probability reaches the threshold of its class; "near": if that of a neighbour does, as
for an encoder that takes a margin of a cell. Lettering of each size, and lattices, are rendered over the held-out
photos; their faces are scaled to each height. Cells that are partly covered do not count. False alarms are shares of
the cells of the photos as they are, without those that show such things (`SHOWN`).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

from pillow_sdz.codec.guard import detector
from tools.train.data import read
from tools.train.detector import JUDGED
from tools.train.detector_data import ignore_invisible
from tools.train.detector_lattices import add_lattice
from tools.train.detector_photos import CELL, PART, face_labels, means, read_faces, to_cells
from tools.train.detector_text import Canvas, any_colour, apart_from, load, pick, warp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tools.train.detector_photos import Box

    Floats = NDArray[np.float32]
    Found = list[tuple[Floats, Floats]]

SHOWN: Final = (
    ("cid22_0030", "cid22_0150", "dali_0020", "ubuntumate_0054", "codrops_0190",
     "photolab_0006", "compose_0008"),
    ("cid22_0180", "codrops_0010", "codrops_0030", "codrops_0130", "codrops_0150", "codrops_0170", "codrops_0210",
     "codrops_0230", "ct_0034", "lepton_0001", "photolab_0006"),
    ("codrops_0110", "codrops_0120", "tinycoco_0002", "tinycoco_0032", "pixabay700_0614", "photolab_0006",
     "cid22_0150", "ubuntumate_0054", "codrops_0070", "ct_0034"),
)  # fmt: skip
"""Held-out photos that show lettering, a face, or a lattice themselves, found by looking at them."""

LINE_HEIGHTS: Final = (8, 10, 14, 20, 28, 40, 60)
"""Font sizes of the rendered lettering, in pixels."""

FACE_HEIGHTS: Final = (16, 24, 36, 54, 80, 120, 150)
"""Heights in pixels that faces are scaled to."""

THRESHOLDS: Final = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SQUARE: Final = 320
"""Side in pixels of the pictures that are rendered on."""


def squares(paths: list[Path]) -> list[Image.Image]:
    """The middle of each photo that is large enough."""
    found = []
    for path in paths:
        image = read(path)
        if min(image.size) >= SQUARE:
            x, y = ((side - SQUARE) // 2 for side in image.size)
            found.append(image.crop((x, y, x + SQUARE, y + SQUARE)))
    return found


def lettering(images: list[Image.Image], size: int) -> Found:
    """Probabilities and labels (h, w) of each picture with lines of this font size on it."""
    rng, found = np.random.default_rng(size), []
    for image in images:
        image, covered = image.copy(), np.zeros((SQUARE, SQUARE), np.float32)
        for _ in range(3):
            path, letters = pick(rng)
            board = rng.random() < 0.5
            mean = np.asarray(image.resize((1, 1), Image.Resampling.BOX))[0, 0]
            paper = any_colour(rng) if board else (int(mean[0]), int(mean[1]), int(mean[2]))
            ink = apart_from(rng, paper, 60 if board else 90)
            canvas = Canvas(Image.new("RGBA", (min(SQUARE, 9 * size), round(1.8 * size)), (*paper, 255 * board)))
            canvas.words(rng, (size // 3, size // 5), 8 * size, load(path, size), letters, ink)
            layer, mask = warp(rng, (canvas.image, canvas.mask), SQUARE)
            alpha, marks = (np.asarray(plane, np.float32) / 255 for plane in (layer.getchannel("A"), mask))
            covered = np.maximum(covered * (alpha < 0.5), marks)
            image.paste(layer.convert("RGB"), (0, 0), layer.getchannel("A"))
        labels = np.zeros((3, SQUARE // CELL, SQUARE // CELL), np.float32)
        labels[detector.TEXT] = to_cells(means(covered), PART[detector.TEXT])
        ignore_invisible(image, labels)
        found.append((detector.detect(np.asarray(image))[..., detector.TEXT], labels[detector.TEXT]))
    return found


def faces(paths: list[Path], boxes: dict[str, list[Box]], height: int) -> Found:
    """The same for photos scaled until their largest face has this height."""
    found = []
    for path in paths:
        sure = [box for box in boxes.get(path.name, ()) if box[4]]
        if not sure:
            continue
        image, scale = read(path), height / max(box[3] - box[1] for box in sure)
        cells = [max(2, round(side * scale / CELL)) for side in image.size]
        image = image.resize((cells[0] * CELL, cells[1] * CELL), Image.Resampling.LANCZOS)
        scaled: list[Box] = [(b[0] * scale, b[1] * scale, b[2] * scale, b[3] * scale, b[4]) for b in boxes[path.name]]
        labels = face_labels(scaled, image.height, image.width)
        found.append((detector.detect(np.asarray(image))[..., detector.FACE], labels))
    return found


def lattices(images: list[Image.Image]) -> Found:
    """The same for rendered lattices."""
    rng, found = np.random.default_rng(1), []
    for image in images * 2:
        pixels, cover = add_lattice(rng, np.asarray(image))
        labels = np.zeros((3, SQUARE // CELL, SQUARE // CELL), np.float32)
        labels[detector.LATTICE] = to_cells(means(cover), PART[detector.LATTICE])
        ignore_invisible(Image.fromarray(pixels), labels)
        found.append((detector.detect(pixels)[..., detector.LATTICE], labels[detector.LATTICE]))
    return found


def near(probabilities: Floats) -> Floats:
    """The largest of the 3x3 cells around each cell, (h, w)."""
    result: Floats = sliding_window_view(np.pad(probabilities, 1), (3, 3)).max((2, 3))
    return result


def line(name: str, shares: list[float]) -> str:
    """A row of the table, in per cent."""
    return f"{name:28}" + "".join(f"{100 * share:8.2f}" for share in shares)


def show(name: str, found: Found) -> None:
    """Print the shares of positive cells that reach each of `THRESHOLDS`, themselves and by a neighbour."""
    for what, change in ((name, np.asarray), (f"{name}, near", near)):
        cells = np.concatenate([change(probabilities)[labels > 0] for probabilities, labels in found])
        click.echo(line(what, [float((cells >= t).mean()) for t in THRESHOLDS]))


def alarms(name: str, paths: list[Path], number: int) -> None:
    """Print the shares of cells of photos without such things that reach `THRESHOLDS`; and the worst photos at 0.5."""
    found = {p.stem: detector.detect(np.asarray(read(p)))[..., number] for p in paths if p.stem not in SHOWN[number]}
    worst = sorted(found, key=lambda stem: -float((found[stem] >= 0.5).mean()))[:8]
    for what, change in ((name, np.asarray), (f"{name}, near", near)):
        cells = np.concatenate([change(plane).ravel() for plane in found.values()])
        click.echo(line(what, [float((cells >= t).mean()) for t in THRESHOLDS]))
    click.echo("  " + ", ".join(f"{stem} {100 * (found[stem] >= 0.5).mean():.1f}" for stem in worst))


def use(checkpoint: Path) -> None:
    """Detect with the moving average of a checkpoint of `detector`."""
    import torch

    from pillow_sdz.models.networks.detector import Detector

    network = Detector().eval().requires_grad_(False)
    network.load_state_dict(torch.load(checkpoint, weights_only=True)["folded"])
    detector._network = lambda: network  # type: ignore[assignment]


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.option("--photos", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--faces", "teacher", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--held-out", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--checkpoint", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(photos: Path, teacher: Path, held_out: Path, checkpoint: Path | None) -> None:
    """The command; its help is the module's docstring."""
    if checkpoint:
        use(checkpoint)
    paths = [photos / name for name in held_out.read_text().split()]
    images, boxes = squares(paths), read_faces(teacher, JUDGED)
    click.echo(line("threshold (in per cent)", list(THRESHOLDS)))
    for number, name in enumerate(("lettering", "faces", "lattices")):
        alarms(f"false {name}", paths, number)
    for size in LINE_HEIGHTS:
        show(f"lettering of {size} px", lettering(images, size))
    for height in FACE_HEIGHTS:
        show(f"faces of {height} px", faces(paths, boxes, height))
    show("lattices", lattices(images))


if __name__ == "__main__":
    main()
