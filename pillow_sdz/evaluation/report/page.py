"""The report as one HTML page that loads nothing: pictures are WebP in data URIs, style and script are inline."""

from __future__ import annotations

import base64
import hashlib
import io
import math
from dataclasses import dataclass
from pathlib import PurePath
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from pillow_sdz.evaluation.metrics import Metric
    from pillow_sdz.evaluation.report.comparison import Comparison, Stage


LONGEST: Final = 768
"""Longest side of a picture on the page in pixels; larger pictures are reduced, crops are not."""

QUALITY: Final = 80
"""WebP quality of pictures on the page: enough to show what the stages do, and small enough to mail the page."""

CROP_QUALITY: Final = 88
"""WebP quality of crops, which are shown enlarged."""

CROPS: Final = 3
"""Crops of each picture."""

CROPPED: Final = (
    "original", "autoencoder", "sdz-without-unet", "sdz", "palette", "img2img-png", "jpeg", "webp", "avif", "jxl",
)  # fmt: skip
"""Keys of the stages whose crops are shown."""

DIGITS: Final = {"PSNR": 2, "SSIMULACRA2": 1}
"""Decimals of a metric; others have three."""


@dataclass(frozen=True)
class Chapter:
    """A part of the page, for stages that belong together.

    Attributes:
        key: `Stage.chapter` of its stages.
        title: its heading.
        text: what its stages show.
    """

    key: str
    title: str
    text: str


CHAPTERS: Final = (
    Chapter("original", "The original", "Every pixel is three bytes, and most of them could be guessed from the rest."),
    Chapter(
        "latent",
        "Into the latent, and back",
        "An autoencoder is two networks, trained together: one turns blocks of pixels into a few numbers, the latent;"
        " the other paints the blocks back. What it cannot paint is lost before anything has been rounded.",
    ),
    Chapter(
        "codes",
        "Eight bits for each number",
        "A latent is a small picture of many channels. Beside each stands which property of this picture its values"
        " follow most. General lossless codecs were not made for such values: compare the sizes.",
    ),
    Chapter(
        "file",
        "What the file holds",
        "Coarser rounding is what makes the file small. It adds noise to the latent, of a strength that is known; a"
        " U-Net, trained to remove noise from latents, can take some of it back.",
    ),
    Chapter(
        "palette",
        "A palette, as in 2022",
        "The first codec of this kind palettised the 8-bit latent to 256 entries and stored the palette and the"
        " indices. The format can still do that.",
    ),
    Chapter(
        "img2img",
        "Regenerating is not compressing",
        "Image generators offer another use of a latent: add noise, let the U-Net remove it, save the picture. That"
        " gives new pixels, not fewer. A codec has to keep the latent, and to make it small.",
    ),
    Chapter(
        "other-codecs",
        "Other codecs with no more bytes",
        "Each at its best quality that does not take more bytes than the .sdz.",
    ),
)


def page(comparisons: Sequence[Comparison], metrics: Sequence[Metric], notes: Sequence[str], version: str) -> bytes:
    """The page in UTF-8.

    Args:
        comparisons: one or more pictures.
        metrics: those that were measured, in the order of the columns.
        notes: sentences for the foot of the page, for instance that a codec is not installed.
        version: of this package.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    loader = PackageLoader("pillow_sdz.evaluation.report", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"uri": _uri, "metric": _metric, "pixels": _uri_of_values}
    names = _names(comparisons)
    script, style = (loader.get_source(environment, name)[0] for name in ("page.js", "page.css"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = environment.get_template("page.html").render(
        pictures=[_picture(number, *each) for number, each in enumerate(zip(comparisons, names, strict=True), 1)],
        means=_means(comparisons, metrics) if len(comparisons) > 1 else [],
        chapters=CHAPTERS, metrics=metrics, notes=notes, version=version, digest=digest,
        script=Markup(script), style=Markup(style),  # noqa: S704 - files of this package, not input
    )  # fmt: skip
    return text.encode()


def _names(comparisons: Sequence[Comparison]) -> list[str]:
    """File names without their folders, or with them if two names would be the same."""
    short = [PurePath(each.name).name for each in comparisons]
    return short if len(set(short)) == len(short) else [each.name for each in comparisons]


def _picture(number: int, comparison: Comparison, name: str) -> dict[str, Any]:
    """What the template needs of one picture, by the names that it uses."""
    original, final = comparison.stages[0], comparison.stage("sdz")
    assert final is not None
    found = boxes(original.picture, final.picture, CROPS)
    width, height = original.picture.size
    sizes = [stage.size for stage in comparison.stages]
    return {
        "id": f"p{number}",
        "name": name,
        "comparison": comparison,
        "width": width,
        "height": height,
        "reduced": max(width, height) > LONGEST,
        "bars": {stage.key: _bar(stage.size, min(sizes), max(sizes)) for stage in comparison.stages},
        "frames": [_frame(box, width, height) for box in found],
        "crops": [[(stage, _crop(stage, box)) for stage in _cropped(comparison)] for box in found],
        "final": final,
    }


def _means(comparisons: Sequence[Comparison], metrics: Sequence[Metric]) -> list[dict[str, Any]]:
    """Means over all pictures, for each stage that all of them have."""
    rows = []
    for stage in comparisons[0].stages:
        same = [found for each in comparisons if (found := each.stage(stage.key)) is not None]
        if len(same) < len(comparisons):
            continue
        numbers: dict[str, float | None] = {}
        for metric in metrics:
            values = [value for each in same if (value := each.numbers.get(metric.name)) is not None]
            numbers[metric.name] = fmean(values) if len(values) == len(same) else None
        bpp = fmean(each.bits_per_pixel() for each in same)
        rows.append({"stage": stage, "size": fmean(each.size for each in same), "bpp": bpp, "numbers": numbers})
    return rows


def _cropped(comparison: Comparison) -> list[Stage]:
    return [stage for key in CROPPED if (stage := comparison.stage(key)) is not None]


def _crop(stage: Stage, box: Box) -> str:
    return _data(stage.picture.crop(box), quality=CROP_QUALITY, method=4)


def _frame(box: Box, width: int, height: int) -> str:
    """A box as CSS: its position and size in percent of the picture's."""
    left, top, right, bottom = box
    return (
        f"left:{100 * left / width:.3f}%;top:{100 * top / height:.3f}%;"
        f"width:{100 * (right - left) / width:.3f}%;height:{100 * (bottom - top) / height:.3f}%"
    )


def _bar(size: int, least: int, most: int) -> float:
    """Length of a bar in percent, on a logarithmic scale on which the smallest is still visible.

    >>> [round(_bar(size, 10, 1000), 1) for size in (10, 100, 1000)]
    [4.0, 52.0, 100.0]
    """
    return 4 + 96 * math.log(size / least) / math.log(most / least) if most > least else 100


def _metric(value: float | None, name: str) -> str:
    return "–" if value is None else f"{value:.{DIGITS.get(name, 3)}f}".replace("-", "−")


def _uri(image: Image.Image) -> str:
    """A photo as a data URI, lossy, reduced to `LONGEST`."""
    if max(image.size) > LONGEST:
        image = image.copy()
        image.thumbnail((LONGEST, LONGEST))
    return _data(image, quality=QUALITY, method=4)


def _uri_of_values(image: Image.Image) -> str:
    """A drawing as a data URI, lossless unless it is larger than `LONGEST`."""
    if max(image.size) > LONGEST:
        return _uri(image.convert("RGB"))
    return _data(image.convert("RGB"), lossless=True, quality=80, method=4)


def _data(image: Image.Image, **options: Any) -> str:
    stream = io.BytesIO()
    image.save(stream, "WEBP", **options)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()


SIDES: Final = (24, 96)
"""Smallest and largest side of a crop in pixels; within these limits it is a fifth of the picture's shorter side."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels."""


def boxes(original: Image.Image, other: Image.Image, count: int) -> list[Box]:
    """The square boxes in which two RGB pictures of the same size differ most, the largest difference first.

    Args:
        original, other: the pictures.
        count: how many boxes; fewer are returned if no more fit without overlap.
    """
    error = np.abs(np.asarray(original, np.float64) - np.asarray(other, np.float64)).mean(2)
    height, width = error.shape
    side = min(height, width, max(SIDES[0], min(SIDES[1], min(height, width) // 5)))
    sums = np.pad(error.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    found: list[Box] = []
    while len(found) < count and inside.max() >= 0:
        y, x = divmod(int(inside.argmax()), inside.shape[1])
        found.append((x, y, x + side, y + side))
        inside[max(0, y - side + 1) : y + side, max(0, x - side + 1) : x + side] = -1
    return found
