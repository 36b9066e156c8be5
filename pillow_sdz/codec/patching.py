"""Patches: cut out of a picture into a sheet and coded; decoded, and blended over a picture. Integers only.

See `pillow_sdz.container.patches` for cells, rectangles and the layout of the sheet. Work and memory are in proportion
to the patches, and a byte for each 64 pixels of the picture.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz import limits
from pillow_sdz.container.patches import (
    CELL,
    Patches,
    Rectangle,
    build_patches,
    cells,
    check_rectangles,
    check_sheet,
    layout,
    parse_patches,
)
from pillow_sdz.errors import SdzLimitError
from pillow_sdz.payloads.pixels import streams
from pillow_sdz.payloads.pixels.chroma import subsampling_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

FADE: Final = 4
"""Pixels along the edge of a patch that are a mixture of patch and picture."""

_STRIP: Final = 32
"""Rows of cells that are blended at a time: it bounds the memory for large patches."""

_WIDTHS: Final = 48
"""How many widths of a sheet are tried."""


def encode_patches(
    rgb: NDArray[np.uint8], rectangles: Sequence[Rectangle], coding: str, quality: int, speed: int = 6
) -> bytes:
    """Cut rectangles out of a picture and code them as one sheet.

    Args:
        rgb: (H, W, 3).
        rectangles: in cells. They may be stored in another order, and in parts where one sheet could not hold them as
            they are. The chroma of AV1 is subsampled if they allow it.
        coding, quality, speed: see `pillow_sdz.payloads.pixels.streams.encode`.

    Returns:
        The body of a patches section.

    Raises:
        SdzError: rectangles overlap or reach beyond the picture, are too many or too large for one sheet, or Pillow
            was built without this coding.
    """
    height, width = rgb.shape[:2]
    check_rectangles(rectangles, width, height)
    ordered, sheet_width = _for_one_sheet(rectangles)
    sheet = cut_sheet(rgb, ordered, sheet_width)
    stream = streams.encode(sheet, coding, quality, speed, subsampling_for(sheet, quality))
    return build_patches(Patches(tuple(ordered), sheet_width, streams.number_of(coding), stream), width, height)


def _for_one_sheet(rectangles: Sequence[Rectangle]) -> tuple[list[Rectangle], int]:
    """The rectangles in the order of a sheet that the format allows, and its width in cells.

    A tall rectangle and a broad one would leave most of a sheet empty, and a sheet may not be as long as a picture.
    Where that is so, the longest are cut in two, and the parts again, until the sheet is allowed.

    Raises:
        SdzLimitError: there is no such sheet, or not with so few parts as a file may have.
    """
    parts = list(rectangles)
    while True:
        ordered = sorted(parts, key=lambda each: (-each.height, each.y, each.x))
        sheet_width = _best_width(ordered)
        try:
            check_sheet(ordered, sheet_width)
        except SdzLimitError:
            longest = max(max(each.width, each.height) for each in ordered)
            parts = [part for each in ordered for part in _cut(each, -(-longest // 2))]
            if longest == 1 or len(parts) > limits.MAX_PATCHES:
                raise
        else:
            return ordered, sheet_width


def _cut(rectangle: Rectangle, longest: int) -> Iterator[Rectangle]:
    """The parts of a rectangle whose sides are no longer than so many cells."""
    x, y, width, height = rectangle.x, rectangle.y, rectangle.width, rectangle.height
    for top in range(y, y + height, longest):
        for left in range(x, x + width, longest):
            yield Rectangle(left, top, min(longest, x + width - left), min(longest, y + height - top))


def _best_width(rectangles: Sequence[Rectangle]) -> int:
    """A width of the sheet, in cells, that leaves little of it empty; of equals the one nearest to a square."""
    narrowest = max(each.width for each in rectangles)
    most = max(narrowest, min(limits.MAX_SHEET_SIDE // CELL, sum(each.width for each in rectangles)))
    tried = {max(narrowest, int(each)) for each in np.geomspace(narrowest, most, _WIDTHS)} | {most}

    def cost(width: int) -> tuple[bool, int, int]:
        height = layout(rectangles, width)[1]
        return height * CELL > limits.MAX_SHEET_SIDE, width * height, abs(width - height)

    return min(sorted(tried), key=cost)


def cut_sheet(rgb: NDArray[np.uint8], rectangles: Sequence[Rectangle], sheet_width: int) -> NDArray[np.uint8]:
    """The sheet of rectangles of a picture, (height, width, 3) in pixels.

    What of it no rectangle fills, and what of a rectangle is beyond the picture, repeats the nearest pixels: that costs
    few bits.

    Args:
        rgb: (H, W, 3).
        rectangles: in cells, in the order of the sheet.
        sheet_width: in cells.
    """
    places, rows = layout(rectangles, sheet_width)
    sheet = np.zeros((rows * CELL, sheet_width * CELL, 3), np.uint8)
    below = dict(itertools.pairwise([*sorted({top for _, top in places}), rows]))
    for number, ((x, top), each) in enumerate(zip(places, rectangles, strict=True)):
        is_last = number + 1 == len(places) or places[number + 1][1] != top
        right, bottom = sheet_width if is_last else x + each.width, below[top]
        source = rgb[each.y * CELL : (each.y + each.height) * CELL, each.x * CELL : (each.x + each.width) * CELL]
        target = sheet[top * CELL : bottom * CELL, x * CELL : right * CELL]
        height, width = source.shape[:2]
        target[:height, :width] = source
        target[:height, width:] = source[:, -1:]
        target[height:] = target[height - 1]
    return sheet


def decode_sheet(patches: Patches) -> NDArray[np.uint8]:
    """Decode the sheet, (height, width, 3) in pixels.

    Raises:
        SdzError: the stream is damaged, or Pillow was built without its coding.
    """
    return streams.decode(patches.coding, patches.stream, *patches.sheet_size(), "patches")


def apply_patches(rgb: NDArray[np.uint8], body: bytes) -> float:
    """Blend the patches of a section over a picture, in place.

    Args:
        rgb: (H, W, 3), writeable.
        body: of the section.

    Returns:
        The share of the picture that they cover, 0.0 to 1.0.

    Raises:
        SdzError: the section is damaged, or Pillow was built without its coding.
    """
    height, width = rgb.shape[:2]
    patches = parse_patches(body, width, height)
    blend(rgb, patches)
    return patches.share(width, height)


def blend(rgb: NDArray[np.uint8], patches: Patches) -> None:
    """Blend patches over a picture (H, W, 3), in place; the errors are those of `decode_sheet`.

    Raises:
        SdzError: the stream is damaged, or Pillow was built without its coding.
    """
    sheet = decode_sheet(patches)
    covered = _covered(patches.rectangles, *cells(rgb.shape[1], rgb.shape[0]))
    places, _ = layout(patches.rectangles, patches.sheet_width)
    for (x, y), each in zip(places, patches.rectangles, strict=True):
        for first, last in _strips(each.height):
            part = Rectangle(each.x, each.y + first, each.width, last - first)
            tile = sheet[(y + first) * CELL : (y + last) * CELL, x * CELL : (x + each.width) * CELL]
            _blend_one(rgb, tile, covered, part)


def _strips(rows: int) -> Iterator[tuple[int, int]]:
    """First row and the one after the last of each strip."""
    for first in range(0, rows, _STRIP):
        yield first, min(first + _STRIP, rows)


def _covered(rectangles: Sequence[Rectangle], columns: int, rows: int) -> NDArray[np.bool_]:
    """Which cells a patch covers, (rows + 2, columns + 2): with a margin that counts as covered."""
    covered = np.zeros((rows + 2, columns + 2), bool)
    for each in rectangles:
        covered[each.y + 1 : each.y + each.height + 1, each.x + 1 : each.x + each.width + 1] = True
    covered[[0, -1]] = True
    covered[:, [0, -1]] = True
    return covered


def _blend_one(rgb: NDArray[np.uint8], tile: NDArray[np.uint8], covered: NDArray[np.bool_], part: Rectangle) -> None:
    """Blend a part of a patch: its cells at the edge of the patches are mixed, all others are copied.

    Args:
        rgb: the picture.
        tile: the pixels of the part, as the sheet has them.
        covered: see `_covered`.
        part: where it lies in the picture, in cells.
    """
    # [dy + 1][dx + 1]: whether that neighbour of each cell is free
    window = ~covered[part.y : part.y + part.height + 2, part.x : part.x + part.width + 2]
    free = {(dy, dx): window[1 + dy : 1 + dy + part.height, 1 + dx : 1 + dx + part.width] for dy, dx in _DISTANCES}
    y, x = np.nonzero(np.logical_or.reduce(list(free.values())))
    target = rgb[part.y * CELL : (part.y + part.height) * CELL, part.x * CELL : (part.x + part.width) * CELL]
    tile = tile[: target.shape[0], : target.shape[1]]
    distance = np.full((part.height * CELL, part.width * CELL), FADE + 1, np.uint8)
    blocks = distance.reshape(part.height, CELL, part.width, CELL)
    for offset, mask in free.items():
        near = mask[y, x]
        at = y[near], slice(None), x[near]
        blocks[at] = np.minimum(blocks[at], _DISTANCES[offset])
    distance = distance[: target.shape[0], : target.shape[1]]
    mixed = distance <= FADE
    d = distance[mixed][:, None].astype(np.uint16)
    mixture = (target[mixed] * (FADE + 1 - d) + tile[mixed] * d + (FADE + 1) // 2) // (FADE + 1)
    target[...] = tile
    target[mixed] = mixture


def _distance(dy: int, dx: int) -> NDArray[np.uint8]:
    """How far each pixel of a cell is from the nearest one of a neighbouring cell, (8, 8): the larger of both axes."""
    steps = np.arange(CELL)
    near = {-1: steps + 1, 0: np.zeros(CELL, int), 1: CELL - steps}
    distance: NDArray[np.uint8] = np.maximum(near[dy][:, None], near[dx][None]).astype(np.uint8)
    return distance


_DISTANCES: Final = {(dy, dx): _distance(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)}
"""By row and column of the neighbour, relative to the cell."""
