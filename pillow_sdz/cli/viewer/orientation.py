"""Pictures and rectangles turned as the EXIF orientation says, because browsers take no orientation from a PNG."""

from __future__ import annotations

from typing import Final

from PIL import ExifTags, Image

Box = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""

UPRIGHT: Final = 1

METHODS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How a picture of each orientation becomes upright, as in `PIL.ImageOps.exif_transpose`."""

_SWAPPED: Final = (5, 6, 7, 8)
_FROM_THE_RIGHT: Final = (2, 3, 6, 7)  # after rows and columns have been swapped
_FROM_BELOW: Final = (3, 4, 7, 8)


def orientation_of(image: Image.Image) -> int:
    """The orientation in an image's EXIF or XMP, 1 to 8; 1 where there is none, or none that can be read."""
    try:
        found = image.getexif().get(ExifTags.Base.Orientation, UPRIGHT)
    except Exception:  # Pillow's reader of EXIF may raise anything for damaged data, and the picture can be shown
        return UPRIGHT
    return found if isinstance(found, int) and found in METHODS else UPRIGHT


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """A picture as it is meant to be seen."""
    return image if orientation == UPRIGHT else image.transpose(METHODS[orientation])


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Width and height of a picture after it was turned."""
    return size[::-1] if orientation in _SWAPPED else size


def upright_box(box: Box, size: tuple[int, int], orientation: int) -> Box:
    """Where a rectangle of a picture is after the picture was turned.

    Args:
        box: the rectangle; it may reach beyond the picture.
        size: width and height of the picture before.
        orientation: 1 to 8.

    >>> upright_box((0, 0, 10, 5), (100, 50), 6)  # what was at the upper left is at the upper right
    (45, 0, 5, 10)
    """
    left, top, width, height = box
    if orientation in _SWAPPED:
        left, top, width, height = top, left, height, width
    whole_width, whole_height = upright_size(size, orientation)
    if orientation in _FROM_THE_RIGHT:
        left = whole_width - left - width
    if orientation in _FROM_BELOW:
        top = whole_height - top - height
    return left, top, width, height
