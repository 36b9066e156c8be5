"""ComfyUI's LATENT and IMAGE to arrays and pictures, and back.

A LATENT is the unscaled latent of the VAE, (B, C, h, w), and so is that of `pillow_sdz.write_latent`, (h, w, C): no
scaling happens here. An IMAGE is (B, H, W, 3 or 4), 0 to 1; a MASK is (B, H, W), 1 where the picture is transparent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image, ImageOps

import pillow_sdz

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from pillow_sdz.models.manifest import Manifest

CHANNELS, FACTOR = 4, 8
"""Latent channels, and pixels per latent position, of Stable Diffusion 1.x, 2.x and SDXL."""

BATCH_INDEX = "comfyui_batch_index"
"""Key of the text that holds the batch index of a latent, by which KSampler chooses its noise."""

NO_MASK = (1, 64, 64)
"""Shape of the MASK of a picture without alpha, as Load Image gives it."""


def latent_models() -> list[str]:
    """The names of the installed models whose latents a LATENT of Stable Diffusion can be."""
    return sorted({model.name for model in pillow_sdz.installed_models() if _mismatch_of(model) is None})


def check_model(name: str) -> None:
    """Check that a model is installed and has latents that a LATENT can be.

    Raises:
        ValueError: it has not; the message says what to do.
    """
    found = [each for each in pillow_sdz.installed_models() if name in (each.name, each.full_name)]
    newest = max(found, key=lambda each: each.version, default=None)
    problem = f"model {name!r} is not installed" if newest is None else _mismatch_of(newest)
    if problem is not None:
        known = ", ".join(latent_models()) or "none yet"
        raise ValueError(
            f"{problem}. Models for latents: {known}. Add your checkpoint with `sdz-convert models add NAME"
            " CHECKPOINT.safetensors`, in the Python environment of ComfyUI, and press R"
        )


def _mismatch_of(model: Manifest) -> str | None:
    return _mismatch(model.full_name, model.codes.channels, model.codes.factor, model.latent_scaling)


def _mismatch(model: str, channels: int, factor: int, scaling: float) -> str | None:
    """Why a model's latents cannot be a LATENT of Stable Diffusion; None if they can."""
    if (channels, factor) != (CHANNELS, FACTOR):
        return f"model {model} has latents of {channels} channels at 1/{factor} of the picture's size"
    if scaling == 1:  # AutoencoderTiny
        return f"model {model} has latents that are scaled already, and a LATENT is not"
    return None


def arrays_of(latent: Mapping[str, Any], *, drop_noise_mask: bool) -> list[NDArray[np.float32]]:
    """The items of a LATENT, (h, w, C) each.

    Args:
        latent: what ComfyUI passes around.
        drop_noise_mask: whether a noise mask may be left out.

    Raises:
        ValueError: it is not a batch of latents of Stable Diffusion, or it has a noise mask.
    """
    samples: Tensor = latent["samples"]
    kind = latent.get("type")
    if kind is not None:
        raise ValueError(f"the LATENT is of type {kind!r}; SDZ files hold pictures only")
    if getattr(samples, "is_nested", False) or samples.ndim != 4:
        found = "nested" if getattr(samples, "is_nested", False) else f"of shape {tuple(samples.shape)}"
        raise ValueError(f"the LATENT is {found}, as those of videos and audio; SDZ files hold pictures (B, 4, h, w)")
    if samples.shape[1] != CHANNELS:
        raise ValueError(
            f"the LATENT has {samples.shape[1]} channels; these nodes save the {CHANNELS} channels of Stable Diffusion"
            " 1.x, 2.x and SDXL. Decode it and use Save SDZ (IMAGE)"
        )
    factor = latent.get("downscale_ratio_spacial") or FACTOR  # newer versions of ComfyUI say so
    if factor != FACTOR:
        raise ValueError(f"the LATENT has 1/{factor} of the picture's size, and not 1/{FACTOR} as Stable Diffusion's")
    if 0 in samples.shape:
        raise ValueError(f"the LATENT is empty: its shape is {tuple(samples.shape)}")
    if latent.get("noise_mask") is not None and not drop_noise_mask:
        raise ValueError(
            "the LATENT has a noise mask, which an SDZ file cannot hold: turn on drop_noise_mask to save it without,"
            " and save the mask as an image if you need it"
        )
    rows: NDArray[np.float32] = samples.detach().float().permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return list(rows)


def batch_texts(latent: Mapping[str, Any], count: int) -> list[dict[str, str]]:
    """The texts that keep the batch index of each item of a LATENT; empty where it has none."""
    indices = latent.get("batch_index")
    if indices is None:
        return [{} for _ in range(count)]
    if len(indices) != count:
        raise ValueError(f"the LATENT has {count} items and {len(indices)} batch indices")
    return [{BATCH_INDEX: str(int(index))} for index in indices]


def latent_of(stored: pillow_sdz.StoredLatent) -> dict[str, Any]:
    """The LATENT of a file: a batch of one.

    Raises:
        ValueError: it is not a latent of Stable Diffusion.
    """
    problem = _mismatch(stored.model, stored.latent.shape[2], stored.factor, stored.latent_scaling)
    if problem is not None:
        raise ValueError(f"{problem}; use Load SDZ (IMAGE), and VAE Encode")
    samples = torch.from_numpy(stored.latent).permute(2, 0, 1)[None].contiguous()
    latent: dict[str, Any] = {"samples": samples}
    index = stored.text.get(BATCH_INDEX, "")
    if index.isascii() and index.isdigit() and len(index) < 10:
        latent["batch_index"] = [int(index)]
    return latent


def pictures_of(images: Tensor) -> list[Image.Image]:
    """The items of an IMAGE, in mode L, RGB or RGBA.

    Raises:
        ValueError: it has another shape.
    """
    if images.ndim != 4 or images.shape[3] not in (1, 3, 4) or 0 in images.shape:
        raise ValueError(f"the IMAGE has the shape {tuple(images.shape)}, and not (B, H, W, 1, 3 or 4)")
    levels = images.detach().float().nan_to_num().clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy()
    return [Image.fromarray(each[:, :, 0] if each.shape[2] == 1 else each) for each in levels]


def image_and_mask(image: Image.Image) -> tuple[Tensor, Tensor]:
    """The IMAGE and the MASK of a picture, turned upright, as Load Image gives them: batches of one.

    Where the EXIF is damaged, the picture is as it was stored.
    """
    image.load()
    try:
        upright = ImageOps.exif_transpose(image)
    except Exception:  # Pillow's reader of EXIF may raise anything for damaged data, and the picture can be shown
        upright = image
    rgb = np.asarray(upright.convert("RGB"), np.float32) / np.float32(255)
    if "A" not in upright.getbands():
        return torch.from_numpy(rgb)[None], torch.zeros(NO_MASK)
    alpha = np.asarray(upright.getchannel("A"), np.float32) / np.float32(255)
    return torch.from_numpy(rgb)[None], torch.from_numpy(1 - alpha)[None]
