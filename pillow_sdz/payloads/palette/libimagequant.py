"""libimagequant, which takes four latent channels for RGBA: start palettes for k-means, and the dithered palettes of
Bühlmann's experiment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.errors import SdzModelError, needs_packages
from pillow_sdz.payloads.palette.kmeans import cluster
from pillow_sdz.payloads.palette.layers import Layer

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEEDED_FOR: Final = "making a palette"
"""What needs the package, for error messages."""

CHANNELS: Final = 4
MAX_ENTRIES: Final = 256
"""libimagequant takes pictures of this many channels, and makes palettes of at most this many entries."""

LOWEST_ALPHA: Final = 112
"""The fourth channel is scaled to this value .. 255 for start palettes: libimagequant takes it for opacity, and weights
the other channels by it. That gave 28 % less error on latents of photos than the channel as it is. Values from 96 to
144 give about the same."""

SPEED, DITHERING = 1, 1.0
"""Settings of libimagequant in Bühlmann's experiment. The functions of the Python package cannot set the speed, and use
4."""


def initial_palette(codes: NDArray[np.uint8], colors: int) -> NDArray[np.int16]:
    """A palette for codes, made by libimagequant, for k-means to start from.

    Args:
        codes: (n, 4).
        colors: most entries, 2 to 256.

    Returns:
        (N, 4) entries, the means of libimagequant's clusters, N <= ``colors``.

    Raises:
        SdzDependencyError: the imagequant package is missing.
    """
    with needs_packages(NEEDED_FOR):
        import imagequant
    pixels = np.ascontiguousarray(codes).copy()
    pixels[:, 3] = LOWEST_ALPHA + codes[:, 3].astype(np.uint16) * (255 - LOWEST_ALPHA) // 255
    data, _ = imagequant.quantize_raw_rgba_bytes(
        pixels.tobytes(), len(pixels), 1, dithering_level=0.0, max_colors=colors
    )
    indices = np.frombuffer(data, np.uint8).astype(np.uint16)
    used = cluster(codes, indices, MAX_ENTRIES)
    return np.rint(used.centroids[used.counts > 0]).astype(np.int16)


def dithered(codes: NDArray[np.uint8], colors: int) -> Layer:
    """Palette and indices by libimagequant, with error diffusion (dithering).

    Args:
        codes: (h, w, 4).
        colors: most entries of the palette, 2 to 256.

    Returns:
        The layer: the palette in libimagequant's order, (N, 4), and the indices.

    Raises:
        SdzDependencyError: the imagequant package is missing.
        SdzModelError: libimagequant fails.
    """
    with needs_packages(NEEDED_FOR):
        from imagequant import ffi, lib
    height, width = codes.shape[:2]
    pixels = np.ascontiguousarray(codes).tobytes()
    attributes = lib.liq_attr_create()
    lib.liq_set_max_colors(attributes, colors)
    lib.liq_set_speed(attributes, SPEED)
    image = lib.liq_image_create_rgba(attributes, pixels, width, height, 0)
    result = ffi.new("liq_result**")
    try:
        if code := lib.liq_image_quantize(image, attributes, result):
            raise SdzModelError(f"libimagequant made no palette: error {code}")
        lib.liq_set_dithering_level(result[0], DITHERING)
        indices = ffi.new("unsigned char[]", width * height)
        lib.liq_write_remapped_image(result[0], image, indices, width * height)
        palette = lib.liq_get_palette(result[0])
        count = max(2, palette.count)  # a layer needs two entries; one that libimagequant did not make is 0
        entries = [(c.r, c.g, c.b, c.a) for c in palette.entries[0:count]]
        plane = np.frombuffer(ffi.buffer(indices), np.uint8).astype(np.uint16)
    finally:
        if result[0]:
            lib.liq_result_destroy(result[0])
        lib.liq_image_destroy(image)
        lib.liq_attr_destroy(attributes)
    return Layer(np.array(entries, np.uint8), plane.reshape(height, width))
