"""What the package asks of networks and schedulers, whoever made them: this project's own, or diffusers' classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor


class Distribution(Protocol):
    """A distribution over latents; in diffusers, independent normal distributions."""

    def mode(self) -> Tensor:
        """The most likely latent, (B, C, h, w)."""

    def sample(self, generator: torch.Generator) -> Tensor:
        """A random latent, (B, C, h, w)."""


@runtime_checkable
class HasDistribution(Protocol):
    """What diffusers' AutoencoderKL encodes to."""

    @property
    def latent_dist(self) -> Distribution:
        """The distribution of latents that may stand for the picture."""


@runtime_checkable
class HasLatents(Protocol):
    """What diffusers' AutoencoderTiny encodes to."""

    @property
    def latents(self) -> Tensor:
        """(B, C, h, w)."""


@runtime_checkable
class HasLatent(Protocol):
    """What `pillow_sdz.models.networks.autoencoder.Autoencoder` and diffusers' AutoencoderDC encode to."""

    @property
    def latent(self) -> Tensor:
        """(B, C, h, w)."""


class HasSample(Protocol):
    """What autoencoders decode to, and what U-Nets predict."""

    @property
    def sample(self) -> Any:
        """A picture, (B, 3, H, W) in [-1, 1]; or noise or velocity, (B, C, h, w). Of the kind that it was given."""


class AutoencoderNetwork(Protocol):
    """Pictures to latents and back."""

    @property
    def config(self) -> Any:
        """The fields of its ``config.json``: a dictionary, or diffusers' class with attributes."""

    def encode(self, picture: Tensor, /) -> HasDistribution | HasLatents | HasLatent:
        """(B, 3, H, W) in [-1, 1] -> latents; the factor must divide H and W."""

    def decode(self, latent: Tensor, /) -> HasSample:
        """Latents (B, C, h, w) -> (B, 3, H, W), about [-1, 1] but not clamped."""


class NoisePredictor(Protocol):
    """A U-Net that predicts noise, on tensors or on numpy arrays."""

    def __call__(self, sample: Any, timestep: int, /) -> HasSample:
        """Predict the noise in ``sample`` (B, C, h, w) at ``timestep``.

        ``sample`` is variance-preserving: sqrt(a) signal + sqrt(1 - a) noise, with a = alphas_cumprod[timestep].
        """


class UNet(Protocol):
    """A U-Net as it was trained: it may take a prompt's embedding, and may predict noise or velocity."""

    def __call__(self, sample: Tensor, timestep: int, /, **conditions: Tensor) -> HasSample:
        """See `NoisePredictor`; ``encoder_hidden_states`` is (B, tokens, width)."""


class Scheduler(Protocol):
    """A noise schedule and a method to step down it; safe to share between threads."""

    @property
    def alphas_cumprod(self) -> NDArray[np.float32]:
        """(timesteps,), the signal's share of the variance at each timestep."""

    def denoise(self, unet: NoisePredictor, latents: Any, times: list[int]) -> Any:
        """Take ``latents`` from the first of the descending ``times`` down to no noise.

        Args:
            unet: predicts noise.
            latents: (1, C, h, w), scaled latents with quantisation noise; tensor or array, as the U-Net takes it.
            times: one or more timesteps, largest first.

        Returns:
            The estimate of the latent without noise, shaped like ``latents``.
        """
