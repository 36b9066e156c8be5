"""Train a model in stages, on a CPU or a GPU, from any folder of photos; stop and resume at any time.

    python tools/train/train.py tools/train/configs/tiny.toml --stage codec --photos PHOTOS --perceptual WEIGHTS --run RUNS/tiny

Each stage writes RUN/STAGE.safetensors (weights, moving average, optimiser) and RUN/STAGE.jsonl (the log). Calling the
same command again resumes; batches depend on the seed and the step alone, so that a resumed run equals an
uninterrupted one. A stage starts from the stage that its configuration names with ``after``, or from ``--warm-start``.
On a GPU the photos are decoded once and kept in its memory: 1,800 of them, 510 megapixels, take 1.5 GB.
"""

from __future__ import annotations

import json
import math
import time
import tomllib
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor
from tqdm import tqdm

from adversary import Adversary
from bottleneck import palettise, to_code_grid
from codec import Average, Codec, load_checkpoint, save_checkpoint
from data import Photos, ResidentPhotos, evaluation_crops, split_photos
from draws import Draws, draw
from forward import Pass, forward
from graph import Graph, obstacle
from losses import PictureLoss
from muon import Muon
from stages import learning_rate, rate_weight, stage_settings
from winograd import use_winograd


def autocast(device: str) -> torch.autocast:
    """bfloat16 where the hardware multiplies it fast; elsewhere float32."""
    fast = device != "cpu" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.autocast(device, torch.bfloat16, enabled=fast)


def towards(
    photos: Tensor,
    result: Pass,
    loss: PictureLoss,
    adversary: Adversary | None,
    step: int,
    generator: torch.Generator,
    phase: Tensor | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The part of the loss that looks at pictures (with an adversary only its gradient is right), and what to log."""
    assert result.decoded is not None
    if adversary is None:
        return loss(photos, result.decoded, step, generator, phase)
    decoded, latents = result.decoded.detach(), result.latents.detach()
    leaf = decoded.clone().requires_grad_()
    distance, terms = loss(photos, leaf, step, generator, phase)
    (others,) = torch.autograd.grad(distance, leaf)
    terms |= adversary.learn(photos, decoded, latents)
    return (result.decoded * (others + adversary.gradient(decoded, latents, others))).sum(), terms


@torch.no_grad()
def evaluate(
    codec: Codec, held_out: list[Path], loss: PictureLoss, stage: dict[str, Any], device: str
) -> dict[str, float]:
    """Mean PSNR, LPIPS and DISTS (if loaded) and what the latent costs, on the centres of held-out photos."""
    rows = []
    use_unet = "unet" in stage["train"]
    for picture in evaluation_crops(held_out, 256):
        picture = picture.to(device)
        generator = torch.Generator().manual_seed(0)
        with autocast(device):
            latents = codec.encode(picture)
            row = {}
            if stage["bottleneck"] == "palette":
                quantised = to_code_grid(palettise(latents, 1, stage["evaluate_at"], generator), codec.step)
                error = (quantised - latents).square().mean().sqrt()[None]
            else:
                step = torch.tensor([float(stage["evaluate_at"])], device=device)
                quantised, error = codec.quantise(latents, step), codec.rounding_error(step)
                with torch.autocast(device, enabled=False):
                    bits = codec.prior(codec.to_codes(quantised).round(), step)
                row["bpp"] = float(bits) / (picture.shape[2] * picture.shape[3])
            final = codec.denoise(quantised, error) if use_unet else quantised
            decoded = codec.decode(final).clamp(0, 1)
            row |= {
                "psnr": -10 * math.log10(float((decoded - picture).square().mean())),
                "latent_error": float((final - latents).square().mean() / latents.var()),
            }
            for name in ("lpips_alex", "lpips_vgg", "dists"):
                if name in loss.networks:
                    row[name] = float(loss.networks[name](picture, decoded))
        rows.append(row)
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--stage", required=True, help="which stage of the configuration to train")
@click.option(
    "--photos",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="folder of training photos",
)
@click.option(
    "--run", required=True, type=click.Path(file_okay=False, path_type=Path), help="folder for checkpoints and logs"
)
@click.option(
    "--perceptual",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="folder with LPIPS and DISTS weights",
)
@click.option(
    "--warm-start",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="model folder whose networks to start from",
)
@click.option("--device", default="cuda" if torch.cuda.is_available() else "cpu", show_default=True)
@click.option(
    "--graph",
    is_flag=True,
    help="replay each step as a CUDA graph, faster on a GPU; a gradient that is not finite then counts as 0",
)
@click.option("--stop-after", type=int, help="stop (and save) after this many steps in all, as if interrupted")
def main(
    config: Path,
    stage: str,
    photos: Path,
    run: Path,
    perceptual: Path | None,
    warm_start: Path | None,
    device: str,
    graph: bool,
    stop_after: int | None,
) -> None:
    settings = tomllib.loads(config.read_text())
    if stage not in settings["stages"]:
        raise click.BadParameter(
            f"{config} has stages {', '.join(settings['stages'])}; found {stage!r}", param_hint="--stage"
        )
    plan, data = stage_settings(settings["stages"], stage), settings["data"]
    if graph and (reason := obstacle(plan) or (None if device.startswith("cuda") else f"the device is {device}")):
        raise click.BadParameter(f"stage {stage} cannot be a CUDA graph: {reason}", param_hint="--graph")
    run.mkdir(parents=True, exist_ok=True)
    checkpoint = run / f"{stage}.safetensors"

    torch.manual_seed(plan["seed"])
    codec = Codec(settings["model"])
    if warm_start and not checkpoint.exists():
        click.echo(f"new parts: {', '.join(codec.warm_start(warm_start)) or 'none'}")
    average = Average(codec, plan["average"])
    if not (warm_start or checkpoint.exists()) and (before := plan.get("after")):
        load_checkpoint(run / f"{before}.safetensors", codec, average)
        codec.load_state_dict(average.codec.state_dict())
    codec.to(device)
    average.codec.to(device)
    groups = codec.trainable(plan["train"])
    trained = [parameter for group in groups for parameter in group["params"]]
    optimiser: torch.optim.Optimizer
    if plan["optimiser"] == "muon":
        optimiser = Muon(groups, momentum=plan.get("momentum", 0.95))
    else:
        optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=plan["weight_decay"])
    adversary = Adversary(codec.vae.config.latent_channels, plan["adversary"], device) if "adversary" in plan else None
    step = load_checkpoint(checkpoint, codec, average, optimiser, adversary)["step"] if checkpoint.exists() else 0
    looks = (plan["vgg_crop"], plan["vgg_pictures"], plan.get("vgg_turns", True))
    loss = PictureLoss(plan["losses"], perceptual, *looks).to(device)
    if device == "cpu" and not autocast(device)._enabled:
        use_winograd(codec)
        loss.use_winograd()
    split = split_photos(photos, data["held_out"], tuple(data["exclude"]))
    if step >= plan["steps"]:
        click.echo(f"stage {stage} is complete at {step} steps")
        return
    if device == "cpu":
        dataset = Photos(split.train, plan["crop"], text=plan["text"])
    else:
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = False  # for SSIM's variances; the networks are in bfloat16
        dataset = ResidentPhotos(split.train, plan["crop"], device, text=plan["text"])

    def save() -> None:
        save_checkpoint(
            checkpoint, codec, average, optimiser, adversary, {"step": step, "stage": stage, "config": settings}
        )

    def compute(pictures: Tensor, generator: torch.Generator, draws: Draws | None) -> tuple[Tensor, dict[str, Tensor]]:
        with autocast(device):
            result = forward(codec, pictures, plan | {"rate": rate_weight(step, plan)}, generator, draws)
            total, terms = result.loss, result.terms | {"latent": result.loss.detach()}
            if result.decoded is not None:
                phase = None if draws is None else draws.phase
                distance, more = towards(pictures, result, loss, adversary, step, generator, phase)
                total, terms = total + distance, terms | more
        return total, terms

    def recorded(pictures: Tensor, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        return compute(pictures, torch.Generator(), draws)

    replay: Graph | None = None
    log = (run / f"{stage}.jsonl").open("a", buffering=1)
    started, sums, count = time.monotonic(), dict[str, Tensor](), dict[str, int]()
    with log, tqdm(total=plan["steps"], initial=step, desc=stage, disable=None) as bar:
        while step < min(plan["steps"], stop_after or plan["steps"]):
            generator = torch.Generator().manual_seed(plan["seed"] * 1_000_003 + step)
            pictures = dataset.batch(plan["seed"], step, plan["photos"], plan["crops"]).to(
                device, memory_format=torch.channels_last
            )
            for group in optimiser.param_groups:
                group["lr"] = group["share"] * learning_rate(step, plan)
            draws = None
            if plan["bottleneck"] != "palette":
                draws = draw(pictures, (codec.channels, codec.factor), plan, generator)
            if graph:
                assert draws is not None
                replay = replay or Graph(recorded, trained, plan["clip"], pictures, draws)
                terms = {name: value.clone() for name, value in replay(pictures, draws).items()}
                optimiser.step()
            else:
                total, terms = compute(pictures, generator, draws)
                optimiser.zero_grad(set_to_none=True)
                total.backward()
                terms["gradient"] = torch.nn.utils.clip_grad_norm_(trained, plan["clip"])
                if math.isfinite(float(terms["gradient"])):
                    optimiser.step()
            step += 1
            average.update(codec, step)
            bar.update()
            for name, value in terms.items():
                sums[name] = sums[name] + value if name in sums else value
                count[name] = count.get(name, 0) + 1
            if step % plan["log_every"] == 0:
                row = {"step": step, "seconds": round(time.monotonic() - started, 1)} | {
                    n: round(float(sums[n]) / count[n], 5) for n in sums
                }
                log.write(json.dumps(row) + "\n")
                sums.clear(), count.clear()
            if step % plan["save_every"] == 0:
                save()
            if step % plan["evaluate_every"] == 0 or step == plan["steps"]:
                save()
                scores = evaluate(average.codec, split.held_out, loss, plan, device)
                log.write(json.dumps({"step": step, "held_out": {n: round(v, 4) for n, v in scores.items()}}) + "\n")
    save()


if __name__ == "__main__":
    main()
