"""Networks of Stable Diffusion in miniature with random weights, as nodes that take the places of loaders.

The check copies this file into ``custom_nodes`` of the server that it starts.
"""

from __future__ import annotations

import os
from typing import Any

import comfy.model_management
import comfy.model_patcher
import comfy.sd
import comfy.supported_models
import comfy.utils
import torch

WIDTH = 32
"""Channels of all layers: ComfyUI normalises 32 groups of them."""

VAE_CONFIG: dict[str, Any] = {
    "ddconfig": {
        "double_z": True, "z_channels": 4, "resolution": 256, "in_channels": 3, "out_ch": 3, "ch": WIDTH,
        "ch_mult": [1, 1, 1, 1], "num_res_blocks": 1, "attn_resolutions": [], "dropout": 0.0,
    },
    "embed_dim": 4,
}  # fmt: skip
"""ComfyUI's configuration of the autoencoder that `check_server.py` makes with diffusers."""

UNET_CONFIG: dict[str, Any] = {
    "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": WIDTH, "num_res_blocks": [1],
    "channel_mult": [1], "transformer_depth": [1], "transformer_depth_output": [1, 1], "transformer_depth_middle": 1,
    "use_spatial_transformer": True, "use_linear_in_transformer": False, "context_dim": 768, "legacy": False,
    "use_checkpoint": False, "adm_in_channels": None, "use_temporal_attention": False, "use_temporal_resblock": False,
}  # fmt: skip
"""A U-Net of Stable Diffusion 1.x with one resolution."""


class CheckNetworks:
    """In the place of Load Checkpoint: MODEL, CLIP (nothing) and VAE."""

    RETURN_TYPES = ("MODEL", "CLIP", "VAE")
    FUNCTION = "load"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        """No inputs."""
        return {"required": {}}

    def load(self) -> tuple[Any, Any, Any]:
        """Make the networks."""
        weights = comfy.utils.load_torch_file(os.environ["SDZ_CHECK_VAE"])
        vae = comfy.sd.VAE(sd=weights, config={"params": VAE_CONFIG})
        device = comfy.model_management.get_torch_device()
        configuration = comfy.supported_models.SD15(UNET_CONFIG)
        configuration.set_inference_dtype(torch.float32, None)
        model = configuration.get_model({}, "", device=device)
        generator = torch.Generator().manual_seed(0)
        for parameter in model.diffusion_model.parameters():
            values = torch.randn(parameter.shape, generator=generator) * 0.05
            parameter.data.copy_(values + 1 if parameter.ndim == 1 else values)
        for parameter in model.diffusion_model.out[-1].parameters():
            parameter.data.zero_()  # it predicts no noise, so that what KSampler adds stays, and can be measured
        return comfy.model_patcher.ModelPatcher(model, load_device=device, offload_device=device), "no CLIP", vae


class CheckPrompt:
    """In the place of CLIP Text Encode: the same CONDITIONING for every text."""

    RETURN_TYPES = ("CONDITIONING",)
    FUNCTION = "encode"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        """Those of CLIP Text Encode."""
        return {"required": {"clip": ("CLIP",), "text": ("STRING", {})}}

    def encode(self, clip: Any, text: str) -> tuple[list[Any]]:  # noqa: ARG002 - ComfyUI passes them
        """An embedding of zeros."""
        return ([[torch.zeros(1, 77, 768), {"pooled_output": torch.zeros(1, 768)}]],)


NODE_CLASS_MAPPINGS = {"CheckNetworks": CheckNetworks, "CheckPrompt": CheckPrompt}
