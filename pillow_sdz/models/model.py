"""A model in memory: pictures to latents, latents to pictures, and the U-Net between, in tiles of bounded size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pillow_sdz.models.runtime import isolated
from pillow_sdz.models.tiling import windows

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from pillow_sdz.models.manifest import Manifest

DEFAULT_TILE = 1024  # pixels: keeps activations of one window under some 300 MB in float32
UNET_CORE = 512  # latent positions: the U-Net needs little memory per position, and a wide overlap


@dataclass(frozen=True)
class Model:
    """Networks and manifest of one model on one device. All methods are safe to call from several threads.

    Attributes:
        manifest: what the model's folder says.
        vae: `autoencoder.Autoencoder`, or a diffusers autoencoder.
        unet: predicts noise, or None for a model without one.
        scheduler: see `denoise.denoise`.
        device, dtype: as torch names them.
    """

    manifest: Manifest
    vae: Any
    unet: Any | None
    scheduler: Any | None
    device: str
    dtype: Any

    def encode(self, rgb: NDArray[np.uint8], tile: int = DEFAULT_TILE) -> NDArray[np.float32]:
        """Picture (H, W, 3) -> latents (h, w, C), h = ceil(H / factor); the picture is continued by its edge pixels.

        ``tile`` is the side of a tile's core in pixels.
        """
        factor, codes = self.manifest.codes.factor, self.manifest.codes
        height, width = (-(-side // factor) for side in rgb.shape[:2])
        latents = np.empty((height, width, codes.channels), np.float32)
        with isolated():
            for window in windows(height, width, tile // factor, self.manifest.context.encoder):
                picture = self._tensor(_padded(rgb, window.outer, factor)) / 127.5 - 1
                latent = _encoded(self.vae, picture)
                if codes.bound is not None:
                    latent = codes.bound * (latent / codes.bound).tanh()
                _paste(latents, window.core, _rows(latent), window.inner, 1)
        return latents

    def denoise(self, latents: NDArray[np.float32], noise: float, steps: int) -> NDArray[np.float32]:
        """Remove quantisation noise from latents (h, w, C) whose root mean square error is ``noise``.

        Without a U-Net, or with ``steps`` = 0, the latents come back as they are.
        """
        if self.unet is None or steps == 0:
            return latents
        from pillow_sdz.models.denoise import denoise

        scaling = self.manifest.latent_scaling
        result = np.empty_like(latents)
        with isolated():
            for window in windows(latents.shape[0], latents.shape[1], UNET_CORE, self.manifest.context.unet * steps):
                top, bottom, left, right = window.outer
                sample = self._tensor(latents[top:bottom, left:right]) * scaling
                clean = denoise(self.unet, self.scheduler, sample, noise * scaling, steps) / scaling
                _paste(result, window.core, _rows(clean), window.inner, 1)
        return result

    def decode(
        self, latents: NDArray[np.float32], height: int, width: int, tile: int = DEFAULT_TILE
    ) -> NDArray[np.uint8]:
        """Latents (h, w, C) -> picture (``height``, ``width``, 3), cropped from the grid. ``tile`` as in `encode`."""
        factor = self.manifest.codes.factor
        rgb = np.empty((latents.shape[0] * factor, latents.shape[1] * factor, 3), np.uint8)
        with isolated():
            for window in windows(latents.shape[0], latents.shape[1], tile // factor, self.manifest.context.decoder):
                top, bottom, left, right = window.outer
                picture = self.vae.decode(self._tensor(latents[top:bottom, left:right])).sample.float()
                picture = (picture * 127.5 + 127.5).round().clamp(0, 255)
                _paste(rgb, window.core, _rows(picture), window.inner, factor)
        return rgb[:height, :width]

    def _tensor(self, rows: NDArray[Any]) -> Tensor:
        """(h, w, C) -> (1, C, h, w), on the device, channels last."""
        import torch

        tensor = torch.from_numpy(np.ascontiguousarray(rows)).permute(2, 0, 1)[None]
        return tensor.to(self.device, self.dtype, memory_format=torch.channels_last)


def _encoded(vae: Any, picture: Tensor) -> Tensor:
    """The latent of a picture: the mean where the encoder gives a distribution."""
    encoded = vae.encode(picture)
    latent: Tensor = encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded.latent
    return latent.float()


def _rows(tensor: Tensor) -> NDArray[Any]:
    """(1, C, h, w) -> (h, w, C)."""
    rows: NDArray[Any] = tensor[0].permute(1, 2, 0).float().cpu().numpy()
    return rows


def _padded(rgb: NDArray[np.uint8], outer: tuple[int, int, int, int], factor: int) -> NDArray[np.uint8]:
    """The pixels of a window, continued by the picture's edge pixels to whole latent positions."""
    top, bottom, left, right = (side * factor for side in outer)
    piece = rgb[top:bottom, left:right]
    missing = (bottom - top - piece.shape[0], right - left - piece.shape[1])
    if missing != (0, 0):
        piece = np.pad(piece, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
    return piece


def _paste(
    target: NDArray[Any],
    core: tuple[int, int, int, int],
    rows: NDArray[Any],
    inner: tuple[int, int, int, int],
    factor: int,
) -> None:
    """Copy a window's core into the whole; positions are multiplied by ``factor``."""
    top, bottom, left, right = (side * factor for side in core)
    y0, y1, x0, x1 = (side * factor for side in inner)
    target[top:bottom, left:right] = rows[y0:y1, x0:x1]
