"""A model in memory: encodes pictures to latents, denoises latents, and decodes them to pictures, tile by tile.

`Model` has the windows; `pillow_sdz.models.torch_model` and `pillow_sdz.models.onnx_model` run the networks on one
window. This module imports neither torch nor ONNX Runtime.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models.diffusion.denoise import denoise, timesteps
from pillow_sdz.models.progress import in_turn
from pillow_sdz.models.tiling import fading_windows, paste, windows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from pillow_sdz.models.manifest import Manifest
    from pillow_sdz.models.protocols import NoisePredictor, Scheduler
    from pillow_sdz.models.tiling import Window


class Cores(NamedTuple):
    """Longest sides of the tiles' cores (the tiles without their overlap).

    Attributes:
        autoencoder: in pixels.
        unet: in latent positions. The U-Net needs little memory per position, and its tiles overlap widely, so large
            tiles are cheaper.
    """

    autoencoder: int
    unet: int


CORES: Final = {2: Cores(1024, 512), 4: Cores(704, 320)}
"""Cores by the bytes of an activation. 24 megapixels then decode in 600 MB beyond the picture in bfloat16, in 750 MB in
float32; half of that is Python, torch and the model (`tools/bench/bench_large.py`)."""

MAX_OVERLAP_RADII: Final = 4
"""Overlap is capped at this many receptive radii of the U-Net. Each step of denoising reaches one radius further, but
latents more than four radii away make no visible difference, and hundreds of steps would make every tile the whole
picture."""

MIN_ALPHA: Final = 1e-8
"""Lower bound of ``alphas_cumprod`` where it is a divisor: noise schedules that end in pure noise have 0 there."""


class Model(ABC):
    """Networks and manifest of one model. All methods are safe to call from several threads.

    The methods that start with an underscore run a network on one window, each in its own runtime.

    Attributes:
        manifest: what the model's folder says.
        unet: predicts noise; None for a model without a U-Net.
        scheduler: removes the noise that the U-Net predicts; None without a U-Net.
        activation_bytes: size of an activation of the networks, 2 or 4.
    """

    manifest: Manifest
    unet: NoisePredictor | None
    scheduler: Scheduler | None

    @property
    @abstractmethod
    def activation_bytes(self) -> int:
        """See above."""

    @abstractmethod
    def _running(self) -> AbstractContextManager[None]:
        """What the networks run in."""

    @abstractmethod
    def _encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Pixels (H, W, 3) -> latents (h, w, C), not limited yet; the factor divides H and W."""

    @abstractmethod
    def _denoise(self, latents: NDArray[np.float32], noise: float, denoise_steps: int) -> NDArray[np.float32]:
        """Latents (h, w, C) -> the same without noise, by `_denoised`."""

    @abstractmethod
    def _decode(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        """Latents (h, w, C) -> whole numbers from 0 to 255, (H, W, 3).

        Raises:
            SdzModelError: the network gives infinite values or NaN.
        """

    def encode(self, rgb: NDArray[np.uint8], tile: int | None = None) -> NDArray[np.float32]:
        """Picture (H, W, 3) -> latents (h, w, C), h = ceil(H / factor); the picture is padded with its edge pixels.

        ``tile`` is the longest side of a tile's core in pixels; None takes that of `CORES`.

        Raises:
            SdzModelError: the model has no encoder.
        """
        self.check_encoder()
        codes = self.manifest.codes
        height, width = (-(-side // codes.factor) for side in rgb.shape[:2])
        latents = np.empty((height, width, codes.channels), np.float32)

        def encoded(window: Window) -> NDArray[np.float32]:
            latent = self._encode(padded(rgb, window.outer, codes.factor))
            return latent if codes.bound is None else codes.bound * np.tanh(latent / codes.bound)

        tiles = self._picture_tiles((height, width), tile, self.manifest.context.encoder)
        self._fill(latents, 1, in_turn("encoding", tiles), encoded)
        return latents

    @abstractmethod
    def check_encoder(self) -> None:
        """Check that the model has an encoder.

        Raises:
            SdzModelError: it has none.
        """

    def noise_at(self, strength: float) -> float:
        """The noise level of the timestep at this share, 0 to 1, of the noise schedule; 0 without a U-Net.

        It is a root mean square error in the autoencoder's units, as `denoise` takes it.
        """
        if self.scheduler is None:
            return 0.0
        alphas = self.scheduler.alphas_cumprod
        alpha = float(alphas[min(int(strength * len(alphas)), len(alphas) - 1)])
        level = ((1 - alpha) / max(alpha, MIN_ALPHA)) ** 0.5 / self.manifest.latent_scaling
        # slightly less: `timesteps` takes the first timestep with as much noise or more, and rounding must not skip it
        return float(level * (1 - 1e-5))

    def denoise(self, latents: NDArray[np.float32], noise: float, denoise_steps: int) -> NDArray[np.float32]:
        """Remove quantisation noise from latents (h, w, C) whose root mean square error is ``noise``.

        Both are in the autoencoder's units, not scaled for the U-Net. Without a U-Net, or with ``denoise_steps`` = 0,
        the latents come back unchanged.
        """
        if self.unet is None or self.scheduler is None or denoise_steps == 0:
            return latents
        overlap = self.manifest.context.unet
        if not self.manifest.window:
            scaled = noise * self.manifest.latent_scaling
            overlap *= min(len(timesteps(self.scheduler, scaled, denoise_steps)), MAX_OVERLAP_RADII)
        result = np.empty_like(latents)

        def denoised(window: Window) -> NDArray[np.float32]:
            top, bottom, left, right = window.outer
            return self._denoise(latents[top:bottom, left:right], noise, denoise_steps)

        tiles = self._windows(latents.shape[:2], CORES[self.activation_bytes].unet, overlap)
        self._fill(result, 1, in_turn("denoising", tiles), denoised)
        return result

    def _denoised(self, sample: Any, noise: float, denoise_steps: int) -> Any:
        """`denoise` for one window, (1, C, h, w): a tensor or an array, as the U-Net takes it."""
        assert self.unet is not None
        assert self.scheduler is not None
        scaling, shift = self.manifest.latent_scaling, self.manifest.latent_shift
        sample = (sample - shift if shift else sample) * scaling
        clean = denoise(self.unet, self.scheduler, sample, noise * scaling, denoise_steps) / scaling
        return clean + shift if shift else clean

    def decode(
        self, latents: NDArray[np.float32], height: int, width: int, tile: int | None = None
    ) -> NDArray[np.uint8]:
        """Latents (h, w, C) -> picture (``height``, ``width``, 3), cropped from the grid. ``tile`` as in `encode`.

        Raises:
            SdzModelError: the autoencoder gives infinite values or NaN.
        """
        factor = self.manifest.codes.factor
        rgb = np.empty((latents.shape[0] * factor, latents.shape[1] * factor, 3), np.uint8)

        def decoded(window: Window) -> NDArray[np.float32]:
            top, bottom, left, right = window.outer
            return self._decode(latents[top:bottom, left:right])

        tiles = self._picture_tiles(latents.shape[:2], tile, self.manifest.context.decoder)
        self._fill(rgb, factor, in_turn("decoding", tiles), decoded)
        return rgb[:height, :width]

    def _fill(
        self, target: NDArray[Any], factor: int, tiles: Iterator[Window], work: Callable[[Window], NDArray[Any]]
    ) -> None:
        """Work on one window after the other, and paste what comes out into ``target``; ``factor`` as in `paste`."""
        with self._running():
            for window in tiles:
                paste(target, window, work(window), factor)

    def _picture_tiles(self, grid: tuple[int, ...], tile: int | None, overlap: int) -> Iterator[Window]:
        """The tiles of the autoencoder; ``tile`` as in `encode`."""
        core = tile or CORES[self.activation_bytes].autoencoder
        return self._windows(grid, core // self.manifest.codes.factor, overlap)

    def _windows(self, grid: tuple[int, ...], core: int, overlap: int) -> Iterator[Window]:
        """The tiles of ``grid`` (h, w): cores of ``core`` positions a side, or blended ones of the manifest's size."""
        if self.manifest.window is None:
            return windows(grid[0], grid[1], core, overlap)
        return fading_windows(grid[0], grid[1], max(min(core, self.manifest.window), 2 * overlap), overlap)

    def _not_numbers(self, dtype: object, remedy: str) -> SdzModelError:
        """The error for pixels that are infinite or NaN."""
        return SdzModelError(
            f"model {self.manifest.full_name} gives values that are not numbers",
            field="pixels",
            found=f"number type {dtype}",
            remedy=remedy,
        )


def padded(rgb: NDArray[np.uint8], outer: tuple[int, int, int, int], factor: int) -> NDArray[np.uint8]:
    """The pixels of a window (top, bottom, left, right in latent positions), padded with the picture's edge pixels."""
    top, bottom, left, right = (side * factor for side in outer)
    piece = rgb[top:bottom, left:right]
    missing = (bottom - top - piece.shape[0], right - left - piece.shape[1])
    if missing != (0, 0):
        piece = np.pad(piece, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
    return piece
