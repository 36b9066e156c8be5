"""A U-Net of Stable Diffusion as `denoise` wants one: it gets the empty prompt, and what it says is noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class Noise(NamedTuple):
    """What `Conditioned` returns: ``sample``, the predicted noise, shaped like its input."""

    sample: Tensor


class Conditioned:
    """A U-Net, the unconditional embedding, and what its output means.

    Args:
        unet: a UNet2DConditionModel, or any U-Net where ``embedding`` is None.
        embedding: (1, tokens, width), what the text encoder says of the empty prompt.
        alphas_cumprod: the schedule's, if the U-Net predicts velocity; None if it predicts noise.
    """

    def __init__(self, unet: Any, embedding: Tensor | None, alphas_cumprod: Tensor | None) -> None:
        self._unet, self._embedding, self._alphas = unet, embedding, alphas_cumprod

    def around(self, change: Callable[[Any], Any]) -> Conditioned:
        """The same with what ``change`` makes of the U-Net."""
        return Conditioned(change(self._unet), self._embedding, self._alphas)

    def __call__(self, sample: Tensor, timestep: int) -> Noise:
        """Predict the noise in ``sample`` (B, C, h, w), of constant variance, at ``timestep``."""
        if self._embedding is None:
            predicted = self._unet(sample, timestep).sample
        else:
            prompt = self._embedding.expand(len(sample), -1, -1)
            predicted = self._unet(sample, timestep, encoder_hidden_states=prompt).sample
        if self._alphas is None:
            return Noise(predicted)
        # velocity = sqrt(a) noise - sqrt(1 - a) signal (Salimans and Ho 2022)
        alpha = self._alphas[timestep].to(sample)
        return Noise(alpha.sqrt() * predicted + (1 - alpha).sqrt() * sample)
