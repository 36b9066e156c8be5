"""One batch through the networks and the bottleneck of a stage: a model of what storing it in a file does."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from tools.train.bottleneck import add_noise, palettise, straight_through, to_code_grid

if TYPE_CHECKING:
    from tools.train.draws import Draws
    from tools.train.model import TrainableModel


class Pass(NamedTuple):
    """The result of one forward pass."""

    decoded: Tensor | None
    """(B, 3, H, W), the decoded pictures, or None where the stage trains the prior alone."""
    latents: Tensor
    """(B, C, h, w), the latents as a file would store them."""
    loss: Tensor
    """The part of the loss that needs no decoded pictures: rate, and error of the latents."""
    terms: dict[str, Tensor]
    """Numbers to log."""


def palettise_codes(
    model: TrainableModel, latents: Tensor, stage: dict[str, Any], generator: torch.Generator
) -> Tensor:
    """Palettise as a palette payload does, with a number of entries drawn log-uniformly from the stage's range."""
    low, high = (math.log2(entries) for entries in stage["entries"])
    entries = round(2 ** (low + float(torch.rand((), generator=generator)) * (high - low)))
    return to_code_grid(palettise(latents, stage["crops"], entries, generator), model.code_step)


def forward(
    model: TrainableModel,
    pictures: Tensor,
    stage: dict[str, Any],
    generator: torch.Generator,
    draws: Draws | None = None,
) -> Pass:
    """Send pictures (B, 3, H, W) through the networks and the bottleneck of a stage.

    The bottleneck is ``palette`` (palettes, additive noise or neither), ``steps`` (scalar quantisation, whose rate is
    part of the loss) or ``rounded`` (the same, but the rate is the whole loss, and nothing is decoded).

    Args:
        model: the networks.
        pictures: in [0, 1].
        stage: the stage's settings.
        generator: draws the random numbers of the bottleneck ``palette``.
        draws: the random numbers of the other bottlenecks.
    """
    if stage["bottleneck"] == "palette":
        return _through_palette(model, pictures, stage, generator)
    assert draws is not None
    through = _prior_alone if stage["bottleneck"] == "rounded" else _through_steps
    return through(model, pictures, stage, draws)


def _encode(model: TrainableModel, pictures: Tensor, stage: dict[str, Any]) -> Tensor:
    with torch.set_grad_enabled("encoder" in stage["train"]):
        return model.encode(pictures)


def _through_palette(
    model: TrainableModel, pictures: Tensor, stage: dict[str, Any], generator: torch.Generator
) -> Pass:
    """Latents unchanged, with additive noise, or palettised; one of the three is drawn at random for each step."""
    latents = _encode(model, pictures, stage)
    penalty = 0.01 * (latents.square().mean() - 1).clamp(min=0)
    chance = float(torch.rand((), generator=generator))
    if chance < stage["clean"]:
        return Pass(model.decode(latents), latents, penalty, {})
    if chance < stage["clean"] + stage["noise"]:
        noisy = add_noise(latents, stage["noise_most"], generator)
        return Pass(model.decode(noisy), noisy, penalty, {})
    quantised = palettise_codes(model, latents, stage, generator)
    if not stage.get("denoise", True):
        return Pass(model.decode(straight_through(latents, quantised)), quantised, penalty, {})
    error = (quantised - latents).square().mean((1, 2, 3)).sqrt()
    denoised = model.denoise(quantised, error)
    relative = (denoised - latents).square().mean((1, 2, 3)) / error.square().clamp(min=1e-6)
    return Pass(model.decode(denoised), quantised, penalty + stage["latent_weight"] * relative.mean(), {})


def _prior_alone(model: TrainableModel, pictures: Tensor, stage: dict[str, Any], draws: Draws) -> Pass:
    """The rate alone, for a stage that trains the prior after the autoencoder."""
    latents = _encode(model, pictures, stage)
    quantised = model.quantise(latents, draws.quantiser_steps)
    # without autocast: files are coded with a prior in whole numbers, which are more exact than bfloat16
    with torch.autocast(pictures.device.type, enabled=False):
        rate = _bits_per_pixel(model, latents, quantised, draws).mean()
    return Pass(None, quantised, rate, {"bpp": rate.detach()})


def _bits_per_pixel(model: TrainableModel, latents: Tensor, quantised: Tensor, draws: Draws) -> Tensor:
    """Bits per pixel of latents with uniform noise in place of rounding (Ballé et al. 2017), (B,).

    The prior predicts them from the quantised latents, as a decoder does. The bits of the quantised latents themselves
    would reward a bad prior: those lie at whole steps from its prediction, wherever that is.
    """
    noise = (draws.noise - 0.5) * draws.quantiser_steps[:, None, None, None]
    assert model.prior is not None
    bits: Tensor = model.prior(model.to_codes(latents) + noise, draws.quantiser_steps, model.to_codes(quantised))
    return bits / (latents.shape[2] * latents.shape[3] * model.factor**2)


def _through_steps(model: TrainableModel, pictures: Tensor, stage: dict[str, Any], draws: Draws) -> Pass:
    """Latents quantised with a step drawn per picture; their rate is part of the loss.

    The weight of the rate grows with the quantiser's step: files with a fine step are for fidelity, and may be large.
    """
    latents, step = _encode(model, pictures, stage), draws.quantiser_steps
    quantised = straight_through(latents, model.quantise(latents.detach(), step))
    per_pixel = _bits_per_pixel(model, latents, quantised, draws)
    rate = (stage["rate"] * (step / stage["rate_step"]) ** stage["rate_power"] * per_pixel).mean()
    terms = {"bpp": per_pixel.detach().mean()}
    if not stage.get("denoise", True):
        return Pass(model.decode(quantised), quantised, rate, terms)
    error = model.rounding_error(step)
    denoised = model.denoise(quantised, error)
    relative = (denoised - latents).square().mean((1, 2, 3)) / error.square()
    terms["unet"] = relative.detach().mean()
    return Pass(model.decode(denoised), quantised, rate + stage["latent_weight"] * relative.mean(), terms)
