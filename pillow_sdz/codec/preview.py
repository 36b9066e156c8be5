"""Decoding the preview of a file: one pixel per latent position, by the matrix in the file; no networks, no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pillow_sdz.codec.picture import Picture
from pillow_sdz.payloads.preview_matrix import matrix_from_bytes, preview

if TYPE_CHECKING:
    from pillow_sdz.codec.file import SdzFile


def decode_preview(file: SdzFile) -> Picture:
    """Decode the preview, a picture of (h, w) pixels; alpha is averaged over the pixels of each latent position.

    Args:
        file: a file with a preview section.

    Raises:
        SdzError: the file is damaged, or needs the prior of a model that is missing.
    """
    assert file.container.preview is not None
    header = file.header
    matrix = matrix_from_bytes(file.container.preview, header.channels)
    alpha = file.alpha()
    if alpha is not None:
        alpha = np.asarray(Image.fromarray(alpha).reduce(header.factor))
    return Picture(preview(file.codes(), matrix), alpha, header.mode)
