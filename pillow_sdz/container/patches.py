"""The patches section: rectangles of the picture whose pixels are coded by themselves, together in one sheet.

Lengths here are in cells of 8 x 8 pixels, counted from the picture's upper left corner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from construct import Int8ul, Struct, Tell, VarInt

from pillow_sdz import limits
from pillow_sdz.coding.boxes import build_box, parse_box, parse_varints, with_varint
from pillow_sdz.errors import SdzFormatError, SdzLimitError
from pillow_sdz.payloads.pixels import streams

if TYPE_CHECKING:
    from collections.abc import Sequence

CELL: Final = 8
"""Side of a cell in pixels."""

PATCHES_HEAD: Final = with_varint(
    Struct("coding" / Int8ul, "sheet_width" / VarInt, "count" / VarInt, "end" / Tell),
    longest=9,  # a byte and two varints of at most four
)
PATCH: Final = with_varint(
    Struct("x" / VarInt, "y" / VarInt, "width" / VarInt, "height" / VarInt, "end" / Tell),
    longest=16,  # four varints of at most four bytes
)


@dataclass(frozen=True, order=True)
class Rectangle:
    """A rectangle of cells.

    Attributes:
        x, y: column and row of its upper left cell.
        width, height: 1 or more.
    """

    x: int
    y: int
    width: int
    height: int

    @property
    def area(self) -> int:
        """Number of cells."""
        return self.width * self.height


@dataclass(frozen=True)
class Patches:
    """A patches section; the stream is still coded.

    Attributes:
        rectangles: of the picture, in the order of the sheet.
        sheet_width: width of the sheet in cells.
        coding: number of the stream's coding, see `pillow_sdz.payloads.pixels.streams`.
        stream: the coded sheet.
    """

    rectangles: tuple[Rectangle, ...]
    sheet_width: int
    coding: int
    stream: bytes

    def sheet_size(self) -> tuple[int, int]:
        """Width and height of the sheet in pixels."""
        return self.sheet_width * CELL, layout(self.rectangles, self.sheet_width)[1] * CELL

    def share(self, width: int, height: int) -> float:
        """The share of a picture of this size, in pixels, that the rectangles cover, 0.0 to 1.0."""
        covered = sum(
            (min((each.x + each.width) * CELL, width) - each.x * CELL)
            * (min((each.y + each.height) * CELL, height) - each.y * CELL)
            for each in self.rectangles
        )
        return covered / (width * height)


def cells(width: int, height: int) -> tuple[int, int]:
    """Columns and rows of cells of a picture whose size is given in pixels."""
    return -(-width // CELL), -(-height // CELL)


def layout(rectangles: Sequence[Rectangle], sheet_width: int) -> tuple[list[tuple[int, int]], int]:
    """Where the rectangles are in the sheet: on shelves, from left to right, in their order.

    One that no longer fits beside the others starts a new shelf, below the highest one of the shelf before.

    Args:
        rectangles: none of them wider than the sheet.
        sheet_width: in cells.

    Returns:
        Column and row of the upper left cell of each, and the height of the sheet in cells.

    >>> layout([Rectangle(0, 0, 3, 1), Rectangle(9, 0, 2, 2), Rectangle(0, 5, 4, 1)], 5)
    ([(0, 0), (3, 0), (0, 2)], 3)
    """
    places, x, top, highest = [], 0, 0, 0
    for each in rectangles:
        if x + each.width > sheet_width:
            x, top, highest = 0, top + highest, 0
        places.append((x, top))
        x, highest = x + each.width, max(highest, each.height)
    return places, top + highest


def parse_patches(body: bytes, width: int, height: int) -> Patches:
    """Parse and check a patches section: rectangles, size of the sheet, headers of its stream. Decodes no pixels.

    Args:
        body: of the section.
        width, height: of the picture in pixels.

    Raises:
        SdzFormatError: the section is damaged, or breaks a rule of rectangles or sheets.
        SdzLimitError: there are too many rectangles, or the sheet is too large.
        SdzVersionError: the coding is unknown.
    """
    field = "patches"
    head = parse_box(PATCHES_HEAD, body, 0, field=field)
    if not 1 <= head.count <= limits.MAX_PATCHES:
        error = SdzLimitError if head.count else SdzFormatError
        raise error("is out of range", field="patches, count", found=head.count, expected=f"1 to {limits.MAX_PATCHES}")
    numbers, offset = parse_varints(body, head.end, 4 * head.count, field=field)
    rectangles = tuple(Rectangle(*numbers[at : at + 4]) for at in range(0, len(numbers), 4))
    patches = Patches(rectangles, head.sheet_width, head.coding, body[offset:])
    check_patches(patches, width, height)
    return patches


def build_patches(patches: Patches, width: int, height: int) -> bytes:
    """Serialise a patches section of a picture whose size is given in pixels; the errors are those of `parse_patches`.

    Raises:
        SdzError: the patches break a rule.
    """
    check_patches(patches, width, height)
    head = build_box(
        PATCHES_HEAD, coding=patches.coding, sheet_width=patches.sheet_width, count=len(patches.rectangles)
    )
    boxes = (build_box(PATCH, x=each.x, y=each.y, width=each.width, height=each.height) for each in patches.rectangles)
    return head + b"".join(boxes) + patches.stream


def check_patches(patches: Patches, width: int, height: int) -> None:
    """Check patches of a picture whose size is given in pixels; the errors are those of `parse_patches`.

    Raises:
        SdzError: the patches break a rule.
    """
    check_rectangles(patches.rectangles, width, height)
    check_sheet(patches.rectangles, patches.sheet_width)
    sheet_width, sheet_height = patches.sheet_size()
    streams.check(patches.coding, patches.stream, sheet_width, sheet_height, "patches")


def check_sheet(rectangles: Sequence[Rectangle], sheet_width: int) -> None:
    """Check that a sheet of this width in cells holds some rectangles, and is not too large for them.

    Raises:
        SdzFormatError: it is narrower than one of them.
        SdzLimitError: a side is longer than `limits.MAX_SHEET_SIDE`, or too much of the sheet is empty.
    """
    widest = max(each.width for each in rectangles)
    if sheet_width < widest:
        raise SdzFormatError(
            "is narrower than a patch", field="patches, sheet_width", found=sheet_width, expected=f"at least {widest}"
        )
    rows = layout(rectangles, sheet_width)[1]
    if max(sheet_width, rows) * CELL > limits.MAX_SHEET_SIDE:
        raise SdzLimitError(
            "the sheet is too large", field="patches", found=f"{sheet_width * CELL} x {rows * CELL}",
            expected=f"sides of at most {limits.MAX_SHEET_SIDE} pixels",
        )  # fmt: skip
    area = sum(each.area for each in rectangles)
    largest = 2 * area + limits.MAX_SPARE_CELLS
    if sheet_width * rows > largest:
        raise SdzLimitError(
            "the sheet is too large for its patches", field="patches", found=f"{sheet_width * rows} cells",
            expected=f"at most {largest} for patches of {area} cells",
        )  # fmt: skip


def check_rectangles(rectangles: Sequence[Rectangle], width: int, height: int) -> None:
    """Check that rectangles lie within a picture, whose size is given in pixels, and that no two overlap.

    Raises:
        SdzFormatError: one has a side of 0, reaches beyond the picture, or overlaps with another.
        SdzLimitError: there are more than `limits.MAX_PATCHES`, or none.
    """
    if not 1 <= len(rectangles) <= limits.MAX_PATCHES:
        raise SdzLimitError(
            "is out of range", field="patches, count", found=len(rectangles), expected=f"1 to {limits.MAX_PATCHES}"
        )
    columns, rows = cells(width, height)
    for number, each in enumerate(rectangles, 1):
        if min(each.width, each.height) < 1:
            found = f"{each.width} x {each.height}"
            raise SdzFormatError("has an empty side", field=f"patch {number}", found=found, expected="1 cell or more")
        if min(each.x, each.y) < 0 or each.x + each.width > columns or each.y + each.height > rows:
            raise SdzFormatError(
                "reaches beyond the picture", field=f"patch {number}",
                found=f"{each.width} x {each.height} at ({each.x}, {each.y})",
                expected=f"within {columns} x {rows} cells",
            )  # fmt: skip
    edges = np.array([(each.x, each.y, each.x + each.width, each.y + each.height) for each in rectangles])
    left, top, right, bottom = edges.T
    for number in range(1, len(rectangles)):
        overlap = (
            (left[:number] < right[number])
            & (left[number] < right[:number])
            & (top[:number] < bottom[number])
            & (top[number] < bottom[:number])
        )
        if overlap.any():
            other = int(overlap.argmax()) + 1
            raise SdzFormatError("overlaps with another", field=f"patch {number + 1}", found=f"patch {other}")
