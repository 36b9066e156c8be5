"""What refinement makes smaller: a weighted sum of distances between a picture and its reconstruction.

Structure and absolute differences bring the reconstruction closer to the picture; alone, they would smooth textures
away. Features hold the look: what the model's own encoder sees of both, compared as LPIPS compares what VGG16 sees
(Zhang et al. 2018). Latents get gradients from it that resemble those of LPIPS-VGG more than those of LPIPS-Alex do
(tools/train/RUNS.md), and it takes no weights but the model's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from pillow_sdz.refinement.schedule import PLACES
from pillow_sdz.refinement.structure import statistics, structure_distance

if TYPE_CHECKING:
    from pillow_sdz.models.torch_model import TorchModel
    from pillow_sdz.refinement.schedule import Schedule

ABSOLUTE: Final = 0.5
"""Weight of the mean absolute difference of RGB values in [0, 1]."""

STRUCTURE: Final = 6.0
"""Weight of the distance of structure."""

EPSILON: Final = 1e-2
"""Added to the length of a feature vector before dividing by it: bounds gradients where all features are 0."""


class Objective:
    """The distance to one picture, whose own part is computed once.

    Args:
        model: its encoder gives the features.
        original: (1, 3, h, w), RGB in [0, 1].
        schedule: depth and weight of the features.
        start: row and column where the part of the pictures starts whose features are compared.
    """

    def __init__(
        self, model: TorchModel, original: Tensor, schedule: Schedule, start: tuple[int, int] = (0, 0)
    ) -> None:
        self._model, self._original, self._schedule, self._start = model, original, schedule, start
        with torch.no_grad():
            self._statistics = statistics(original)
            self._seen = self._features(original)

    def __call__(self, decoded: Tensor) -> Tensor:
        """The distance of a reconstruction (1, 3, h, w), a scalar."""
        value = ABSOLUTE * (decoded - self._original).abs().mean()
        value = value + STRUCTURE * structure_distance(self._statistics, statistics(decoded.clamp(0, 1))).mean()
        return value + self._schedule.features * feature_distance(self._seen, self._features(decoded))

    def _features(self, picture: Tensor) -> list[Tensor]:
        """Feature vectors of unit length, (1, C, h, w) each."""
        return unit_features(self._model, picture, self._schedule.depth, self._start)


def feature_distance(one: list[Tensor], other: list[Tensor]) -> Tensor:
    """The distance of two pictures by their `unit_features`, a scalar: the mean squared difference of all depths."""
    return torch.stack([(a - b).square().sum(1).mean() for a, b in zip(one, other, strict=True)]).mean()


def unit_features(model: TorchModel, picture: Tensor, depth: int, start: tuple[int, int] = (0, 0)) -> list[Tensor]:
    """What a model's encoder sees of a picture: feature vectors of unit length, (1, C, h, w) each.

    Args:
        model: the model.
        picture: (1, 3, h, w), RGB in [0, 1].
        depth: how many of the encoder's activations.
        start: row and column where the part of the picture starts that is looked at; its end is a multiple of 8 pixels
            away.
    """
    height, width = ((side - first) // PLACES * PLACES for side, first in zip(picture.shape[2:], start, strict=True))
    top, left = start
    part = picture[:, :, top : top + height, left : left + width]
    vectors = [each.float() for each in model.activations(part, depth)]
    return [each / (torch.linalg.vector_norm(each, dim=1, keepdim=True) + EPSILON) for each in vectors]
