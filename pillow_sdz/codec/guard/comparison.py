"""Which of two decoded pictures is closer to the original: that of a model, or that of a codec for pixels.

Two distances decide, those that refinement makes smaller (`pillow_sdz.refinement.objective`): structure, which goes
along with SSIMULACRA 2, and the features that the model's encoder sees, which go along with LPIPS-VGG.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pillow_sdz.container.patches import CELL
from pillow_sdz.models import registry
from pillow_sdz.models.runtime import decoding_dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pillow_sdz.container.patches import Rectangle
    from pillow_sdz.models.torch_model import TorchModel
    from pillow_sdz.options import ComputeSettings

DEPTH: Final = 5
"""How many of the encoder's activations are compared."""

LARGEST: Final = 1 << 20
"""Pixels that are compared at most: of larger pictures, a grid of squares."""

SQUARE: Final = 256
"""Side of such a square in pixels."""

SMALLEST: Final = 64
"""Shortest side in pixels of what is compared: smaller pictures are continued by repeating their edges."""

TIE: Final = 1.02
"""How much larger the distance of structure may be for pixels, which at least don't make anything up."""

SMALLEST_DISTANCE: Final = 1e-6
"""Distance of features that counts as none."""

JUDGE: Final = bytes.fromhex("e7e1943b5ec8e498")
"""Fingerprint of the shipped model tiny-8: models of a user's may have its name."""


class Distances(NamedTuple):
    """Distances of a decoded picture from the original; smaller is closer."""

    structure: float
    features: float


class Comparison:
    """Compares decoded pictures with one original. The features are those of one model, whatever model encodes.

    Args:
        original: (H, W, 3).
        settings: device and number type of that model.
    """

    def __init__(self, original: NDArray[np.uint8], settings: ComputeSettings) -> None:
        self._original = original
        self._settings = settings

    @cached_property
    def _model(self) -> TorchModel:
        """The model whose features are compared, loaded when they are."""
        dtype = self._settings.dtype or decoding_dtype(self._settings.device)
        return registry.load(registry.find_by_fingerprint(JUDGE), self._settings.device, dtype)

    def pixels_are_closer(self, pixels: NDArray[np.uint8], synthesised: NDArray[np.uint8], features: float) -> bool:
        """Whether the picture of a codec for pixels is closer to the original than that of a model, by both distances.

        Args:
            pixels, synthesised: (H, W, 3).
            features: how large the distance of features of the first may be, in multiples of the other's.
        """
        one, other = self._distances([pixels, synthesised])
        return one.structure <= TIE * other.structure and one.features <= features * other.features

    def features_in(self, pixels: NDArray[np.uint8], synthesised: NDArray[np.uint8], part: Rectangle) -> float:
        """The distance of features of the first picture, in multiples of the other's, in a part of the pictures.

        Args:
            pixels, synthesised: (H, W, 3).
            part: in cells. Of a part with more than `LARGEST` pixels, only the middle counts.
        """
        longest = int(np.sqrt(LARGEST))
        place = tuple(
            _middle(first * CELL, min(side, (first + count) * CELL), longest)
            for first, count, side in zip((part.y, part.x), (part.height, part.width), pixels.shape[:2], strict=True)
        )
        one, other = self._of_piece((place[0], place[1]), [pixels, synthesised])
        return one.features / max(other.features, SMALLEST_DISTANCE)

    def distances(self, decoded: NDArray[np.uint8]) -> Distances:
        """The distances of a picture (H, W, 3)."""
        return self._distances([decoded])[0]

    def _distances(self, decoded: Sequence[NDArray[np.uint8]]) -> list[Distances]:
        values = [self._of_piece(piece, decoded) for piece in _pieces(*self._original.shape[:2])]
        return [Distances(*each) for each in np.mean(values, axis=0).tolist()]

    def _of_piece(self, piece: tuple[slice, slice], decoded: Sequence[NDArray[np.uint8]]) -> list[Distances]:
        import torch

        from pillow_sdz.models.runtime import isolated
        from pillow_sdz.refinement.objective import feature_distance, unit_features
        from pillow_sdz.refinement.structure import statistics, structure_distance

        def tensor(rgb: NDArray[np.uint8]) -> torch.Tensor:
            part = rgb[piece]
            missing = [(0, max(0, SMALLEST - side)) for side in part.shape[:2]]
            pixels = torch.from_numpy(np.pad(part, (*missing, (0, 0)), "edge")).to(self._model.device)
            return pixels.permute(2, 0, 1)[None].float() / 255

        with isolated():
            original = tensor(self._original)
            known, seen = statistics(original), unit_features(self._model, original, DEPTH)
            found = []
            for each in map(tensor, decoded):
                structure = structure_distance(known, statistics(each)).mean()
                features = feature_distance(seen, unit_features(self._model, each, DEPTH))
                found.append(Distances(float(structure), float(features)))
            return found


def _middle(start: int, end: int, longest: int) -> slice:
    """What a range has in its middle, no longer than ``longest``."""
    spare = max(0, end - start - longest) // 2
    return slice(start + spare, end - spare)


def _pieces(height: int, width: int) -> list[tuple[slice, slice]]:
    """The whole picture, or squares evenly spread over a large one."""
    if height * width <= LARGEST:
        return [(slice(0, height), slice(0, width))]
    places = int(np.sqrt(LARGEST) / SQUARE)
    rows, columns = (np.linspace(0, max(0, side - SQUARE), places).astype(int) for side in (height, width))
    return [(slice(y, y + SQUARE), slice(x, x + SQUARE)) for y in rows for x in columns]
