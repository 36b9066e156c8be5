"""Refinement: gradient steps that move a latent so that what the decoder makes of it comes closer to the picture.

Each step quantises the latent in the closed loop, as the file will store it, reconstructs the picture, and moves the
latent down the gradient of `objective` and of the bits that it costs. The gradient takes quantisation for the identity
(straight-through estimator, Bengio et al. 2013). Large pictures are worked on in tiles, so that memory is bounded.

torch is imported within functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models.model import padded
from pillow_sdz.models.progress import in_turn
from pillow_sdz.models.runtime import DTYPE_VARIABLE, isolated
from pillow_sdz.models.tiling import windows
from pillow_sdz.payloads.codes import HIGHEST_TARGET, LOWEST_TARGET, to_latents
from pillow_sdz.refinement.schedule import place

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from pillow_sdz.models.tiling import Window
    from pillow_sdz.models.torch_model import TorchModel
    from pillow_sdz.payloads.protocol import ClosedLoop
    from pillow_sdz.refinement.schedule import Schedule

CORE: Final = 640
"""Side of a tile's core in pixels: encoding 24 megapixels then takes less than 2 GB."""

MARGIN: Final = 16
"""Latent positions around a tile's core that are reconstructed, too. The U-Net sees further, but hardly."""

SMALLEST_SHIFTED: Final = 64
"""Shortest side in pixels of a tile whose features are compared at shifted places: shifts leave out some pixels."""

DECAYS: Final = (0.9, 0.99)
"""Decay of Adam's averages of gradients and of their squares (Kingma and Ba 2015)."""


def refine(
    model: TorchModel,
    rgb: NDArray[np.uint8],
    targets: NDArray[np.float32],
    loop: ClosedLoop,
    schedule: Schedule,
) -> NDArray[np.float32]:
    """Refine a latent.

    Args:
        model: reconstructs; in the number type that gradients are computed in.
        rgb: (H, W, 3), the picture.
        targets: (h, w, C), signed codes before rounding, from the encoder.
        loop: quantises as the file will.
        schedule: number and sizes of the steps.

    Returns:
        (h, w, C), signed codes before rounding. The same arguments give the same values on one machine.

    Raises:
        SdzModelError: a gradient is infinite or NaN.
    """
    adam = _Adam(targets.shape)
    for number, rate in enumerate(schedule.rates()):
        gradient = _gradient(model, rgb, targets, loop, schedule, number)
        if not np.isfinite(gradient).all():
            raise SdzModelError(
                f"model {model.manifest.full_name} gives gradients that are not numbers",
                field="latent",
                found=f"number type {model.dtype}",
                remedy=f"save with {DTYPE_VARIABLE}=float32, or with effort=3, which refines nothing",
            )
        targets = np.clip(targets - adam.change(gradient, rate * loop.step), LOWEST_TARGET, HIGHEST_TARGET)
    return targets


class _Adam:
    """Adam (Kingma and Ba 2015), but with one average of squares for all channels of a position.

    Positions then move by the same length, whatever their gradient's, but in its direction: with an average for each
    value, all values would move by the same amount in the first steps, also those that hardly matter.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._mean, self._square = np.zeros(shape, np.float32), np.zeros((*shape[:2], 1), np.float32)
        self._steps = 0

    def change(self, gradient: NDArray[np.float32], rate: float) -> NDArray[np.float32]:
        """What to subtract, given the next gradient (h, w, C): about ``rate`` in root mean square over the channels."""
        first, second = DECAYS
        self._steps += 1
        self._mean += np.float32(1 - first) * (gradient - self._mean)
        self._square += np.float32(1 - second) * ((gradient * gradient).mean(2, keepdims=True) - self._square)
        mean = self._mean / np.float32(1 - first**self._steps)
        size = np.sqrt(self._square / np.float32(1 - second**self._steps))
        change: NDArray[np.float32] = np.float32(rate) * mean / (size + np.float32(1e-12))
        return change


def _gradient(
    model: TorchModel,
    rgb: NDArray[np.uint8],
    targets: NDArray[np.float32],
    loop: ClosedLoop,
    schedule: Schedule,
    number: int,
) -> NDArray[np.float32]:
    """The objective's gradient by the signed codes, (h, w, C), in step ``number``."""
    import torch

    from pillow_sdz.refinement.objective import Objective

    codes, slopes = loop.quantise(targets)
    height, width = targets.shape[:2]
    mapping = model.manifest.codes
    gradient = slopes * np.float32(schedule.bits * loop.step / (height * width * mapping.factor**2))
    noise = loop.noise * mapping.step
    tiles = list(windows(height, width, CORE // mapping.factor, MARGIN))
    with isolated(gradients=True):
        for window in in_turn("refining", tiles, before=number * len(tiles), total=schedule.steps * len(tiles)):
            top, bottom, left, right = window.outer
            rows = np.ascontiguousarray(to_latents(codes[top:bottom, left:right], mapping.step))
            latents = torch.from_numpy(rows).permute(2, 0, 1)[None].to(model.device).requires_grad_()
            original = _original(rgb, window, mapping.factor).to(model.device)
            shifted = schedule.shifted and min(original.shape[2:]) >= SMALLEST_SHIFTED
            objective = Objective(model, original, schedule, place(number) if shifted else (0, 0))
            y0, y1, x0, x1 = (side * mapping.factor for side in window.inner)
            value = objective(model.reconstruct(latents, noise)[:, :, y0:y1, x0:x1])
            (found,) = torch.autograd.grad(value, latents)
            rows = found[0].permute(1, 2, 0).cpu().numpy()
            share = (y1 - y0) * (x1 - x0) / (height * width * mapping.factor**2)
            gradient[top:bottom, left:right] += rows * np.float32(mapping.step * share)
    return gradient


def _original(rgb: NDArray[np.uint8], window: Window, factor: int) -> Tensor:
    """The pixels of a tile's core, (1, 3, h, w) float32 in [0, 1]."""
    import torch

    pixels = np.ascontiguousarray(padded(rgb, window.core, factor))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
