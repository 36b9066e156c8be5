"""Rate and quality of .sdz beside JPEG, WebP, AVIF and JPEG XL, over a folder of your own pictures.

    python tools/bench/rate_quality.py FOLDER -o OUT [--perceptual WEIGHTS_FOLDER]

Writes into OUT: report.md (tables, and whether .sdz keeps its promises), curves.png, means.csv, results.json
(every single measurement, options and versions) and sheets/ (pictures side by side at equal bytes). Every number is
measured on what the bytes of a file decode to. What is not installed is skipped, and said so on standard error;
pip install '.[bench]' has all of it but the weights of LPIPS and DISTS, for which see tools/train/perceptual.py.

The exit status is 1 if a file was larger than the target size it was saved for.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import click
import torch
from tqdm import tqdm

import curves
import plots
import promises
import report
import sheets
import speed
from photos import SMALLEST, files, load
from pillow_sdz.evaluation import codecs as formats_module
from pillow_sdz.evaluation import metrics as metrics_module
from pillow_sdz.models import registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from photos import Photo

COLUMNS = ("bytes", "bpp", "encode_s_per_mp", "decode_s_per_mp")


def _numbers(kind: type[int] | type[float]) -> Callable[[click.Context, click.Parameter, str], list[Any]]:
    def parse(_context: click.Context, _parameter: click.Parameter, value: str) -> list[Any]:
        try:
            return list(dict.fromkeys(kind(part) for part in value.split(",") if part.strip()))
        except ValueError as error:
            raise click.BadParameter(f"numbers separated by commas, not {value!r}") from error

    return parse


def _curve(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, list[int]]:
    found = {}
    for value in values:
        name, _, numbers = value.partition("=")
        found[name] = _numbers(int)(_context, _parameter, numbers)
        if name not in {form.name for form in formats_module.FORMATS} - {"sdz"} or not found[name]:
            raise click.BadParameter(f"FORMAT=QUALITY,QUALITY,..., not {value!r}")
    return found


def photographs(folder: Path, limit: int | None, longest: int) -> list[Photo]:
    """The pictures of a folder that are large enough, in order of their names."""
    found: list[Photo] = []
    for path in files([folder]):
        if len(found) == limit:
            break
        photo = load(path, folder, longest or None)
        if min(photo.image.size) < SMALLEST:
            click.echo(f"{photo.name} is skipped: a side is shorter than {SMALLEST} pixels", err=True)
        else:
            found.append(photo)
    if not found:
        raise click.ClickException(f"{folder} holds no pictures to measure")
    scaled = sum(photo.scaled for photo in found)
    if scaled:
        click.echo(f"{scaled} of {len(found)} pictures are scaled down to {longest} pixels (--longest)", err=True)
    return found


def write_sheets(photos: list[Photo], forms: list[formats_module.Format], quality: int, folder: Path) -> None:
    """One sheet per picture, beside .sdz the formats that people send today."""
    others = [form for name in ("avif", "webp") for form in forms if form.name == name]
    for photo in tqdm(photos, "sheets"):
        pieces = sheets.equal_bytes(photo.image, forms[0], others, quality)
        name = PurePosixPath(photo.name)
        sheets.write(sheets.sheet(sheets.wrapped(pieces)), folder / name.parent / f"{name.name}.png")


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help="\b\n" + __doc__)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--perceptual", type=click.Path(exists=True, file_okay=False, path_type=Path), help="weights of LPIPS and DISTS"
)
@click.option(
    "--quality",
    default="0,10,20,30,40,50,60,70,80,90,95",
    show_default=True,
    callback=_numbers(int),
    help="rungs of .sdz",
)
@click.option("--formats", "names", default="jpeg,webp,avif,jxl", show_default=True, help="what to compare .sdz with")
@click.option(
    "--curve", multiple=True, callback=_curve, help="settings of another format, as avif=0,10,20; may be repeated"
)
@click.option("--metrics", "wanted", default=",".join(metrics_module.NAMES), show_default=True)
@click.option("--model", default="tiny", show_default=True)
@click.option("--limit", type=click.IntRange(1), help="take the first so many pictures only")
@click.option(
    "--longest",
    default=1024,
    show_default=True,
    type=click.IntRange(0),
    help="scale longer sides down to this; 0: never",
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
    help="sheets of the first so many pictures",
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
    folder: Path, output: Path, perceptual: Path | None, quality: list[int], names: str, curve: dict[str, list[int]],
    wanted: str, model: str, limit: int | None, longest: int, targets: list[float], sheet_count: int, sheet_quality: int,
    timed: int, repeat: int, axis: str,
) -> None:  # fmt: skip
    options: dict[str, Any] = {"model": model}
    try:
        forms, missing_forms = formats_module.available([n for n in names.split(",") if n], options)
        metrics, missing_metrics = metrics_module.available([n for n in wanted.split(",") if n], perceptual)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if not metrics or not quality or not all(0 <= each <= 100 for each in quality):
        raise click.UsageError("no metric is left" if not metrics else "--quality: numbers from 0 to 100")
    skipped = [*missing_forms, *missing_metrics]
    for reason in skipped:
        click.echo(reason, err=True)
    manifest = registry.find(model)
    photos = photographs(folder, limit, longest)
    output.mkdir(parents=True, exist_ok=True)

    settings = {form.name: sorted(curve.get(form.name, form.curve)) for form in forms} | {"sdz": sorted(quality)}
    with tqdm(total=len(photos) * sum(map(len, settings.values())), desc="curves") as bar:
        rows = list(curves.measure(photos, forms, metrics, settings, bar.update))
    metric_names = [metric.name for metric in metrics]
    averages = curves.means(rows, [*COLUMNS, *metric_names])
    results: dict[str, Any] = {
        "folder": folder.resolve().name,
        "model": {"name": manifest.full_name, "fingerprint": manifest.fingerprint},
        "versions": report.versions(),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "options": {form.name: {"quality": settings[form.name], **form.options} for form in forms},
        "longest": longest,
        "skipped": skipped,
        "pictures": [
            {"name": p.name, "width": p.image.width, "height": p.image.height, "scaled": p.scaled} for p in photos
        ],
        "metrics": {metric.name: "higher" if metric.larger_is_better else "lower" for metric in metrics},
        "rows": rows,
        "means": averages,
        "at_sdz_bpp": curves.at_equal_bytes(averages, metric_names),
        "worse_neighbours": promises.worse_neighbours(rows, metrics),
    }
    with tqdm(total=len(photos) * len(targets), desc="target_size") as bar:
        results["target_size"] = promises.target_sizes(photos, targets, options, bar.update)
    results["target_size_summary"] = promises.target_summary(results["target_size"])
    results["speed"] = None
    report.write_json(output / "results.json", results)
    if timed:
        chosen = photos[:timed]
        with tqdm(total=speed.steps(len(chosen), forms), desc="speed") as bar:
            results["speed"] = speed.measure(chosen, forms, manifest, sheet_quality, repeat, bar.update)

    report.write_json(output / "results.json", results)
    report.write_csv(output / "means.csv", averages)
    plots.draw(output / "curves.png", averages, forms, metrics, len(photos), axis)
    text = report.markdown(results, forms, metrics)
    (output / "report.md").write_text(text)
    write_sheets(photos[:sheet_count], forms, sheet_quality, output / "sheets")
    click.echo(report.ladder(results, metrics) + "\n\n" + f"{output / 'report.md'} has everything")
    if not all(row["kept"] for row in results["target_size"]):
        click.echo("a file is larger than its target_size: see report.md", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
