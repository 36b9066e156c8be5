"""Decoding a preview: the picture at 1/8 of its size and less, from the codes alone; without torch, without Pillow.

A preview of *stride* s has one pixel for s x s latent positions, and shows their mean colour. It comes from the model's
preview networks, or from the matrix in the file (`pillow_sdz.payloads.preview_networks`, `preview_matrix`). Where the
codes are the pixels, it is their mean, and blocks of 8 x 8 pixels stand for the positions. Patches are left out: at an
eighth of the size they show as little as what they cover.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pillow_sdz.codec.box_mean import box_mean
from pillow_sdz.codec.picture import Picture
from pillow_sdz.models import model_data
from pillow_sdz.payloads.preview_matrix import matrix_from_bytes, preview
from pillow_sdz.payloads.preview_networks import STRIDES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pillow_sdz.codec.file import SdzFile

BLOCK: Final = 8
"""Side in pixels of the blocks that previews of pixels are made of."""

MOST_ENLARGED: Final = 1.1
"""By how much a preview may be enlarged to a thumbnail, before a finer one is taken."""

FAST_VALUES: Final = 1 << 20
"""Number of latent values (8 megapixels with the shipped model) up to which a preview comes from a finer grid than its
own, because it is then closer to the picture. Decoding a million values takes a few tenths of a second."""


def has_preview(file: SdzFile) -> bool:
    """Whether `decode_preview` has what it needs besides the codes: preview networks, or a matrix; pixels need none."""
    if not file.needs_model:
        return True
    return file.container.preview is not None or model_data.has_preview_networks(file.header.fingerprint)


def preview_scale(file: SdzFile, stride: int) -> int:
    """Side of the square of the picture's pixels that a pixel of a preview stands for."""
    return stride * (file.header.factor if file.needs_model else BLOCK)


def stride_for(file: SdzFile, width: float, height: float, most_enlarged: float) -> int | None:
    """The largest stride whose preview is at least as large as the picture when fitted into a box.

    Of two strides that give the same size, it is the smaller one.

    Args:
        file: the file.
        width, height: of the box in pixels.
        most_enlarged: by how much the part of the preview that shows the picture (its last row and column may reach
            beyond it) may be scaled up to that size, 1 or more.

    Returns:
        One of `STRIDES`; None if only the picture itself is large enough.
    """
    header = file.header
    fitted = min(width / header.width, height / header.height)
    wanted = int(header.width * fitted), int(header.height * fitted)
    sizes = {}
    for stride in STRIDES:
        size, scale = preview_size(file, stride), most_enlarged / preview_scale(file, stride)
        shown = header.width * scale, header.height * scale
        if all(limit >= side for limit, side in zip((*size, *shown), (*wanted, *wanted), strict=True)):
            sizes[stride] = size
    return next((stride for stride, size in sizes.items() if size == min(sizes.values())), None)


def preview_size(file: SdzFile, stride: int) -> tuple[int, int]:
    """Width and height of a preview in pixels. The last row and column may reach beyond the picture."""
    scale = preview_scale(file, stride)
    return -(-file.header.width // scale), -(-file.header.height // scale)


def decode_preview(file: SdzFile, stride: int) -> Picture:
    """Decode the preview of a stride; alpha is averaged over the pixels that each pixel of the preview stands for.

    Args:
        file: a file that `has_preview`.
        stride: one of `STRIDES`.

    Raises:
        SdzError: the file is damaged, or needs the prior of a model that is missing.
    """
    header = file.header
    alpha = file.alpha()
    if alpha is not None:
        alpha = box_mean(alpha, preview_scale(file, stride))
    return Picture(preview_rgb(file, stride), alpha, header.mode)


def preview_rgb(file: SdzFile, stride: int) -> NDArray[np.uint8]:
    """Decode the colours of a preview, (h, w, 3): from the finest grid that is fast, averaged. See `decode_preview`."""
    if not file.needs_model:
        return box_mean(file.codes(), preview_scale(file, stride))
    networks = model_data.preview_networks(file.header.fingerprint)
    if networks is not None:
        grid = _grid(file, stride)
        rgb = networks.preview(file.codes(grid), grid)
    else:
        assert file.container.preview is not None
        grid = 1
        rgb = preview(file.codes(), matrix_from_bytes(file.container.preview, file.header.channels))
    return rgb if grid == stride else box_mean(rgb, stride // grid)


def _grid(file: SdzFile, stride: int) -> int:
    """The finest grid of up to `FAST_VALUES` values, but no coarser one than the preview's own."""
    for grid in STRIDES[: STRIDES.index(stride)]:
        width, height = preview_size(file, grid)
        if width * height * file.header.channels <= FAST_VALUES:
            return grid
    return stride
