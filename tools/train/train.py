"""Train a model in stages, on a CPU or a GPU, from any folder of photos; stop and resume at any time.

    python tools/train/train.py tools/train/configs/tiny.toml --stage autoencoder --photos PHOTOS --run RUNS/tiny

Each stage writes RUN/STAGE.safetensors (weights, moving average, optimiser) and RUN/STAGE.jsonl (the log). Calling the
same command again resumes; batches depend on the seed and the step alone, so that a resumed run equals an
uninterrupted one. A stage starts from the stage that its configuration names, or from ``--warm-start``.
"""

from __future__ import annotations

import json
import math
import time
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import click
import torch
from torch import Tensor
from tqdm import tqdm

from adversary import Adversary
from bottleneck import add_noise, palettise, straight_through, to_code_grid
from codec import Average, Codec, load_checkpoint, save_checkpoint
from data import Photos, evaluation_crops, split_photos
from losses import PictureLoss
from muon import Muon
from winograd import use_winograd


class Pass(NamedTuple):
    """One batch through the networks."""

    decoded: Tensor | None
    """The pictures, or None where the stage needs none."""
    latents: Tensor
    """What they were decoded from, as a file would hold it."""
    loss: Tensor
    """The part of the loss that needs no picture: the latent's error and its bits."""
    terms: dict[str, float]
    """What to log."""


def autocast(device: str) -> torch.autocast:
    """bfloat16 where the hardware multiplies it fast; elsewhere float32."""
    fast = device != "cpu" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.autocast(device, torch.bfloat16, enabled=fast)


def learning_rate(step: int, stage: dict[str, Any]) -> float:
    """Linear warm-up, then a cosine down to a hundredth of the peak."""
    peak, warmup, steps = stage["learning_rate"], stage["warmup"], stage["steps"]
    if step < warmup:
        return float(peak * (step + 1) / warmup)
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    return float(peak * (0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2))


def palettise_codes(codec: Codec, latents: Tensor, stage: dict[str, Any], generator: torch.Generator) -> Tensor:
    """Palettise as a file would, with a palette size drawn log-uniformly from the stage's range."""
    low, high = (math.log2(entries) for entries in stage["entries"])
    entries = round(2 ** (low + float(torch.rand((), generator=generator)) * (high - low)))
    return to_code_grid(palettise(latents, stage["crops"], entries, generator), codec.step)


def forward(codec: Codec, pictures: Tensor, stage: dict[str, Any], generator: torch.Generator) -> Pass:
    """Send pictures through the stage's bottleneck."""
    if stage["bottleneck"] == "palette":
        return _through_palette(codec, pictures, stage, generator)
    if stage["bottleneck"] == "rounded":
        return _prior_alone(codec, pictures, stage, generator)
    return _through_steps(codec, pictures, stage, generator)


def _encode(codec: Codec, pictures: Tensor, stage: dict[str, Any]) -> Tensor:
    with torch.set_grad_enabled("encoder" in stage["train"]):
        return codec.encode(pictures)


def _through_palette(codec: Codec, pictures: Tensor, stage: dict[str, Any], generator: torch.Generator) -> Pass:
    """Clean, noisy or really palettised latents: which of them a step sees is drawn per step."""
    latents = _encode(codec, pictures, stage)
    penalty = 0.01 * (latents.square().mean() - 1).clamp(min=0)
    draw = float(torch.rand((), generator=generator))
    if draw < stage["clean"]:
        return Pass(codec.decode(latents), latents, penalty, {})
    if draw < stage["clean"] + stage["noise"]:
        noisy = add_noise(latents, stage["noise_most"], generator)
        return Pass(codec.decode(noisy), noisy, penalty, {})
    quantised = palettise_codes(codec, latents, stage, generator)
    if "unet" not in stage["train"]:
        return Pass(codec.decode(straight_through(latents, quantised)), quantised, penalty, {})
    error = (quantised - latents).square().mean((1, 2, 3)).sqrt()
    denoised = codec.denoise(quantised, error)
    relative = (denoised - latents).square().mean((1, 2, 3)) / error.square().clamp(min=1e-6)
    return Pass(codec.decode(denoised), quantised, penalty + stage["latent_weight"] * relative.mean(), {})


def _prior_alone(codec: Codec, pictures: Tensor, stage: dict[str, Any], generator: torch.Generator) -> Pass:
    """The bits of really rounded latents: what files cost, once the autoencoder is settled."""
    latents = _encode(codec, pictures, stage)
    step = draw_steps(len(pictures), stage, generator).to(latents)
    quantised = codec.quantise(latents, step)
    rate = (codec.prior(codec.to_codes(quantised).round(), step) / (pictures.shape[2] * pictures.shape[3])).mean()
    return Pass(None, quantised, rate, {"bpp": float(rate.detach())})


def _through_steps(codec: Codec, pictures: Tensor, stage: dict[str, Any], generator: torch.Generator) -> Pass:
    """Latents rounded to multiples of a step drawn per picture; their bits are part of the loss.

    The bits are those of latents with uniform noise in place of rounding (Balle et al. 2017), the picture that of
    really rounded ones. A finer step asks for fidelity: its bits weigh less.
    """
    latents = _encode(codec, pictures, stage)
    step = draw_steps(len(pictures), stage, generator).to(latents)
    width = step[:, None, None, None]
    noise = torch.rand(latents.shape, generator=generator).to(latents) - 0.5
    bits = codec.prior(codec.to_codes(latents) + noise * width, step)
    per_pixel = bits / (pictures.shape[2] * pictures.shape[3])
    rate = (stage["rate"] * (step / stage["rate_step"]) ** stage["rate_power"] * per_pixel).mean()
    quantised = straight_through(latents, codec.quantise(latents.detach(), step))
    terms = {"bpp": float(per_pixel.detach().mean())}
    if "unet" not in stage["train"]:
        return Pass(codec.decode(quantised), quantised, rate, terms)
    error = codec.rounding_error(step)
    denoised = codec.denoise(quantised, error)
    relative = (denoised - latents).square().mean((1, 2, 3)) / error.square()
    terms["unet"] = float(relative.detach().mean())
    return Pass(codec.decode(denoised), quantised, rate + stage["latent_weight"] * relative.mean(), terms)


def towards(
    photos: Tensor, result: Pass, loss: PictureLoss, adversary: Adversary | None, step: int, generator: torch.Generator
) -> tuple[Tensor, dict[str, float]]:
    """The part of the loss that looks at pictures (with an adversary only its gradient is right), and what to log."""
    assert result.decoded is not None
    if adversary is None:
        return loss(photos, result.decoded, step, generator)
    decoded, latents = result.decoded.detach(), result.latents.detach()
    leaf = decoded.clone().requires_grad_()
    distance, terms = loss(photos, leaf, step, generator)
    (others,) = torch.autograd.grad(distance, leaf)
    terms |= adversary.learn(photos, decoded, latents)
    return (result.decoded * (others + adversary.gradient(decoded, latents, others))).sum(), terms


def rate_weight(step: int, stage: dict[str, Any]) -> float:
    """The stage's weight of the rate; with a ramp (first step, last step, share at its start) it grows to that."""
    first, last, share = stage.get("rate_ramp", (0, 1, 1.0))
    progress = min(1.0, max(0.0, (step - first) / (last - first)))
    return float(stage.get("rate_weight", 1.0) * (share + (1 - share) * progress))


def draw_steps(count: int, stage: dict[str, Any], generator: torch.Generator) -> Tensor:
    """Steps in codes, log-uniform in one of the stage's ranges, each as likely."""
    ranges = torch.tensor(stage["code_steps"]).log()
    low, high = ranges[torch.randint(len(ranges), (count,), generator=generator)].T
    return (low + (high - low) * torch.rand(count, generator=generator)).exp()


@torch.no_grad()
def evaluate(
    codec: Codec, held_out: list[Path], loss: PictureLoss, stage: dict[str, Any], device: str
) -> dict[str, float]:
    """Mean PSNR, LPIPS-Alex and DISTS (if loaded) and what the latent costs, on the centres of held-out photos."""
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
                bits = codec.prior(codec.to_codes(quantised).round(), step)
                row["bpp"] = float(bits) / (picture.shape[2] * picture.shape[3])
            final = codec.denoise(quantised, error) if use_unet else quantised
            decoded = codec.decode(final).clamp(0, 1)
            row |= {
                "psnr": -10 * math.log10(float((decoded - picture).square().mean())),
                "latent_error": float((final - latents).square().mean() / latents.var()),
            }
            for name in ("lpips_alex", "dists"):
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
@click.option("--stop-after", type=int, help="stop (and save) after this many steps in all, as if interrupted")
def main(
    config: Path,
    stage: str,
    photos: Path,
    run: Path,
    perceptual: Path | None,
    warm_start: Path | None,
    device: str,
    stop_after: int | None,
) -> None:
    settings = tomllib.loads(config.read_text())
    if stage not in settings["stages"]:
        raise click.BadParameter(
            f"{config} has stages {', '.join(settings['stages'])}; found {stage!r}", param_hint="--stage"
        )
    plan, data = settings["stages"][stage], settings["data"]
    run.mkdir(parents=True, exist_ok=True)
    checkpoint = run / f"{stage}.safetensors"

    torch.manual_seed(plan["seed"])
    codec = Codec(settings["model"])
    if warm_start and not checkpoint.exists():
        click.echo(f"new parts: {', '.join(codec.warm_start(warm_start)) or 'none'}")
    average = Average(codec, plan["average"])
    if not checkpoint.exists() and (before := plan.get("after")):
        load_checkpoint(run / f"{before}.safetensors", codec, average)
        codec.load_state_dict(average.codec.state_dict())
    codec.to(device)
    average.codec.to(device)
    groups = codec.trainable(plan["train"])
    trained = [parameter for group in groups for parameter in group["params"]]
    optimiser: torch.optim.Optimizer
    if plan["optimiser"] == "muon":
        optimiser = Muon(groups)
    else:
        optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=plan["weight_decay"])
    adversary = Adversary(codec.vae.config.latent_channels, plan["adversary"], device) if "adversary" in plan else None
    step = load_checkpoint(checkpoint, codec, average, optimiser, adversary)["step"] if checkpoint.exists() else 0
    looks = (plan["vgg_crop"], plan["vgg_pictures"], plan.get("shifted", 0.0))
    loss = PictureLoss(plan["losses"], perceptual, *looks).to(device)
    if device == "cpu" and not autocast(device)._enabled:
        use_winograd(codec)
        loss.use_winograd()
    split = split_photos(photos, data["held_out"], tuple(data["exclude"]))
    if step >= plan["steps"]:
        click.echo(f"stage {stage} is complete at {step} steps")
        return
    dataset = Photos(split.train, plan["crop"], text=plan["text"])

    def save() -> None:
        save_checkpoint(
            checkpoint, codec, average, optimiser, adversary, {"step": step, "stage": stage, "config": settings}
        )

    log = (run / f"{stage}.jsonl").open("a", buffering=1)
    started, sums, count = time.monotonic(), dict[str, float](), dict[str, int]()
    with log, tqdm(total=plan["steps"], initial=step, desc=stage, disable=None) as bar:
        while step < min(plan["steps"], stop_after or plan["steps"]):
            generator = torch.Generator().manual_seed(plan["seed"] * 1_000_003 + step)
            pictures = dataset.batch(plan["seed"], step, plan["photos"], plan["crops"]).to(
                device, memory_format=torch.channels_last
            )
            for group in optimiser.param_groups:
                group["lr"] = group["share"] * learning_rate(step, plan)
            with autocast(device):
                result = forward(codec, pictures, plan | {"rate": rate_weight(step, plan)}, generator)
                total, terms = result.loss, result.terms | {"latent": float(result.loss.detach())}
                if result.decoded is not None:
                    distance, more = towards(pictures, result, loss, adversary, step, generator)
                    total, terms = total + distance, terms | more
            optimiser.zero_grad(set_to_none=True)
            total.backward()
            terms["gradient"] = float(torch.nn.utils.clip_grad_norm_(trained, plan["clip"]))
            if math.isfinite(terms["gradient"]):
                optimiser.step()
            step += 1
            average.update(codec, step)
            bar.update()
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + value
                count[name] = count.get(name, 0) + 1
            if step % plan["log_every"] == 0:
                row = {"step": step, "seconds": round(time.monotonic() - started, 1)} | {
                    n: round(sums[n] / count[n], 5) for n in sums
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
