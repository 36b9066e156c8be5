"""A model in memory: encodes pictures to latents, denoises latents, and decodes them to pictures, tile by tile.

torch is imported within functions: commands that only list models import this module, too, and need no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models.diffusion.denoise import denoise, timesteps
from pillow_sdz.models.protocols import HasDistribution, HasLatents
from pillow_sdz.models.runtime import DTYPE_VARIABLE, isolated
from pillow_sdz.models.tiling import fading_windows, paste, windows

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from pillow_sdz.models.manifest import Manifest
    from pillow_sdz.models.protocols import AutoencoderNetwork, NoisePredictor, Scheduler
    from pillow_sdz.models.tiling import Window

DEFAULT_TILE: Final = 1024
"""Side of a tile's core for the autoencoder, in pixels: a tile's activations stay below some 300 MB in float32."""

UNET_CORE: Final = 512
"""Side of a tile's core for the U-Net, in latent positions. The U-Net needs little memory per position, and its tiles
overlap widely, so large tiles are cheaper."""

MAX_OVERLAP_RADII: Final = 4
"""Overlap is capped at this many receptive radii of the U-Net. Each step of denoising reaches one radius further, but
latents more than four radii away make no visible difference, and hundreds of steps would make every tile the whole
picture."""

MIN_ALPHA: Final = 1e-8
"""Lower bound of ``alphas_cumprod`` where it is a divisor: noise schedules that end in pure noise have 0 there."""


@dataclass(frozen=True)
class Model:
    """Networks and manifest of one model on one device. All methods are safe to call from several threads.

    Attributes:
        manifest: what the model's folder says.
        vae: the autoencoder.
        unet: predicts noise; None for a model without a U-Net.
        scheduler: removes the noise that the U-Net predicts; None without a U-Net.
        device, dtype: where and in which number type the networks compute.
        vae_dtype: the autoencoder's number type; None if it is ``dtype``.
        can_encode: whether the autoencoder has an encoder; a model without one opens files only.
    """

    manifest: Manifest
    vae: AutoencoderNetwork
    unet: NoisePredictor | None
    scheduler: Scheduler | None
    device: str
    dtype: torch.dtype
    vae_dtype: torch.dtype | None = None
    can_encode: bool = True

    def encode(self, rgb: NDArray[np.uint8], tile: int = DEFAULT_TILE) -> NDArray[np.float32]:
        """Picture (H, W, 3) -> latents (h, w, C), h = ceil(H / factor); the picture is padded with its edge pixels.

        ``tile`` is the side of a tile's core (the tile without its overlap) in pixels.

        Raises:
            SdzModelError: the model has no encoder.
        """
        self._check_encoder()
        factor, codes = self.manifest.codes.factor, self.manifest.codes
        height, width = (-(-side // factor) for side in rgb.shape[:2])
        latents = np.empty((height, width, codes.channels), np.float32)
        with isolated():
            for window in self._windows((height, width), tile // factor, self.manifest.context.encoder):
                picture = self._tensor(padded(rgb, window.outer, factor), self.vae_dtype) / 127.5 - 1
                latent = _encoded(self.vae, picture)
                if codes.bound is not None:
                    latent = codes.bound * (latent / codes.bound).tanh()
                paste(latents, window, _rows(latent), 1)
        return latents

    def encode_sample(self, rgb: NDArray[np.uint8], seed: int) -> NDArray[np.float32]:
        """Picture (H, W, 3) -> a random sample of the encoder's distribution, (h, w, C).

        The random numbers come from a generator on the model's device, seeded with ``seed``. The picture is encoded
        whole, without tiles; the factor must divide its sides.

        Raises:
            SdzModelError: the encoder gives no distribution, or there is none.
        """
        self._check_encoder()
        import torch

        with isolated():
            picture = self._tensor(rgb, self.vae_dtype) / 255 * 2 - 1
            encoded = self.vae.encode(picture)
            if not isinstance(encoded, HasDistribution):
                raise SdzModelError(
                    f"model {self.manifest.full_name} has no distribution to sample from",
                    field="vae",
                    found=type(self.vae).__name__,
                    expected="AutoencoderKL",
                )
            return _rows(encoded.latent_dist.sample(torch.Generator(self.device).manual_seed(seed)))

    def _check_encoder(self) -> None:
        if not self.can_encode:
            raise SdzModelError(
                f"model {self.manifest.full_name} has no encoder: it opens files, but cannot save",
                file=str(self.manifest.folder),
                field="encoder",
                remedy="save with another model, or install this one with its encoder",
            )

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
        scaling, shift = self.manifest.latent_scaling, self.manifest.latent_shift
        overlap = self.manifest.context.unet
        if not self.manifest.window:
            overlap *= min(len(timesteps(self.scheduler, noise * scaling, denoise_steps)), MAX_OVERLAP_RADII)
        result = np.empty_like(latents)
        with isolated():
            for window in self._windows(latents.shape[:2], UNET_CORE, overlap):
                top, bottom, left, right = window.outer
                sample = self._tensor(latents[top:bottom, left:right])
                sample = (sample - shift if shift else sample) * scaling
                clean = denoise(self.unet, self.scheduler, sample, noise * scaling, denoise_steps) / scaling
                paste(result, window, _rows(clean + shift if shift else clean), 1)
        return result

    def decode(
        self, latents: NDArray[np.float32], height: int, width: int, tile: int = DEFAULT_TILE
    ) -> NDArray[np.uint8]:
        """Latents (h, w, C) -> picture (``height``, ``width``, 3), cropped from the grid. ``tile`` as in `encode`.

        Raises:
            SdzModelError: the autoencoder gives infinite values or NaN.
        """
        factor = self.manifest.codes.factor
        rgb = np.empty((latents.shape[0] * factor, latents.shape[1] * factor, 3), np.uint8)
        with isolated():
            for window in self._windows(latents.shape[:2], tile // factor, self.manifest.context.decoder):
                top, bottom, left, right = window.outer
                sample = self._tensor(latents[top:bottom, left:right], self.vae_dtype)
                picture = self.vae.decode(sample).sample.float()
                if not bool(picture.isfinite().all()):
                    raise SdzModelError(
                        f"model {self.manifest.full_name} gives values that are not numbers",
                        field="pixels",
                        found=f"number type {self.dtype}",
                        remedy=f"decode with {DTYPE_VARIABLE}=float32",
                    )
                picture = (picture * 127.5 + 127.5).round().clamp(0, 255)
                paste(rgb, window, _rows(picture), factor)
        return rgb[:height, :width]

    def reconstruct(self, latents: Tensor, noise: float) -> Tensor:
        """`denoise` in one step and `decode`, on tensors: differentiable, whole, neither rounded nor clamped.

        The gradient passes the U-Net by, as if what it adds did not depend on the latent: that takes two thirds of the
        time and refines as well.

        Args:
            latents: (1, C, h, w) float32, in the autoencoder's units.
            noise: as for `denoise`.

        Returns:
            (1, 3, h * factor, w * factor) float32, RGB from 0 to 1.
        """
        import torch

        sample = latents.to(self.dtype, memory_format=torch.channels_last)
        if self.unet is not None and self.scheduler is not None:
            scaling, shift = self.manifest.latent_scaling, self.manifest.latent_shift
            with torch.no_grad():
                scaled = (sample - shift) * scaling
                change = denoise(self.unet, self.scheduler, scaled, noise * scaling, 1) - scaled
            sample = sample + change / scaling
        picture: Tensor = self.vae.decode(sample.to(self.vae_dtype or self.dtype)).sample.float()
        return picture / 2 + 0.5

    def activations(self, picture: Tensor, count: int) -> list[Tensor]:
        """The first ``count`` of the encoder's activations (`Encoder.activations`), (1, C, h, w) each, differentiable.

        Args:
            picture: (1, 3, h, w) float32, RGB from 0 to 1.
            count: how many.
        """
        import torch

        network: Any = self.vae
        sample = (picture * 2 - 1).to(self.vae_dtype or self.dtype, memory_format=torch.channels_last)
        return list(islice(network.encoder.activations(sample), count))

    def _windows(self, grid: tuple[int, ...], core: int, overlap: int) -> Iterator[Window]:
        """The tiles of ``grid`` (h, w): cores of ``core`` positions a side, or blended ones of the manifest's size."""
        if self.manifest.window is None:
            return windows(grid[0], grid[1], core, overlap)
        return fading_windows(grid[0], grid[1], max(min(core, self.manifest.window), 2 * overlap), overlap)

    def _tensor(self, rows: NDArray[Any], dtype: torch.dtype | None = None) -> Tensor:
        """(h, w, C) -> (1, C, h, w), on the device, channels last."""
        import torch

        tensor = torch.from_numpy(np.ascontiguousarray(rows)).permute(2, 0, 1)[None]
        return tensor.to(self.device, dtype or self.dtype, memory_format=torch.channels_last)


def _encoded(vae: AutoencoderNetwork, picture: Tensor) -> Tensor:
    """The latent of a picture, in float32: the distribution's mode if the encoder gives a distribution."""
    encoded = vae.encode(picture)
    if isinstance(encoded, HasDistribution):
        return encoded.latent_dist.mode().float()
    return (encoded.latents if isinstance(encoded, HasLatents) else encoded.latent).float()


def _rows(tensor: Tensor) -> NDArray[Any]:
    """(1, C, h, w) -> (h, w, C)."""
    rows: NDArray[Any] = tensor[0].permute(1, 2, 0).float().cpu().numpy()
    return rows


def padded(rgb: NDArray[np.uint8], outer: tuple[int, int, int, int], factor: int) -> NDArray[np.uint8]:
    """The pixels of a window (top, bottom, left, right in latent positions), padded with the picture's edge pixels."""
    top, bottom, left, right = (side * factor for side in outer)
    piece = rgb[top:bottom, left:right]
    missing = (bottom - top - piece.shape[0], right - left - piece.shape[1])
    if missing != (0, 0):
        piece = np.pad(piece, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
    return piece
