"""Train the detector of lettering, faces and lattices, and write it into the package.

    python tools/train/detector.py --photos PHOTOS --faces FACES.json --held-out NAMES.txt --run RUN

FACES.json is what `detector_teacher` wrote; configs/detector.toml has what a person said of it. Labels of
`detector_cells` are used where a folder has them. The run stops and resumes at any step: RUN has a checkpoint every so
many steps. ``--export`` writes the moving average of the weights, in float16, to the package, and prints the digest
that `pillow_sdz.codec.guard.detector` must know. On one core a step of 8 crops takes about 0.2 s.
"""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path
from typing import Any, Final

import click
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

from pillow_sdz.codec.guard.detector import WEIGHTS_PATH
from tools.train.data import SUFFIXES
from tools.train.detector_data import Pool
from tools.train.detector_network import NormalisedDetector, folded
from tools.train.detector_photos import load_photos
from tools.train.muon import Muon

JUDGED: Final = Path(__file__).with_name("configs") / "detector.toml"

CLASS_WEIGHTS: Final = (1.0, 2.0, 1.5)
"""Weights of the losses of lettering, faces and lattices."""

POSITIVE: Final = (2.0, 3.0, 2.0)
"""How much more a missed cell costs than a false one."""

DECAY: Final = 0.998
"""Of the moving average of the weights."""

WARM_UP: Final = 100
"""Steps until the learning rate is reached; it falls by a cosine to a fiftieth of it."""


def loss_of(logits: Tensor, labels: Tensor) -> Tensor:
    """Weighted cross entropy of each class, (3,), over the cells that count.

    It is divided by half the number of positive cells plus a share of all, so that rare classes are heard.
    """
    counts = (labels >= 0).float()
    positive = torch.tensor(POSITIVE)[:, None, None]
    targets = labels.clamp(0, 1)
    loss = F.binary_cross_entropy_with_logits(logits, targets, reduction="none", pos_weight=positive)
    loss = loss * labels.clamp(min=1)
    number = 0.5 * (labels > 0).float().sum((0, 2, 3)) + 0.05 * counts.sum((0, 2, 3))
    return (loss * counts).sum((0, 2, 3)) / number.clamp(min=1)


def rate_of(step: int, steps: int, peak: float) -> float:
    """Learning rate of a step."""
    progress = torch.tensor(min(1.0, step / steps) * torch.pi)
    return peak * min(1.0, (step + 1) / WARM_UP) * float(0.02 + 0.98 * (1 + torch.cos(progress)) / 2)


def export(average: dict[str, Tensor], path: Path) -> None:
    """Write weights as float16."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.to(torch.float16).contiguous() for name, tensor in average.items()}, path)
    click.echo(f"{path}: {path.stat().st_size:,} bytes, SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}")
    path.chmod(0o644)


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.option("--photos", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--faces", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--held-out", "lists", required=True, multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="names of photos that are never trained on, one a line; may be repeated",
)  # fmt: skip
@click.option("--exclude", default="skimage_", show_default=True, help="photos whose names start so are left out")
@click.option("--cells", type=click.Path(file_okay=False, path_type=Path), help="folder that detector_cells wrote")
@click.option("--run", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--steps", default=4000, show_default=True, type=click.IntRange(1))
@click.option("--rate", default=2e-3, show_default=True, type=float)
@click.option("--batch", default=8, show_default=True, type=click.IntRange(1))
@click.option("--fresh", default=3, show_default=True, type=click.IntRange(1), help="new examples for each step")
@click.option("--pool", "pool_size", default=600, show_default=True, type=click.IntRange(1))
@click.option("--start", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="checkpoint to start from")
@click.option("--export", "exports", is_flag=True, help="write the weights of the package at the end")
def main(
    photos: Path, faces: Path, lists: tuple[Path, ...], exclude: str, cells: Path | None, run: Path, steps: int,
    rate: float, batch: int, fresh: int, pool_size: int, start: Path | None, exports: bool,
) -> None:  # fmt: skip
    """The command; its help is the module's docstring."""
    held_out = {name for path in lists for name in path.read_text().split()}
    paths = [p for p in sorted(photos.rglob("*")) if p.suffix.lower() in SUFFIXES and not p.name.startswith(exclude)]
    pool = Pool(load_photos([p for p in paths if p.name not in held_out], faces, JUDGED, cells), 1, pool_size)
    click.echo(f"{len(pool.photos)} photos, {len(pool.with_faces)} with faces")
    torch.manual_seed(0)
    network = NormalisedDetector()
    optimiser = Muon([{"params": list(network.parameters())}])
    run.mkdir(parents=True, exist_ok=True)
    kept, step = run / "checkpoint.pt", 0
    average = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    if source := kept if kept.is_file() else start:
        state: dict[str, Any] = torch.load(source, weights_only=True)
        network.load_state_dict(state["network"])
        average = state["average"]
        if kept.is_file():
            optimiser.load_state_dict(state["optimiser"])
            step = state["step"]
    started, sums = time.monotonic(), torch.zeros(3)
    while step < steps:
        pictures, labels = pool.batch(step, batch, fresh)
        for group in optimiser.param_groups:
            group["lr"] = rate_of(step, steps, rate)
        losses = loss_of(network(pictures.contiguous(memory_format=torch.channels_last)), labels)
        optimiser.zero_grad()
        (losses * torch.tensor(CLASS_WEIGHTS)).sum().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        step += 1
        decay = min(DECAY, step / (step + 10))
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                average[name].lerp_(tensor, 1 - decay)
        sums += losses.detach()
        if step % 50 == 0 or step == steps:
            figures = ", ".join(f"{value:.3f}" for value in (sums / 50).tolist())
            click.echo(f"step {step}: {figures} ({time.monotonic() - started:.0f} s)")
            sums.zero_()
        if step % 200 == 0 or step == steps:
            state = {"network": network.state_dict(), "optimiser": optimiser.state_dict()}
            state |= {"average": average, "folded": folded(average), "step": step}
            torch.save(state, kept.with_suffix(".new"))
            kept.with_suffix(".new").replace(kept)
    if exports:
        export(folded(average), WEIGHTS_PATH)


if __name__ == "__main__":
    main()
