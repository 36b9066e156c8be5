"""An independent reader of patches, written from the text of `spec/sdz.md`, sections "Sheet" and "Blending".

It works pixel by pixel and shares no code with the package. It is slow and checks nothing: it is only for comparison.
"""

from __future__ import annotations

Box = tuple[int, int, int, int]
"""x, y, width and height of a rectangle, in cells."""

Pixel = tuple[int, ...]
Picture = list[list[Pixel]]


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, lowest first, and the offset after it."""
    value, shift = 0, 0
    while True:
        byte = data[at]
        value += (byte % 128) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def read_section(body: bytes) -> tuple[int, int, list[Box], bytes]:
    """Coding, width of the sheet, rectangles and stream."""
    sheet_width, at = varint(body, 1)
    count, at = varint(body, at)
    boxes = []
    for _ in range(count):
        numbers = []
        for _ in range(4):
            number, at = varint(body, at)
            numbers.append(number)
        boxes.append((numbers[0], numbers[1], numbers[2], numbers[3]))
    return body[0], sheet_width, boxes, body[at:]


def sheet_places(boxes: list[Box], sheet_width: int) -> tuple[list[tuple[int, int]], int]:
    """Where the rectangles are in the sheet, and its height."""
    places = []
    left, top, shelf_height = 0, 0, 0
    for _, _, width, height in boxes:
        if left + width > sheet_width:
            left, top, shelf_height = 0, top + shelf_height, 0
        places.append((left, top))
        left += width
        shelf_height = max(shelf_height, height)
    return places, top + shelf_height


def blended(decoded: Picture, sheet: Picture, boxes: list[Box], sheet_width: int) -> Picture:
    """The picture with its patches, row by row."""
    height, width = len(decoded), len(decoded[0])
    places, _ = sheet_places(boxes, sheet_width)
    source: dict[tuple[int, int], Pixel] = {}
    for (left, top), (x, y, columns, rows) in zip(places, boxes, strict=True):
        for v in range(8 * rows):
            for u in range(8 * columns):
                if 8 * y + v < height and 8 * x + u < width:
                    source[8 * y + v, 8 * x + u] = sheet[8 * top + v][8 * left + u]
    out = [list(row) for row in decoded]
    for (y, x), patch in source.items():
        d = 5
        for v in range(max(0, y - 4), min(height, y + 5)):
            for u in range(max(0, x - 4), min(width, x + 5)):
                if (v, u) not in source:
                    d = min(d, max(abs(v - y), abs(u - x)))
        out[y][x] = tuple((a * (5 - d) + b * d + 2) // 5 for a, b in zip(decoded[y][x], patch, strict=True))
    return out
