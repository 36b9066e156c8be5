"""What `rate_quality` measured, as files: JSON with everything, CSV with the means, Markdown to read."""

from __future__ import annotations

import csv
import json
import platform
from importlib import metadata
from typing import TYPE_CHECKING, Final

from PIL import features

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pillow_sdz.evaluation.codecs import Codec
    from pillow_sdz.evaluation.metrics import Metric
    from tools.bench.curves import Row

PACKAGES: Final = (
    "pillow-sdz",
    "Pillow",
    "numpy",
    "torch",
    "diffusers",
    "imagequant",
    "pillow-jxl-plugin",
    "pytorch-msssim",
    "ssimulacra2",
    "matplotlib",
)
"""Packages whose versions `versions` reports."""

DIGITS: Final = {"PSNR": 2, "SSIMULACRA2": 1}
"""Digits after the point in tables, by metric; 4 for all others."""

MISSING: Final = "–"
"""Stands in tables for what was not measured."""


def versions() -> dict[str, str | None]:
    """Versions of Python, of packages, and of the libraries inside Pillow; None for what is missing."""
    found: dict[str, str | None] = {"Python": platform.python_version(), "machine": platform.machine()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found | {f"Pillow's {name}": features.version(name) for name in ("libjpeg_turbo", "webp", "avif")}


def write_json(path: Path, results: Row) -> None:
    """Write all results.

    Raises:
        ValueError: a number is not finite, which JSON cannot hold.
    """
    path.write_text(json.dumps(results, indent=1, allow_nan=False) + "\n")


def write_csv(path: Path, averages: Sequence[Row]) -> None:
    """Write the means, one line per format and quality."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(averages[0]))
        writer.writeheader()
        writer.writerows(averages)


def markdown(results: Row, codecs: Sequence[Codec], metrics: Sequence[Metric]) -> str:
    """All tables, and whether .sdz keeps its guarantees."""
    labels = {codec.name: codec.label for codec in codecs}
    parts = [f"# Rate and quality over {len(results['pictures'])} pictures of {results['folder']}"]
    parts += [f"- {reason}" for reason in results["skipped"]]
    parts += ["![Quality against bits per pixel](curves.png)", "## At the bytes of each .sdz quality"]
    parts.append(
        "Each format's mean curve, read at the mean bits per pixel of .sdz (linear between the logarithms of the two "
        "nearest rates). A dash: the format has no files of that size. Bold: the best of a quality."
    )
    parts.append(equal_bytes(results["at_sdz_bpp"], labels, metrics))
    parts += ["## The qualities of .sdz", qualities(results, metrics)]
    if results["target_size"]:
        parts += ["## target_size", targets(results["target_size_summary"])]
    if results["speed"]:
        parts += ["## Speed and memory", speed(results["speed"])]
    return "\n\n".join(parts) + "\n"


def equal_bytes(rows: Sequence[Row], labels: dict[str, str], metrics: Sequence[Metric]) -> str:
    """A line per quality of .sdz and format, from `curves.at_equal_bytes`; the best of each quality is bold."""
    lines = []
    for row in rows:
        cells = [str(row["quality"]), f"{row['bpp']:.3f}", labels[row["format"]]]
        for metric in metrics:
            values = [r[metric.name] for r in rows if r["quality"] == row["quality"] and r[metric.name] is not None]
            best = (max if metric.larger_is_better else min)(values, default=None)
            text = number(metric.name, row[metric.name])
            cells.append(f"**{text}**" if len(values) > 1 and row[metric.name] == best else text)
        lines.append(cells)
    return table(["quality", "bpp", "format", *_arrows(metrics)], lines)


def qualities(results: Row, metrics: Sequence[Metric]) -> str:
    """A line per quality of .sdz, and which neighbours get worse."""
    means = [row for row in results["means"] if row["format"] == "sdz"]
    lines = [
        [str(row["quality"]), f"{row['bpp']:.4f}", *(number(metric.name, row[metric.name]) for metric in metrics)]
        for row in means
    ]
    worse = results["worse_neighbours"]
    names = [metric.name for metric in metrics if metric.name.startswith(("LPIPS", "DISTS"))]
    if not names:
        verdict = "LPIPS and DISTS were not measured, so this says nothing about them."
    elif any(pair["metric"] in names for pair in worse):
        verdict = f"**Some neighbours get worse on {', '.join(names)}:**"
    else:
        verdict = f"No quality is worse than the one below it on {', '.join(names)}."
    parts = [table(["quality", "bpp", *_arrows(metrics)], lines), verdict]
    if worse:
        head = ["from", "to", "metric", "worse by", "in pictures"]
        parts.append(table(head, [_worse_pair(pair) for pair in worse]))
    else:
        parts.append("No metric gets worse between neighbours.")
    return "\n\n".join(parts)


def _worse_pair(pair: Row) -> list[str]:
    count = f"{pair['pictures_worse']} of {pair['pictures']}"
    return [str(pair["low"]), str(pair["high"]), pair["metric"], f"{pair['by']:.2g}", count]


def targets(rows: Sequence[Row]) -> str:
    """A line per target, from `guarantees.target_summary`, and whether any file was too large."""
    lines = [
        [f"{row['target_bpp']:g}"]
        + [str(row[name]) for name in ("pictures", "refused", "too_large")]
        + [_percent(row[name]) for name in ("below_percent_median", "below_percent_most")]
        for row in rows
    ]
    large = sum(row["too_large"] for row in rows)
    verdict = f"**{large} files are larger than their target.**" if large else "No file is larger than its target."
    head = ["target, bpp", "pictures", "refused as too small", "too large", "below, median", "below, most"]
    return f"{table(head, lines)}\n\n{verdict}"


def speed(result: Row) -> str:
    """Time, memory, ratios and shares, from `costs.measure`."""
    lines = [
        [row["label"], f"{row['encode_s_per_mp']:.3f}", f"{row['decode_s_per_mp']:.3f}"]
        + [_mebibytes(row[f"{name}_peak_mib"]) for name in ("encode", "decode")]
        for row in result["formats"]
    ]
    arithmetic, memory = result["arithmetic"], result["memory"]
    count = arithmetic["pictures"]
    intro = (
        f"At equal bytes; median over {count} picture{'s' if count > 1 else ''}, one format after the other in one "
        f"process. Memory: a fresh process per action on {memory['megapixels']:.2f} megapixels; Python, Pillow and the "
        f"picture alone take {_mebibytes(memory['base_peak_mib'])}."
    )
    text = [intro, table(["format", "encode, s/MP", "decode, s/MP", "encode, peak", "decode, peak"], lines)]
    labels = {row["format"]: row["label"] for row in result["formats"]}
    text += [
        f".sdz takes {ratio['encode']:.3g} times as long to encode and {ratio['decode']:.3g} times as long to decode "
        f"as {labels[name]}."
        for name, ratio in result["ratios"].items()
    ]
    rate = f"{arithmetic['matmul_gflops_per_s']:.0f} GFLOP/s"
    text.append(
        f"A float32 matrix product runs at {rate} here ({arithmetic['device']}). "
        + " ".join(
            f"{name.capitalize()} runs at {arithmetic[f'{name}_executed_share']:.0%} of that "
            f"({arithmetic[f'{name}_as_defined_share']:.0%} if convolutions count as defined and not as computed)."
            for name in ("encode", "decode")
        )
    )
    return "\n\n".join(text)


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table.

    >>> print(table(["a", "b"], [["1", "2"]]))
    | a | b |
    | --- | --- |
    | 1 | 2 |
    """
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines))


def number(metric: str, value: float | None) -> str:
    """A metric's value with the digits that tables show."""
    return MISSING if value is None else f"{value:.{DIGITS.get(metric, 4)}f}"


def _arrows(metrics: Sequence[Metric]) -> list[str]:
    return [f"{metric.name} {'↑' if metric.larger_is_better else '↓'}" for metric in metrics]


def _percent(value: float | None) -> str:
    return MISSING if value is None else f"{value:.1f} %"


def _mebibytes(value: float | None) -> str:
    return MISSING if value is None else f"{value:.0f} MiB"
