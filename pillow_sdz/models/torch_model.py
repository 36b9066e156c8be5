"""A model whose networks torch runs: any model, any device, every number type, with gradients for refinement.

torch is imported within functions, so that commands about models can import this module without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models.diffusion.denoise import denoise
from pillow_sdz.models.model import Model
from pillow_sdz.models.protocols import HasDistribution, HasLatents
from pillow_sdz.models.runtime import DTYPE_VARIABLE, isolated

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from pillow_sdz.models.manifest import Manifest
    from pillow_sdz.models.protocols import AutoencoderNetwork, NoisePredictor, Scheduler


@dataclass(frozen=True)
class TorchModel(Model):
    """Networks and manifest of one model on one device.

    Attributes:
        manifest, unet, scheduler: see `Model`.
        vae: the autoencoder.
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

    @property
    def activation_bytes(self) -> int:
        """See `Model`."""
        return (self.vae_dtype or self.dtype).itemsize

    def _running(self) -> AbstractContextManager[None]:
        return isolated()

    def _encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return _rows(_encoded(self.vae, self._tensor(pixels, self.vae_dtype) / 127.5 - 1))

    def _denoise(self, latents: NDArray[np.float32], noise: float, denoise_steps: int) -> NDArray[np.float32]:
        return _rows(self._denoised(self._tensor(latents), noise, denoise_steps))

    def _decode(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        picture: Tensor = self.vae.decode(self._tensor(latents, self.vae_dtype)).sample.float()
        if not bool(picture.isfinite().all()):
            raise self._not_numbers(self.dtype, f"decode with {DTYPE_VARIABLE}=float32")
        return _rows((picture * 127.5 + 127.5).round().clamp(0, 255))

    def encode_sample(self, rgb: NDArray[np.uint8], seed: int) -> NDArray[np.float32]:
        """Picture (H, W, 3) -> a random sample of the encoder's distribution, (h, w, C).

        The random numbers come from a generator on the model's device, seeded with ``seed``. The picture is encoded
        whole, without tiles; the factor must divide its sides.

        Raises:
            SdzModelError: the encoder gives no distribution, or there is none.
        """
        self.check_encoder()
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

    def check_encoder(self) -> None:
        """See `Model`."""
        if not self.can_encode:
            raise SdzModelError(
                f"model {self.manifest.full_name} has no encoder: it opens files, but cannot save",
                file=str(self.manifest.folder),
                field="encoder",
                remedy="save with another model, or install this one with its encoder",
            )

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
