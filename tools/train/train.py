"""Train a model in stages, on a CPU or a GPU, from any folder of photos; stop and resume at any time.

    python tools/train/train.py tools/train/configs/tiny.toml --stage codec --photos PHOTOS --perceptual WEIGHTS \\
        --run RUNS/tiny

Each stage writes RUN/STAGE.safetensors (weights, moving average, optimiser) and RUN/STAGE.jsonl (the log). The same
command again resumes; batches depend on the seed and the step alone, so that a resumed run equals an uninterrupted one.
A stage starts from the stage that its configuration names with ``after``, or from ``--warm-start``. On a GPU the photos
are decoded once and kept in its memory: 1,800 of them, 510 megapixels, take 1.5 GB.
"""

from __future__ import annotations

import json
import math
import sys
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import torch
from torch import Tensor
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

from tools.train.adversary import Adversary
from tools.train.checkpoint import load_checkpoint, save_checkpoint
from tools.train.data import Photos, ResidentPhotos, split_photos
from tools.train.draws import Draws, draw
from tools.train.evaluate import autocast, evaluate
from tools.train.forward import Pass, forward
from tools.train.graph import Graph, obstacle
from tools.train.losses import PictureLoss
from tools.train.model import Average, TrainableModel
from tools.train.muon import Muon
from tools.train.stages import learning_rate, rate_weight, stage_settings
from tools.train.winograd import use_winograd

if TYPE_CHECKING:
    from typing import TextIO

ADAM_BETAS: Final = (0.9, 0.99)
"""AdamW's. The usual 0.999 would average squared gradients over more steps than short stages have."""

STEP_SEEDS: Final = 1_000_003
"""The generator of a step has the seed ``seed * STEP_SEEDS + step``: more than any stage has steps, so that stages with
different seeds share no generator seed."""

FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)


def picture_loss(
    photos: Tensor,
    result: Pass,
    loss: PictureLoss,
    adversary: Adversary | None,
    step: int,
    generator: torch.Generator,
    phase: Tensor | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The part of the loss that compares pictures, and its terms to log. It trains the adversary, if there is one.

    With an adversary the value has no meaning, but its gradient is that of the whole loss: that of the distances plus
    that of the adversary, whose weight depends on both.

    Args:
        photos: (B, 3, h, w) in [0, 1], the originals.
        result: what they became.
        loss: distances between pictures.
        adversary: the discriminator, or None.
        step: number of the training step.
        generator: draws the random numbers of the step.
        phase: see `PictureLoss.forward`.
    """
    assert result.decoded is not None
    value: Tensor
    terms: dict[str, Tensor]
    if adversary is None:
        value, terms = loss(photos, result.decoded, step, generator, phase)
        return value, terms
    decoded, latents = result.decoded.detach(), result.latents.detach()
    leaf = decoded.clone().requires_grad_()
    distance, terms = loss(photos, leaf, step, generator, phase)
    (of_distance,) = torch.autograd.grad(distance, leaf)
    terms |= adversary.learn(photos, decoded, latents)
    value = (result.decoded * (of_distance + adversary.gradient(decoded, latents, of_distance))).sum()
    return value, terms


class Log:
    """The log of a stage, one JSON object a line: means of the terms since the last line, and held-out scores.

    Args:
        file: open for writing.
    """

    def __init__(self, file: TextIO) -> None:
        self._file, self._started = file, time.monotonic()
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, terms: dict[str, Tensor]) -> None:
        """Add the terms of one step; they stay on the device, so that a GPU need not wait."""
        for name, value in terms.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1

    def write_means(self, step: int) -> None:
        """Write the means of all terms since the last call."""
        means = {name: round(float(total) / self._counts[name], 5) for name, total in self._sums.items()}
        self._write({"step": step, "seconds": round(time.monotonic() - self._started, 1)} | means)
        self._sums.clear()
        self._counts.clear()

    def write_scores(self, step: int, scores: dict[str, float]) -> None:
        """Write scores of held-out photos."""
        self._write({"step": step, "held_out": {name: round(value, 4) for name, value in scores.items()}})

    def _write(self, row: dict[str, Any]) -> None:
        self._file.write(json.dumps(row) + "\n")


def optimiser_for(groups: list[dict[str, Any]], plan: dict[str, Any]) -> torch.optim.Optimizer:
    """The optimiser that a stage asks for."""
    if plan["optimiser"] == "muon":
        return Muon(groups, momentum=plan.get("momentum", 0.95))
    return torch.optim.AdamW(groups, betas=ADAM_BETAS, weight_decay=plan["weight_decay"])


def training_photos(paths: list[Path], plan: dict[str, Any], device: str) -> Photos:
    """The training photos, in the memory of the CPU or of the GPU; on a GPU it also configures cuDNN for training."""
    if device == "cpu":
        return Photos(paths, plan["crop"], text=plan["text"])
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = False  # SSIM's variances need float32; the networks compute in bfloat16
    return ResidentPhotos(paths, plan["crop"], device, text=plan["text"])


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--stage", required=True, help="which stage of the configuration to train")
@click.option("--photos", required=True, type=FOLDER, help="folder of training photos")
@click.option(
    "--run", required=True, type=click.Path(file_okay=False, path_type=Path), help="folder for checkpoints and logs"
)
@click.option("--perceptual", type=FOLDER, help="folder with the weights of LPIPS and DISTS")
@click.option("--warm-start", type=FOLDER, help="model folder whose networks to start from")
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
    """The command; its help is the module's docstring."""
    settings = tomllib.loads(config.read_text())
    if stage not in settings["stages"]:
        problem = f"{config} has stages {', '.join(settings['stages'])}; found {stage!r}"
        raise click.BadParameter(problem, param_hint="--stage")
    plan, data = stage_settings(settings["stages"], stage), settings["data"]
    if graph and (reason := obstacle(plan) or (None if device.startswith("cuda") else f"the device is {device}")):
        raise click.BadParameter(f"stage {stage} cannot be a CUDA graph: {reason}", param_hint="--graph")
    run.mkdir(parents=True, exist_ok=True)
    checkpoint = run / f"{stage}.safetensors"

    torch.manual_seed(plan["seed"])
    model = TrainableModel(settings["model"])
    if warm_start and not checkpoint.exists():
        click.echo(f"new parts: {', '.join(model.warm_start(warm_start)) or 'none'}")
    average = Average(model, plan["average"])
    if not (warm_start or checkpoint.exists()) and (before := plan.get("after")):
        load_checkpoint(run / f"{before}.safetensors", model, average)
        model.load_state_dict(average.model.state_dict())
    model.to(device)
    average.model.to(device)
    groups = model.trainable(plan["train"])
    trained = [parameter for group in groups for parameter in group["params"]]
    optimiser = optimiser_for(groups, plan)
    adversary = Adversary(model.channels, plan["adversary"], device) if "adversary" in plan else None
    step = load_checkpoint(checkpoint, model, average, optimiser, adversary)["step"] if checkpoint.exists() else 0
    vgg = (plan["vgg_crop"], plan["vgg_pictures"], plan.get("vgg_turns", True))
    loss = PictureLoss(plan["losses"], perceptual, *vgg).to(device)
    if device == "cpu" and not autocast(device)._enabled:
        use_winograd(model)
        loss.use_winograd()
    split = split_photos(photos, data["held_out"], tuple(data["exclude"]))
    if step >= plan["steps"]:
        click.echo(f"stage {stage} is complete at {step} steps")
        return
    dataset = training_photos(split.train, plan, device)

    def save() -> None:
        meta = {"step": step, "stage": stage, "config": settings}
        save_checkpoint(checkpoint, model, average, optimiser, adversary, meta)

    def compute(pictures: Tensor, generator: torch.Generator, draws: Draws | None) -> tuple[Tensor, dict[str, Tensor]]:
        with autocast(device):
            result = forward(model, pictures, plan | {"rate": rate_weight(step, plan)}, generator, draws)
            total, terms = result.loss, result.terms | {"latent": result.loss.detach()}
            if result.decoded is not None:
                phase = None if draws is None else draws.phase
                distance, more = picture_loss(pictures, result, loss, adversary, step, generator, phase)
                total, terms = total + distance, terms | more
        return total, terms

    def recorded(pictures: Tensor, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        return compute(pictures, torch.Generator(), draws)

    replay: Graph | None = None
    file = (run / f"{stage}.jsonl").open("a", buffering=1)
    log = Log(file)
    with file, tqdm(total=plan["steps"], initial=step, desc=stage, disable=None) as bar:
        while step < min(plan["steps"], stop_after or plan["steps"]):
            generator = torch.Generator().manual_seed(plan["seed"] * STEP_SEEDS + step)
            pictures = dataset.batch(plan["seed"], step, plan["photos"], plan["crops"]).to(
                device, memory_format=torch.channels_last
            )
            for group in optimiser.param_groups:
                group["lr"] = group["share"] * learning_rate(step, plan)
            draws = None
            if plan["bottleneck"] != "palette":
                draws = draw(pictures, (model.channels, model.factor), plan, generator)
            if graph:
                assert draws is not None
                replay = replay or Graph(recorded, trained, plan["clip"], pictures, draws)
                terms = {name: value.clone() for name, value in replay(pictures, draws).items()}
                optimiser.step()
            else:
                total, terms = compute(pictures, generator, draws)
                optimiser.zero_grad(set_to_none=True)
                total.backward()  # type: ignore[no-untyped-call]
                terms["gradient"] = torch.nn.utils.clip_grad_norm_(trained, plan["clip"])
                if math.isfinite(float(terms["gradient"])):
                    optimiser.step()
            step += 1
            average.update(model, step)
            bar.update()
            log.add(terms)
            if step % plan["log_every"] == 0:
                log.write_means(step)
            if step % plan["save_every"] == 0:
                save()
            if step % plan["evaluate_every"] == 0 or step == plan["steps"]:
                save()
                log.write_scores(step, evaluate(average.model, split.held_out, loss, plan, device))
    save()


if __name__ == "__main__":
    main()
