"""Label what photos show themselves, beside their faces: lattices by autocorrelation, lettering by an earlier detector.

    python tools/train/detector_cells.py --photos PHOTOS --cells FOLDER [--checkpoint FILE]

Without that, a shop sign or a brick wall in a photo would teach the network that such things are none. Lattices that
are certain are labelled in the photos of configs/detector.toml, all else that is suspected is ignored; lettering only
in the photos that have most of it, or the network would never see what it takes for lettering by mistake. FOLDER gets
``NAME.npy``, int8 (3, h, w), for cells of 8x8 pixels of each photo.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

from pillow_sdz.codec.guard import detector
from tools.train.data import SUFFIXES, read
from tools.train.detector import JUDGED
from tools.train.detector_evaluate import use
from tools.train.detector_photos import CELL, IGNORED

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    Floats = NDArray[np.float32]

WINDOW: Final = 64
"""Side in pixels of what the autocorrelation sees."""

STRIDE: Final = 24
"""Pixels from window to window."""

LAGS: Final = (4, 20)
"""Range of periods in pixels; photos are looked at at `REDUCTIONS`."""

REDUCTIONS: Final = (1, 2)

LEAST_CONTRAST: Final = 4.0
"""Standard deviation, of 255, below which nothing is seen."""

CERTAIN, SUSPECTED = 0.42, 0.22
"""Scores, means of 3x3 windows, from which a cell is a lattice, or ignored."""

SUREST: Final = 12
"""Cells of a photo by which `text_rank` knows it."""

SUSPECTED_TEXT: Final = 0.35
"""Probability from which a cell of a photo is ignored as lettering."""


def lattice_scores(image: Image.Image) -> Floats:
    """How periodic a picture is, in 0 .. 1 for each cell.

    Of the autocorrelation A of a window, without its low frequencies, the score is the largest min(A(l), A(2 l)) -
    max(0, A(l / 2)) over lags l: two periods agree, and between them there is something else. Along an edge A is as
    large between as at the lag.
    """
    width, height = image.size
    result = np.zeros((-(-height // CELL), -(-width // CELL)), np.float32)
    for reduction in REDUCTIONS:
        small = image.convert("L").reduce(reduction)
        if min(small.size) < WINDOW:
            continue
        scores = _scores(torch.from_numpy(np.asarray(small, np.float32).copy()))
        rows, columns = (
            ((CELL / reduction * (np.arange(n) + 0.5) - (WINDOW - STRIDE) / 2) // STRIDE).clip(0, limit - 1).astype(int)
            for n, limit in zip(result.shape, scores.shape, strict=True)
        )
        result = np.maximum(result, scores[rows[:, None], columns[None, :]])
    return result


def _scores(luma: torch.Tensor) -> Floats:
    plane = luma[None, None]
    plane = plane - F.avg_pool2d(F.pad(plane, (8, 8, 8, 8), mode="replicate"), 17, 1)
    patches = F.unfold(plane, WINDOW, stride=STRIDE)[0].T.reshape(-1, WINDOW, WINDOW)
    rows, columns = ((n - WINDOW) // STRIDE + 1 for n in luma.shape)
    deviation = patches.std((1, 2))
    hann = torch.hann_window(WINDOW + 2)[1:-1]
    taper = hann[:, None] * hann[None, :]
    norm = torch.fft.irfft2(torch.fft.rfft2(taper, (2 * WINDOW, 2 * WINDOW)).abs() ** 2)
    lags = torch.tensor([
        (y, x) for y in range(-LAGS[1], LAGS[1] + 1) for x in range(LAGS[1] + 1)
        if LAGS[0] ** 2 <= y * y + x * x <= LAGS[1] ** 2
    ])  # fmt: skip
    best = []
    for piece in patches.split(256):  # type: ignore[no-untyped-call]
        spectrum = torch.fft.rfft2((piece - piece.mean((1, 2), keepdim=True)) * taper, (2 * WINDOW, 2 * WINDOW))
        correlation = torch.fft.irfft2(spectrum.abs() ** 2) / norm.clamp(min=norm[0, 0] * 0.02)
        correlation = correlation / correlation[:, :1, :1].clamp(min=1e-6)
        at, twice, half = (
            correlation[:, places[:, 0] % (2 * WINDOW), places[:, 1] % (2 * WINDOW)]
            for places in (lags, 2 * lags, torch.div(lags, 2, rounding_mode="trunc"))
        )
        best.append((torch.minimum(at, twice) - half.clamp(min=0)).amax(1))
    scores = (torch.cat(best).clamp(0, 1) * (deviation >= LEAST_CONTRAST)).reshape(1, 1, rows, columns)
    found: Floats = F.avg_pool2d(F.pad(scores, (1, 1, 1, 1), mode="replicate"), 3, 1)[0, 0].numpy()
    return found


def text_rank(probabilities: Floats) -> float:
    """How likely a photo shows lettering, by the detector: strength of its surest cells, and their share."""
    surest = np.sort(probabilities.ravel())[-SUREST:]
    return float(surest.mean() + 0.3 * (probabilities >= 0.7).mean())


def ignore_text(labels: NDArray[np.int8], probabilities: Floats) -> None:
    """Mark cells that may be lettering, and their neighbours, as `IGNORED`; labels are (3, h, w)."""
    suspected = torch.from_numpy((probabilities >= SUSPECTED_TEXT)[None].astype(np.float32))
    labels[detector.TEXT][F.max_pool2d(suspected, 3, 1, 1)[0].numpy() > 0] = IGNORED


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.option("--photos", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--cells", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--checkpoint", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="of an earlier run")
@click.option("--first", default="", help="names that start with one of these, with commas between; default: all")
@click.option("--suspects", default=110, show_default=True, help="number of photos in which lettering is suspected")
def main(photos: Path, cells: Path, checkpoint: Path | None, first: str, suspects: int) -> None:
    """The command; its help is the module's docstring."""
    cells.mkdir(parents=True, exist_ok=True)
    paths = [p for p in sorted(photos.rglob("*")) if p.suffix.lower() in SUFFIXES]
    judged = tomllib.loads(JUDGED.read_text())["lattices"]
    texts: dict[Path, Floats] = {}
    if checkpoint:
        use(checkpoint)
        found = {p: detector.detect(np.asarray(read(p)))[..., detector.TEXT] for p in tqdm(paths, "text", disable=None)}
        texts = {p: found[p] for p in sorted(found, key=lambda p: -text_rank(found[p]))[:suspects]}
    for path in tqdm(paths, "lattices", disable=None):
        if path not in texts and not path.name.startswith(tuple(first.split(","))):
            continue
        image = read(path)
        scores = lattice_scores(image)
        labels = np.zeros((3, *scores.shape), np.int8)
        labels[detector.LATTICE][scores >= SUSPECTED] = IGNORED
        if path.stem in judged:
            labels[detector.LATTICE][scores >= CERTAIN] = 1
        if path in texts:
            ignore_text(labels, texts[path])
        np.save(cells / f"{path.stem}.npy", labels)


if __name__ == "__main__":
    main()
