"""A small AutoencoderKL with random weights: as a folder for pillow_sdz, and as a file for ComfyUI."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LEVELS = 4
"""Resolutions: three halvings, factor 8, as in Stable Diffusion."""

WIDTH = 32
"""Channels of all layers, as in `networks.VAE_CONFIG`."""

SPREAD = 5.0
"""By what the latents are enlarged, so that their standard deviation is some 5, as in Stable Diffusion 1.x."""


def make(folder: Path) -> Path:
    """Write it in diffusers' layout, and return the file of the weights."""
    import torch
    from diffusers import AutoencoderKL

    torch.manual_seed(0)  # biases
    network = AutoencoderKL(
        block_out_channels=(WIDTH,) * LEVELS, down_block_types=("DownEncoderBlock2D",) * LEVELS,
        up_block_types=("UpDecoderBlock2D",) * LEVELS, norm_num_groups=32, latent_channels=4, scaling_factor=0.18215,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:  # larger than at the start of training: latents are to depend on the picture
                scale = 1.2 / parameter[0].numel() ** 0.5
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
        network.quant_conv.weight *= SPREAD
        network.post_quant_conv.weight /= SPREAD
    network.save_pretrained(folder)
    return folder / "diffusion_pytorch_model.safetensors"
