"""Finds what must not be changed: lettering, faces and lattices, for each cell of 8x8 pixels.

The network (`pillow_sdz.models.networks.detector`) runs in the encoder alone, so that readers never
need it, and its results may differ by rounding between machines. `tools/train/detector.py` has trained it.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pillow_sdz.errors import SdzModelError, naming_file
from pillow_sdz.models.manifest_fields import REINSTALL
from pillow_sdz.models.tiling import windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

CELL: Final = 8
"""Pixels of a cell along each axis."""

TEXT: Final = 0
"""Class of lettering: text of 6 to 60 pixels height in any script, digits, signs, QR codes, strokes of diagrams."""

FACE: Final = 1
"""Class of human faces of 14 to 160 pixels height."""

LATTICE: Final = 2
"""Class of regular structures: rows of windows, pickets, grids, bricks, roof tiles, weaves, blinds."""

CLASSES: Final = 3
"""Number of classes."""

WEIGHTS_PATH: Final = Path(__file__).with_name("detector.safetensors")
"""The network's weights, float16."""

WEIGHTS_SHA256: Final = "c745980d8ea9b0169ecb000db024d13c52ff4f9bd604cd44fb497587722713ab"
"""Digest of that file, in hex."""

WHOLE_CELLS: Final = 176
"""Pictures with at most this many cells a side are seen at once."""

CORE_CELLS: Final = 128
"""Cells a side of a tile of larger pictures, without its margin: with it the network needs some 230 MB."""


def detect(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities of the classes `TEXT`, `FACE` and `LATTICE`.

    Large pictures are worked on in tiles, with the result of the whole but for rounding.

    Args:
        rgb: (H, W, 3), at least one pixel.

    Returns:
        (ceil(H / 8), ceil(W / 8), 3), each in 0 .. 1; the classes do not exclude each other.

    Raises:
        SdzModelError: the file with the weights is missing or damaged.
    """
    import torch

    from pillow_sdz.models.networks.detector import CONTEXT
    from pillow_sdz.models.runtime import isolated

    network = _network()
    height, width = (-(-side // CELL) for side in rgb.shape[:2])
    core = WHOLE_CELLS if max(height, width) <= WHOLE_CELLS else CORE_CELLS
    result = np.empty((height, width, CLASSES), np.float32)
    for window in windows(height, width, core, CONTEXT // CELL):
        top, bottom, left, right = (cells * CELL for cells in window.outer)
        piece = rgb[top:bottom, left:right]
        missing = ((0, bottom - top - piece.shape[0]), (0, right - left - piece.shape[1]), (0, 0))
        pixels = torch.from_numpy(np.pad(piece, missing, "edge").astype(np.float32)).permute(2, 0, 1)[None]
        with isolated():  # channels are adjacent in memory, as convolutions on CPUs like them
            probabilities = torch.sigmoid(network(pixels))[0].permute(1, 2, 0).numpy()
        rows, columns = slice(*window.core[:2]), slice(*window.core[2:])
        inner = window.inner
        result[rows, columns] = probabilities[inner[0] : inner[1], inner[2] : inner[3]]
    return result


@lru_cache(maxsize=1)
def _network() -> Any:
    """The network with its weights, on the CPU.

    Raises:
        SdzModelError: the file with the weights is missing or damaged.
    """
    import torch
    from safetensors.torch import load

    from pillow_sdz.models.networks.detector import Detector
    from pillow_sdz.models.weights import adopt

    with naming_file(WEIGHTS_PATH):
        try:
            data = WEIGHTS_PATH.read_bytes()
        except OSError as error:
            raise SdzModelError(f"cannot read the detector's weights: {error}", remedy=REINSTALL) from error
        if (found := hashlib.sha256(data).hexdigest()) != WEIGHTS_SHA256:
            raise SdzModelError(
                "the detector's weights are not those of this version of pillow_sdz", field="SHA-256",
                found=found[:16], expected=WEIGHTS_SHA256[:16], remedy=REINSTALL,
            )  # fmt: skip
        with torch.device("meta"):
            network = Detector()
        adopt(network, load(data))
    network.eval().requires_grad_(False)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network
