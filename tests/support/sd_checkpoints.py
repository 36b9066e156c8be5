"""Checkpoints of Stable Diffusion in miniature: diffusers' real classes, random weights, every layout."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

if TYPE_CHECKING:
    from pathlib import Path

N = TypeVar("N", bound=torch.nn.Module)

WIDTH, TOKENS = 16, 8
"""Width of the text encoder's output, and length of its prompts in tokens."""

VAE: dict[str, Any] = {
    "block_out_channels": (8, 8, 8, 8),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "norm_num_groups": 4,
    "latent_channels": 4,
    "scaling_factor": 0.18215,
}
UNET: dict[str, Any] = {
    "block_out_channels": (8, 16),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "attention_head_dim": 2,
    "cross_attention_dim": WIDTH,
    "in_channels": 4,
    "out_channels": 4,
}
SCHEDULE: dict[str, Any] = {
    "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000,
    "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1, "trained_betas": None,
}  # fmt: skip
TEXT: dict[str, Any] = {
    "vocab_size": 4, "hidden_size": WIDTH, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
    "max_position_embeddings": TOKENS, "projection_dim": WIDTH, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1,
    "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
}  # fmt: skip
EMPTY_PROMPT = [0] + [1] * (TOKENS - 1)


def random_weights(network: N, seed: int) -> N:
    """Replace weights by larger random ones, which float16 holds exactly, and return the network.

    With its initial weights an autoencoder's latents hardly depend on the picture.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                scale = 1.2 / parameter[0].numel() ** 0.5
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
            else:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.05)
    return network.half().float().eval()


def make_vae(**change: Any) -> AutoencoderKL:
    return random_weights(AutoencoderKL(**VAE | change), 1)


def make_tiny_vae() -> AutoencoderTiny:
    widths = (8, 8, 8, 8)
    network = AutoencoderTiny(
        encoder_block_out_channels=widths, decoder_block_out_channels=widths,
        num_encoder_blocks=(1, 1, 1, 1), num_decoder_blocks=(1, 1, 1, 1),
    )  # fmt: skip
    return random_weights(network, 4)


def make_unet(**change: Any) -> UNet2DConditionModel:
    return random_weights(UNet2DConditionModel(**UNET | change), 2)


def make_text_encoder() -> CLIPTextModel:
    return random_weights(CLIPTextModel(CLIPTextConfig(**TEXT)), 3)


def write_scheduler(folder: Path, name: str = "PNDMScheduler", **change: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scheduler_config.json").write_text(json.dumps({"_class_name": name, **SCHEDULE, **change}))


def write_tokenizer(folder: Path) -> None:
    folder.mkdir(parents=True)
    vocabulary = {"<|startoftext|>": 0, "<|endoftext|>": 1, "a": 2, "a</w>": 3}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokens = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    fields = {**tokens, "unk_token": "<|endoftext|>", "model_max_length": TOKENS, "tokenizer_class": "CLIPTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(fields))


def write_text_encoder(folder: Path, encoder: CLIPTextModel) -> None:
    """Write a text encoder whose weights have the names of transformers before 5.6 and of all published checkpoints."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"architectures": ["CLIPTextModel"], **TEXT}))
    weights = {f"text_model.{name.removeprefix('text_model.')}": t for name, t in encoder.state_dict().items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def write_pipeline(folder: Path, **scheduler: Any) -> Path:
    """A pipeline of Stable Diffusion as diffusers saves it."""
    make_vae().save_pretrained(folder / "vae")
    make_unet().save_pretrained(folder / "unet")
    write_scheduler(folder / "scheduler", **scheduler)
    write_tokenizer(folder / "tokenizer")
    write_text_encoder(folder / "text_encoder", make_text_encoder())
    parts = {"unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline", **parts}))
    return folder


def change_json(path: Path, **change: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))


def reload(path: Path) -> dict[str, torch.Tensor]:
    """Copies of the weights in a file, which may then be overwritten."""
    return {name: tensor.clone() for name, tensor in load_file(path).items()}


_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
    "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
_VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
_UNET_ENDS = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2", "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0", "conv_out": "out.2",
}  # fmt: skip


def original_vae_name(name: str, blocks: int = 4) -> str:
    """A weight of AutoencoderKL as the authors of latent diffusion called it."""
    for new, old in {**_VAE_ATTENTION, "conv_shortcut": "nin_shortcut", "conv_norm_out": "norm_out"}.items():
        if new in ("conv_shortcut", "conv_norm_out") or "attentions" in name:
            name = name.replace(f".{new}.", f".{old}.")
    name = name.replace("mid_block.attentions.0", "mid.attn_1")
    name = name.replace("mid_block.resnets.0", "mid.block_1").replace("mid_block.resnets.1", "mid.block_2")
    words = name.split(".")
    if words[1] in ("down_blocks", "up_blocks"):
        number = int(words[2]) if words[1] == "down_blocks" else blocks - 1 - int(words[2])
        kind = {"resnets": f"block.{words[4]}", "downsamplers": "downsample", "upsamplers": "upsample"}[words[3]]
        words = [words[0], words[1].removesuffix("_blocks"), str(number), kind, *words[5:]]
    return ".".join(words)


def original_unet_name(name: str, layers: int, attended: set[int]) -> str:
    """A weight of UNet2DConditionModel as the authors of latent diffusion called it.

    Args:
        layers: residual blocks of each resolution.
        attended: the up blocks that have attention.
    """
    for new, old in _UNET_ENDS.items():
        if name.startswith(f"{new}."):
            return old + name.removeprefix(new)
    for new, old in _RESNET.items():
        if "resnets" in name:
            name = name.replace(f".{new}.", f".{old}.")
    words = name.split(".")
    if words[0] == "mid_block":
        number = 1 if words[1] == "attentions" else 2 * int(words[2])
        return ".".join(["middle_block", str(number), *words[3:]])
    block, kind, inner = int(words[1]), words[2], int(words[3])
    first = block * (layers + 1)
    if words[0] == "down_blocks":
        if kind == "downsamplers":
            return ".".join(["input_blocks", str(1 + first + layers), "0", "op", *words[5:]])
        return ".".join(["input_blocks", str(1 + first + inner), str(int(kind == "attentions")), *words[4:]])
    if kind == "upsamplers":
        return ".".join(["output_blocks", str(first + layers), str(1 + (block in attended)), "conv", *words[5:]])
    return ".".join(["output_blocks", str(first + inner), str(int(kind == "attentions")), *words[4:]])


def original_vae(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights of an autoencoder in their original layout, where attention is made of 1x1 convolutions."""
    result = {}
    for name, tensor in state.items():
        if "attentions" in name and tensor.ndim == 2:
            tensor = tensor[:, :, None, None]
        result[original_vae_name(name)] = tensor
    return result


def write_single_file(path: Path, pipeline: Path) -> Path:
    """The checkpoint of a pipeline in one file, with the original names."""
    weights = "diffusion_pytorch_model.safetensors"
    vae = original_vae(load_file(pipeline / "vae" / weights))
    unet = load_file(pipeline / "unet" / weights)
    text = load_file(pipeline / "text_encoder" / "model.safetensors")
    tensors = {f"first_stage_model.{name}": tensor for name, tensor in vae.items()}
    tensors |= {f"model.diffusion_model.{original_unet_name(name, 1, {1})}": t for name, t in unet.items()}
    tensors |= {f"cond_stage_model.transformer.{name}": tensor for name, tensor in text.items()}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return path


def shard(folder: Path, stem: str, variant: str = "") -> None:
    """Replace the weights in a folder by two shards with an index, as ``max_shard_size`` does."""
    whole = folder / f"{stem}.safetensors"
    tensors = reload(whole)
    whole.unlink()
    names = sorted(tensors)
    places: dict[str, str] = {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"{stem}{variant}-0000{number}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, folder / file, {"format": "pt"})
        places |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": 0}, "weight_map": places}
    (folder / f"{stem}.safetensors.index{variant}.json").write_text(json.dumps(index))


def halve(folder: Path, stem: str) -> None:
    """Replace the weights in a folder by their fp16 variant."""
    tensors = reload(folder / f"{stem}.safetensors")
    (folder / f"{stem}.safetensors").unlink()
    save_file({name: tensor.half() for name, tensor in tensors.items()}, folder / f"{stem}.fp16.safetensors")
