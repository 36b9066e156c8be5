"""The memory-saving forward passes compute what diffusers' own do."""

from __future__ import annotations

import copy

import pytest
import torch
from diffusers import AutoencoderDC

from pillow_sdz.models.inplace import reuse_memory


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_same_results(layout: torch.memory_format) -> None:
    torch.manual_seed(5)
    original = AutoencoderDC(
        latent_channels=4,
        encoder_block_types="ResBlock",
        decoder_block_types="ResBlock",
        encoder_block_out_channels=(8, 16, 32),
        decoder_block_out_channels=(8, 16, 32),
        encoder_layers_per_block=(0, 1, 2),
        decoder_layers_per_block=(0, 1, 2),
        encoder_qkv_multiscales=((), (), ()),
        decoder_qkv_multiscales=((), (), ()),
        upsample_block_type="pixel_shuffle",
    ).eval()
    with torch.no_grad():
        for parameter in original.parameters():
            parameter.normal_(std=0.2)
    changed = copy.deepcopy(original).to(memory_format=layout)
    reuse_memory(changed)
    assert sum("forward" in vars(module) for module in changed.modules()) == 7, "six residual blocks and one upsampling"
    picture = torch.rand(2, 3, 24, 32)
    before = picture.clone()
    with torch.inference_mode():
        latent = original.encode(picture).latent
        torch.testing.assert_close(
            changed.encode(picture.to(memory_format=layout)).latent, latent, rtol=1e-4, atol=1e-4
        )
        decoded = original.decode(latent).sample
        again = changed.decode(latent.to(memory_format=layout)).sample
        torch.testing.assert_close(again, decoded, rtol=1e-4, atol=1e-4)
    assert torch.equal(picture, before), "inputs stay as they were"
