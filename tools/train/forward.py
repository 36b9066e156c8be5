"""One batch through the networks and a stage's bottleneck: what a file would do to its latents."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from bottleneck import add_noise, palettise, straight_through, to_code_grid

if TYPE_CHECKING:
    from codec import Codec
    from draws import Draws


class Pass(NamedTuple):
    """One batch through the networks."""

    decoded: Tensor | None
    """The pictures, or None where the stage needs none."""
    latents: Tensor
    """What they were decoded from, as a file would hold it."""
    loss: Tensor
    """The part of the loss that needs no picture: the latent's error and its bits."""
    terms: dict[str, Tensor]
    """What to log."""


def palettise_codes(codec: Codec, latents: Tensor, stage: dict[str, Any], generator: torch.Generator) -> Tensor:
    """Palettise as a file would, with a palette size drawn log-uniformly from the stage's range."""
    low, high = (math.log2(entries) for entries in stage["entries"])
    entries = round(2 ** (low + float(torch.rand((), generator=generator)) * (high - low)))
    return to_code_grid(palettise(latents, stage["crops"], entries, generator), codec.step)


def forward(
    codec: Codec, pictures: Tensor, stage: dict[str, Any], generator: torch.Generator, draws: Draws | None = None
) -> Pass:
    """Send pictures through the stage's bottleneck; others than ``palette`` need what was drawn."""
    if stage["bottleneck"] == "palette":
        return _through_palette(codec, pictures, stage, generator)
    assert draws is not None
    through = _prior_alone if stage["bottleneck"] == "rounded" else _through_steps
    return through(codec, pictures, stage, draws)


def _encode(codec: Codec, pictures: Tensor, stage: dict[str, Any]) -> Tensor:
    with torch.set_grad_enabled("encoder" in stage["train"]):
        return codec.encode(pictures)


def _through_palette(codec: Codec, pictures: Tensor, stage: dict[str, Any], generator: torch.Generator) -> Pass:
    """Clean, noisy or really palettised latents: which of them a step sees is drawn per step."""
    latents = _encode(codec, pictures, stage)
    penalty = 0.01 * (latents.square().mean() - 1).clamp(min=0)
    chance = float(torch.rand((), generator=generator))
    if chance < stage["clean"]:
        return Pass(codec.decode(latents), latents, penalty, {})
    if chance < stage["clean"] + stage["noise"]:
        noisy = add_noise(latents, stage["noise_most"], generator)
        return Pass(codec.decode(noisy), noisy, penalty, {})
    quantised = palettise_codes(codec, latents, stage, generator)
    if "unet" not in stage["train"]:
        return Pass(codec.decode(straight_through(latents, quantised)), quantised, penalty, {})
    error = (quantised - latents).square().mean((1, 2, 3)).sqrt()
    denoised = codec.denoise(quantised, error)
    relative = (denoised - latents).square().mean((1, 2, 3)) / error.square().clamp(min=1e-6)
    return Pass(codec.decode(denoised), quantised, penalty + stage["latent_weight"] * relative.mean(), {})


def _prior_alone(codec: Codec, pictures: Tensor, stage: dict[str, Any], draws: Draws) -> Pass:
    """The bits alone: what files cost, once the autoencoder is settled."""
    latents = _encode(codec, pictures, stage)
    quantised = codec.quantise(latents, draws.steps)
    with torch.autocast(pictures.device.type, enabled=False):  # whole numbers will be more exact than bfloat16
        rate = _bits_per_pixel(codec, latents, quantised, draws).mean()
    return Pass(None, quantised, rate, {"bpp": rate.detach()})


def _bits_per_pixel(codec: Codec, latents: Tensor, quantised: Tensor, draws: Draws) -> Tensor:
    """Bits of latents with uniform noise in place of rounding (Balle et al. 2017), predicted from quantised ones: (B,).

    Of quantised ones they would depend on the prior in two ways: they lie where it predicts, however badly it does.
    """
    noise = (draws.noise - 0.5) * draws.steps[:, None, None, None]
    bits = codec.prior(codec.to_codes(latents) + noise, draws.steps, codec.to_codes(quantised))
    return bits / (latents.shape[2] * latents.shape[3] * codec.factor**2)


def _through_steps(codec: Codec, pictures: Tensor, stage: dict[str, Any], draws: Draws) -> Pass:
    """Latents rounded in steps drawn per picture; their bits are part of the loss.

    A finer step asks for fidelity: its bits weigh less.
    """
    latents, step = _encode(codec, pictures, stage), draws.steps
    quantised = straight_through(latents, codec.quantise(latents.detach(), step))
    per_pixel = _bits_per_pixel(codec, latents, quantised, draws)
    rate = (stage["rate"] * (step / stage["rate_step"]) ** stage["rate_power"] * per_pixel).mean()
    terms = {"bpp": per_pixel.detach().mean()}
    if "unet" not in stage["train"]:
        return Pass(codec.decode(quantised), quantised, rate, terms)
    error = codec.rounding_error(step)
    denoised = codec.denoise(quantised, error)
    relative = (denoised - latents).square().mean((1, 2, 3)) / error.square()
    terms["unet"] = relative.detach().mean()
    return Pass(codec.decode(denoised), quantised, rate + stage["latent_weight"] * relative.mean(), terms)
