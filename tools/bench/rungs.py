"""The ladder of qualities from the smallest files to visually lossless ones: is each rung at least as good as the last?

    python tools/bench/rungs.py FOLDER ... --perceptual WEIGHTS_FOLDER -o OUT [--jobs 2]

Saves every picture of the folders at `QUALITIES`, and as AVIF at `AVIF_QUALITIES`, and measures LPIPS-VGG and
SSIMULACRA 2 on what the bytes decode to. Prints the means of each rung, names the rungs that are worse than the one
below by either, and writes OUT/rungs.jsonl (every point; points that are there already are not measured again) and
OUT/rungs.webp (the curves). The exit status is 1 if a rung is worse.
"""

from __future__ import annotations

import io
import itertools
import json
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

import click
import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

import pillow_sdz  # noqa: F401  registers the format
from pillow_sdz.evaluation.codecs import saved
from pillow_sdz.evaluation.metrics import available
from pillow_sdz.evaluation.perceptual import LPIPS
from tools.bench.photos import files, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

QUALITIES: Final = (0, 13, 27, 42, 53, 62, 70, 79, 87, 94, 99)
"""Of .sdz: from 0.03 to 3 bits per pixel on photos."""

AVIF_QUALITIES: Final = (0, 20, 45, 65, 85)
"""Of AVIF, to compare with."""

METRICS: Final = {"LPIPS-VGG": "smaller", "SSIMULACRA2": "larger"}
"""Metric -> which values are better."""


@cache
def distance(weights: Path) -> LPIPS:
    """LPIPS-VGG, loaded once a process."""
    return LPIPS("vgg", weights)


def points(path: Path, codec: str, qualities: Sequence[int], weights: Path) -> list[dict[str, Any]]:
    """One picture at several qualities. (What LPIPS sees of the original is computed once.)"""
    torch.set_num_threads(1)
    with Image.open(path) as image:
        picture = plain(image)
    lpips = distance(weights)
    ssimulacra2 = available(["SSIMULACRA2"])[0][0]
    with torch.inference_mode():
        seen = lpips.features(lpips.normalised(_tensor(picture)))
    rows = []
    for quality in qualities:
        options = {"speed": 6, "max_threads": 1} if codec == "AVIF" else {}
        data = saved(picture, codec, quality=quality, **options)
        with Image.open(io.BytesIO(data)) as image:
            decoded = image.convert("RGB")
        with torch.inference_mode():
            ours = lpips.features(lpips.normalised(_tensor(decoded)))
            heads = (lpips.get_buffer(f"lin{number}_weight") for number in range(len(seen)))
            total = sum(float(lpips.distance(*each)) for each in zip(seen, ours, heads, strict=True))
        row: dict[str, Any] = {"picture": path.stem, "codec": codec, "quality": quality}
        row["bpp"] = 8 * len(data) / (picture.width * picture.height)
        rows.append(row | {"LPIPS-VGG": total, "SSIMULACRA2": ssimulacra2.measure(picture, decoded)})
    return rows


def _tensor(picture: Image.Image) -> torch.Tensor:
    """(1, 3, h, w), colours in [-1, 1]."""
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None]
    return pixels.float() / 127.5 - 1


def means(rows: Iterable[dict[str, Any]], codec: str) -> list[dict[str, float]]:
    """The mean of each quality of a codec, in rising order, over the pictures that have a value for all of them."""
    own = [row for row in rows if row["codec"] == codec and None not in row.values()]
    qualities = sorted({row["quality"] for row in own})
    counts = Counter(row["picture"] for row in own)
    complete = [row for row in own if counts[row["picture"]] == len(qualities)]
    return [
        {key: fmean(row[key] for row in complete if row["quality"] == quality) for key in ("quality", "bpp", *METRICS)}
        for quality in qualities
        if complete
    ]


def faults(rungs: Sequence[dict[str, float]]) -> list[str]:
    """Rungs that are worse than the one below, in words."""
    found = []
    for below, rung in itertools.pairwise(rungs):
        for name, better in METRICS.items():
            gain = rung[name] - below[name]
            if (gain if better == "larger" else -gain) < 0:
                values = f"{below[name]:.4f} -> {rung[name]:.4f}"
                found.append(f"quality {rung['quality']:g} is worse than {below['quality']:g} by {name}: {values}")
    return found


def draw(rows: Sequence[dict[str, Any]], target: Path) -> None:
    """The curves of both codecs, a panel for each metric."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(METRICS), figsize=(11, 4.2), dpi=110, layout="constrained")
    for panel, (name, better) in zip(panels, METRICS.items(), strict=True):
        for codec, label in (("SDZ", ".sdz"), ("AVIF", "AVIF")):
            points = means(rows, codec)
            panel.plot([each["bpp"] for each in points], [each[name] for each in points], marker="o", label=label)
        panel.set_xscale("log")
        panel.set_xticks([0.03, 0.1, 0.3, 1, 3], labels=["0.03", "0.1", "0.3", "1", "3"])
        panel.set_xlabel("bits per pixel")
        panel.set_title(f"{name} ({better} is better)")
        panel.grid(alpha=0.3)
    panels[0].legend()
    figure.savefig(target.with_suffix(".png"))
    with Image.open(target.with_suffix(".png")) as image:
        image.convert("RGB").save(target, quality=88, method=6)
    target.with_suffix(".png").unlink()


def measured(pictures: Sequence[Path], weights: Path, out: Path, jobs: int) -> list[dict[str, Any]]:
    """All points, those of ``out`` and those that were missing there; each is appended as soon as it is measured."""
    rows = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    done = {(row["picture"], row["codec"], row["quality"]) for row in rows}
    todo = []
    for path in pictures:
        for codec, qualities in (("SDZ", QUALITIES), ("AVIF", AVIF_QUALITIES)):
            missing = [quality for quality in qualities if (path.stem, codec, quality) not in done]
            todo += [(path, codec, missing)] if missing else []
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool, out.open("a") as stream:
        futures = [pool.submit(points, *each, weights) for each in todo]
        for future in tqdm(as_completed(futures), total=len(futures)):
            rows += future.result()
            stream.writelines(json.dumps(row) + "\n" for row in future.result())
            stream.flush()
    names = {path.stem for path in pictures}
    return [row for row in rows if row["picture"] in names]


def _in_turn(lists: Sequence[Sequence[Path]]) -> Iterator[Path]:
    """The files of several folders, spread evenly, so that a run that is stopped has some of each."""
    places = [(number / len(each), path) for each in lists for number, path in enumerate(each)]
    return (path for _, path in sorted(places))


FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(help=__doc__)
@click.argument("folders", nargs=-1, required=True, type=FOLDER)
@click.option("--perceptual", required=True, type=FOLDER, help="Folder with the weights of LPIPS-VGG.")
@click.option("-o", "--output", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--jobs", default=2, show_default=True, help="Processes.")
def main(folders: Sequence[Path], perceptual: Path, output: Path, jobs: int) -> None:
    """See the module's docstring."""
    pictures = list(_in_turn([list(files([folder])) for folder in folders]))
    output.mkdir(parents=True, exist_ok=True)
    rows = measured(pictures, perceptual, output / "rungs.jsonl", jobs)
    for codec in ("SDZ", "AVIF"):
        for rung in means(rows, codec):
            values = "  ".join(f"{name} {rung[name]:8.4f}" for name in METRICS)
            click.echo(f"{codec:5} quality {rung['quality']:3g}  {rung['bpp']:.3f} bits per pixel  {values}")
    draw(rows, output / "rungs.webp")
    found = faults(means(rows, "SDZ"))
    click.echo("\n".join(found) or "no rung is worse than the one below")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
