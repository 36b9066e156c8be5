"""Rate and quality of .sdz beside JPEG, WebP, AVIF and JPEG XL, over a folder of your own pictures.

    python tools/bench/rate_quality.py FOLDER -o OUT [--perceptual WEIGHTS_FOLDER]

Writes into OUT: report.md (tables, and whether .sdz keeps its guarantees), curves.png, means.csv, results.json
(every single measurement, options and versions) and sheets/ (pictures side by side at equal bytes). Every number is
measured on what the bytes of a file decode to. What is not installed is skipped, with a line on standard error;
pip install '.[bench]' installs all of it but the weights of LPIPS and DISTS: pillow_sdz/evaluation/perceptual.py says
where to get them.

The exit status is 1 if a file was larger than the target size it was saved for.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
import torch
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

from pillow_sdz.evaluation.codecs import CODECS, Codec
from pillow_sdz.evaluation.codecs import available as available_codecs
from pillow_sdz.evaluation.metrics import NAMES, Metric
from pillow_sdz.evaluation.metrics import available as available_metrics
from pillow_sdz.evaluation.sheet import sheet
from pillow_sdz.models import registry
from tools.bench import compare_sheet, costs, curves, guarantees, plots, tables
from tools.bench.photos import SHORTEST_SIDE, Photo, files, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.bench.curves import Row

T = TypeVar("T", int, float)

COLUMNS: Final = ("bytes", "bpp", "encode_s_per_mp", "decode_s_per_mp")
"""Columns of the means, before those of the metrics; see `curves.Row`."""

SHEET_CODECS: Final = ("avif", "webp")
"""Codecs beside .sdz in sheets: those that replace JPEG on the web today."""

FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)


def _numbers(kind: type[T]) -> Callable[[click.Context, click.Parameter, str], list[T]]:
    """A callback that parses different numbers, separated by commas."""

    def parse(_context: click.Context, _parameter: click.Parameter, value: str) -> list[T]:
        try:
            return list(dict.fromkeys(kind(part) for part in value.split(",") if part.strip()))
        except ValueError as error:
            raise click.BadParameter(f"numbers separated by commas, not {value!r}") from error

    return parse


def _curve(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, list[int]]:
    """Parse ``FORMAT=QUALITY,QUALITY,...`` of every use of --curve: name of a codec -> qualities."""
    found = {}
    for value in values:
        name, _, numbers = value.partition("=")
        found[name] = _numbers(int)(context, parameter, numbers)
        if name not in {codec.name for codec in CODECS} - {"sdz"} or not found[name]:
            raise click.BadParameter(f"FORMAT=QUALITY,QUALITY,..., not {value!r}")
    return found


def photographs(folder: Path, limit: int | None, longest: int) -> list[Photo]:
    """The pictures of a folder that are large enough, in order of their names.

    Args:
        folder: searched recursively.
        limit: most pictures; None takes all.
        longest: longer sides are scaled down to this many pixels; 0 leaves every size.

    Raises:
        ClickException: there is none.
    """
    found: list[Photo] = []
    for path in files([folder]):
        if len(found) == limit:
            break
        photo = load(path, folder, longest or None)
        if min(photo.image.size) < SHORTEST_SIDE:
            click.echo(f"{photo.name} is skipped: a side is shorter than {SHORTEST_SIDE} pixels", err=True)
        else:
            found.append(photo)
    if not found:
        raise click.ClickException(f"{folder} holds no pictures to measure")
    scaled = sum(photo.scaled for photo in found)
    if scaled:
        click.echo(f"{scaled} of {len(found)} pictures are scaled down to {longest} pixels (--longest)", err=True)
    return found


def write_sheets(photos: list[Photo], codecs: list[Codec], quality: int, folder: Path) -> None:
    """Write one sheet per picture: the original, .sdz at ``quality``, and `SHEET_CODECS` at equal bytes."""
    others = [codec for name in SHEET_CODECS for codec in codecs if codec.name == name]
    for photo in tqdm(photos, "sheets"):
        pieces = compare_sheet.at_equal_bytes(photo.image, codecs[0], others, quality)
        name = PurePosixPath(photo.name)
        compare_sheet.write(sheet(compare_sheet.wrapped(pieces)), folder / name.parent / f"{name.name}.png")


def chosen(
    formats: str, metrics: str, model: str, perceptual: Path | None, quality: list[int]
) -> tuple[list[Codec], list[Metric], list[str]]:
    """The codecs and metrics that the options ask for and this installation has, and why others are skipped.

    Raises:
        UsageError: an option names something unknown, or leaves nothing to measure.
    """
    try:
        codecs, missing_codecs = available_codecs([name for name in formats.split(",") if name], {"model": model})
        measured, missing_metrics = available_metrics([name for name in metrics.split(",") if name], perceptual)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if not measured:
        raise click.UsageError("no metric is left")
    if not quality or not all(0 <= each <= 100 for each in quality):
        raise click.UsageError("--quality: numbers from 0 to 100")
    return codecs, measured, [*missing_codecs, *missing_metrics]


def measured_curves(
    photos: list[Photo], codecs: list[Codec], metrics: list[Metric], settings: dict[str, list[int]]
) -> Row:
    """All points, their means, and what follows from them, as `tables.markdown` takes them."""
    with tqdm(total=len(photos) * sum(map(len, settings.values())), desc="curves") as bar:
        rows = list(curves.measure(photos, codecs, metrics, settings, bar.update))
    names = [metric.name for metric in metrics]
    averages = curves.means(rows, [*COLUMNS, *names])
    return {
        "rows": rows,
        "means": averages,
        "at_sdz_bpp": curves.at_equal_bytes(averages, names),
        "worse_neighbours": guarantees.worse_neighbours(rows, metrics),
    }


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help="\b\n" + __doc__)
@click.argument("folder", type=FOLDER)
@click.option("-o", "--output", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--perceptual", type=FOLDER, help="weights of LPIPS and DISTS")
@click.option(
    "--quality",
    default="0,10,20,30,40,50,60,70,80,90,95",
    show_default=True,
    callback=_numbers(int),
    help="qualities of .sdz",
)
@click.option("--formats", default="jpeg,webp,avif,jxl", show_default=True, help="what to compare .sdz with")
@click.option(
    "--curve", multiple=True, callback=_curve, help="qualities of another format, as avif=0,10,20; may be repeated"
)
@click.option("--metrics", "wanted", default=",".join(NAMES), show_default=True)
@click.option("--model", default="tiny", show_default=True)
@click.option("--limit", type=click.IntRange(1), help="measure only the first so many pictures")
@click.option(
    "--longest", default=1024, show_default=True, type=click.IntRange(0), help="scale longer sides to this; 0: never"
)
@click.option(
    "--targets",
    default="0.06,0.12,0.25",
    show_default=True,
    callback=_numbers(float),
    help="bits per pixel to save with target_size; '' for none",
)
@click.option(
    "--sheets",
    "sheet_count",
    default=12,
    show_default=True,
    type=click.IntRange(0),
    help="make sheets of the first so many pictures",
)
@click.option(
    "--sheet-quality",
    default=50,
    show_default=True,
    type=click.IntRange(0, 100),
    help="quality of .sdz in sheets and timings",
)
@click.option("--timed", default=3, show_default=True, type=click.IntRange(0), help="time the first so many pictures")
@click.option("--repeat", default=3, show_default=True, type=click.IntRange(1), help="runs of each timed action")
@click.option(
    "--axis", default="log", show_default=True, type=click.Choice(["log", "linear"]), help="bits per pixel in the plot"
)
def main(
    folder: Path,
    output: Path,
    perceptual: Path | None,
    quality: list[int],
    formats: str,
    curve: dict[str, list[int]],
    wanted: str,
    model: str,
    limit: int | None,
    longest: int,
    targets: list[float],
    sheet_count: int,
    sheet_quality: int,
    timed: int,
    repeat: int,
    axis: plots.Axis,
) -> None:
    """The command; its help is the module's docstring."""
    codecs, metrics, skipped = chosen(formats, wanted, model, perceptual, quality)
    for reason in skipped:
        click.echo(reason, err=True)
    manifest = registry.find(model)
    photos = photographs(folder, limit, longest)
    output.mkdir(parents=True, exist_ok=True)

    settings = {codec.name: sorted(curve.get(codec.name, codec.curve)) for codec in codecs} | {"sdz": sorted(quality)}
    results: dict[str, Any] = {
        "folder": folder.resolve().name,
        "model": {"name": manifest.full_name, "fingerprint": manifest.fingerprint},
        "versions": tables.versions(),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "options": {codec.name: {"quality": settings[codec.name], **codec.options} for codec in codecs},
        "longest": longest,
        "skipped": skipped,
        "pictures": [
            {"name": photo.name, "width": photo.image.width, "height": photo.image.height, "scaled": photo.scaled}
            for photo in photos
        ],
        "metrics": {metric.name: "higher" if metric.larger_is_better else "lower" for metric in metrics},
    }
    results |= measured_curves(photos, codecs, metrics, settings)
    with tqdm(total=len(photos) * len(targets), desc="target_size") as bar:
        results["target_size"] = guarantees.target_sizes(photos, targets, {"model": model}, bar.update)
    results["target_size_summary"] = guarantees.target_summary(results["target_size"])
    results["speed"] = None
    tables.write_json(output / "results.json", results)  # in case the timing, which takes minutes, is interrupted
    if timed:
        first = photos[:timed]
        with tqdm(total=costs.progress_steps(len(first), codecs), desc="speed") as bar:
            results["speed"] = costs.measure(first, codecs, manifest, sheet_quality, repeat, bar.update)

    tables.write_json(output / "results.json", results)
    tables.write_csv(output / "means.csv", results["means"])
    plots.draw(output / "curves.png", results["means"], codecs, metrics, len(photos), axis)
    (output / "report.md").write_text(tables.markdown(results, codecs, metrics))
    write_sheets(photos[:sheet_count], codecs, sheet_quality, output / "sheets")
    click.echo(tables.qualities(results, metrics) + "\n\n" + f"{output / 'report.md'} has everything")
    if not all(row["kept"] for row in results["target_size"]):
        click.echo("a file is larger than its target_size: see report.md", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
