"""Time and memory of a checkpoint of Stable Diffusion's size beside those of the shipped model, and their ratios.

    python tools/bench/bench_stable_diffusion.py [--side 512] [--dtype float32] [PHOTO]

Makes a checkpoint with the configuration of Stable Diffusion 1.5 and random weights (4 GB of disk while it runs), adds
it as `sdz-convert models add` does, and encodes and decodes one picture with it and with the shipped model, each in a
process of its own. Random weights take as long as trained ones, but decode to noise. Needs transformers:
pip install '.[sd]'.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import click

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

import pillow_sdz
from pillow_sdz.evaluation.codecs import decoded, saved
from tools.bench.photos import sample, square
from tools.bench.resources import matmul_rate, peak_memory, seconds

SHIPPED: Final = "tiny"
NAME: Final = "full-size"
"""Names of the two models."""

# The configurations in unet/, vae/, text_encoder/ and scheduler/ of stable-diffusion-v1-5/stable-diffusion-v1-5, where
# they differ from the defaults of diffusers and transformers.
UNET: dict[str, Any] = {"cross_attention_dim": 768, "sample_size": 64}
VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "scaling_factor": 0.18215,
}
TEXT: dict[str, Any] = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "max_position_embeddings": 77,
    "projection_dim": 768,
    "vocab_size": 49408,
    "bos_token_id": 49406,
    "eos_token_id": 49407,
    "pad_token_id": 49407,
}
SCHEDULER: dict[str, Any] = {
    "_class_name": "PNDMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
TOKENIZER: dict[str, Any] = {
    "bos_token": "<|startoftext|>",
    "eos_token": "<|endoftext|>",
    "pad_token": "<|endoftext|>",
    "unk_token": "<|endoftext|>",
    "model_max_length": 77,
    "tokenizer_class": "CLIPTokenizer",
}


def write_checkpoint(folder: Path, unet: dict[str, Any], vae: dict[str, Any], text: dict[str, Any]) -> None:
    """Write a pipeline folder as diffusers saves it, with random weights.

    The autoencoder's weights are larger than those of a newly initialised one, whose latents hardly depend on the
    picture.

    Args:
        folder: where to.
        unet, vae, text: configurations of the U-Net, the autoencoder and the text encoder.
    """
    import diffusers
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    classes: Any = diffusers  # its lazy imports hide the types of its classes
    classes.UNet2DConditionModel(**unet).save_pretrained(folder / "unet")
    autoencoder = classes.AutoencoderKL(**vae)
    with torch.no_grad():
        for weight in autoencoder.parameters():
            if weight.ndim > 1:
                weight.normal_(0, 1.2 / weight[0].numel() ** 0.5)
    autoencoder.save_pretrained(folder / "vae")
    CLIPTextModel(CLIPTextConfig(**text)).save_pretrained(folder / "text_encoder")
    for name, fields in (("scheduler/scheduler_config", SCHEDULER), ("tokenizer/tokenizer_config", TOKENIZER)):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(fields))
    words = {"<|startoftext|>": text["bos_token_id"], "<|endoftext|>": text["eos_token_id"], "a": 0, "a</w>": 1}
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps(words))
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\n")
    parts = {"unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline", **parts}))


def measure(model: str, side: int, dtype: str, photo: Path | None, file: Path) -> dict[str, dict[str, Any]]:
    """Encode a picture into ``file``, then decode it, in one new process each; ``encode`` and ``decode`` -> `work`."""
    rows = {}
    for action in ("encode", "decode"):
        arguments = ["--worker", action, "--side", str(side), "--dtype", dtype, "--model", model, "--file", str(file)]
        command = [sys.executable, __file__, *arguments, *([str(photo)] if photo else [])]
        rows[action] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return rows


def work(action: str, model: str, side: int, dtype: str, photo: Path | None, file: Path) -> dict[str, Any]:
    """Do an action twice in this process.

    Returns:
        Seconds of the ``first`` time, which includes all loading, and of the time ``again``; ``peak`` memory in MiB
        (None where the system does not tell), and ``bytes`` of the file.
    """
    pillow_sdz.options.decode.dtype = dtype
    if action == "encode":
        image = square(photo or sample(), side)
        first = seconds(lambda: file.write_bytes(saved(image, "SDZ", model=model)), 1)
        again = seconds(lambda: saved(image, "SDZ", model=model), 1)
    else:
        first = seconds(lambda: decoded(file.read_bytes()), 1)
        again = seconds(lambda: decoded(file.read_bytes()), 1)
    return {"first": first, "again": again, "peak": peak_memory(), "bytes": file.stat().st_size}


def table(rows: dict[str, dict[str, dict[str, Any]]], rate: float, side: int) -> str:
    """Seconds and MiB of each action by model, and the ratio of the last model to the first.

    Args:
        rows: model -> what `measure` returned.
        rate: GFLOP/s of a matrix product.
        side: of the picture in pixels.
    """
    names = list(rows)
    lines = [f"{side}x{side} pixels, float32 matrix products at {rate:.0f} GFLOP/s"]
    lines.append(f"{'':28}" + "".join(f"{name:>14}" for name in (*names, "ratio")))
    for action in ("encode", "decode"):
        for field, label, digits in (
            ("first", "first in a process, s", 3),
            ("again", "again, s", 3),
            ("peak", "peak memory, MiB", 0),
        ):
            values = [float(rows[name][action][field] or float("nan")) for name in names]
            cells = "".join(f"{value:>14,.{digits}f}" for value in values)
            lines.append(f"{action + ', ' + label:28}{cells}{values[-1] / values[0]:>14.1f}")
    sizes = "".join(f"{rows[name]['encode']['bytes']:>14,}" for name in names)
    return "\n".join([*lines, f"{'bytes of the file':28}{sizes}"])


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.argument("photo", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--side", default=512, show_default=True, type=click.IntRange(64, 4096), help="pixels a side")
@click.option("--dtype", default="float32", show_default=True, help="number type of the networks")
@click.option("--worker", type=click.Choice(["encode", "decode"]), hidden=True)
@click.option("--model", hidden=True)
@click.option("--file", type=click.Path(path_type=Path), hidden=True)
def main(photo: Path | None, side: int, dtype: str, worker: str | None, model: str | None, file: Path | None) -> None:
    """The command; its help is the module's docstring."""
    if worker and model and file:
        click.echo(json.dumps(work(worker, model, side, dtype, photo, file)))
        return
    from pillow_sdz.models.checkpoints.add import add_model  # not in the workers, whose memory is measured

    with tempfile.TemporaryDirectory() as folder:
        os.environ["PILLOW_SDZ_MODELS"] = str(Path(folder) / "models")
        click.echo("making a checkpoint with random weights", err=True)
        write_checkpoint(Path(folder) / "checkpoint", UNET, VAE, TEXT)
        add_model(NAME, Path(folder) / "checkpoint")
        rows = {}
        for name in (SHIPPED, NAME):
            click.echo(f"measuring {name}", err=True)
            rows[name] = measure(name, side, dtype, photo, Path(folder) / "picture.sdz")
        click.echo(table(rows, matmul_rate(), side))


if __name__ == "__main__":
    main()
