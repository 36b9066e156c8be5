"""Rate-quality curves as one picture: a panel per metric."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from curves import Row
    from pillow_sdz.evaluation.codecs import Format
    from pillow_sdz.evaluation.metrics import Metric

# Okabe and Ito's colours, told apart by people with any kind of colour vision, and in grey by marker and dash.
STYLES: dict[str, dict[str, Any]] = {
    "sdz": {"color": "#D55E00", "marker": "o", "linestyle": "-", "linewidth": 2.6, "zorder": 3},
    "jpeg": {"color": "#000000", "marker": "x", "linestyle": ":"},
    "webp": {"color": "#009E73", "marker": "s", "linestyle": "--"},
    "avif": {"color": "#0072B2", "marker": "^", "linestyle": "-"},
    "jxl": {"color": "#CC79A7", "marker": "D", "linestyle": "-."},
}
BPP = (0.03, 0.6)
TICKS = {"log": (0.03, 0.05, 0.1, 0.2, 0.3, 0.6), "linear": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)}
COLUMNS = 3


def draw(
    path: Path, averages: Sequence[Row], formats: Sequence[Format], metrics: Sequence[Metric], pictures: int, axis: str
) -> None:
    """Write the curves of all mean points as PNG.

    Args:
        path: where to.
        averages: mean points, from `curves.means`.
        formats, metrics: what to draw, in this order.
        pictures: how many the means are of.
        axis: ``log`` or ``linear`` bits per pixel.
    """
    from matplotlib import style
    from matplotlib.figure import Figure

    columns = 2 if len(metrics) == 4 else min(COLUMNS, len(metrics))
    rows = math.ceil(len(metrics) / columns)
    with style.context("default"):  # and not what a user's matplotlibrc says
        figure = Figure(figsize=(4.2 * columns, 3.3 * rows + 0.6), layout="constrained")
        panels = list(figure.subplots(rows, columns, squeeze=False).flat)
        for panel, metric in zip(panels, metrics, strict=False):
            _panel(panel, averages, formats, metric, axis)
        for panel in panels[len(metrics) :]:
            panel.remove()
        lines = {line.get_label(): line for panel in panels[: len(metrics)] for line in panel.get_lines()}
        figure.legend(handles=list(lines.values()), loc="outside upper center", ncols=5, frameon=False, fontsize=11)
        number = "1 picture" if pictures == 1 else f"mean of {pictures} pictures"
        figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08)
        figure.supxlabel(f"bits per pixel ({number})", fontsize=10)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="png", dpi=120)


def _panel(panel: Axes, averages: Sequence[Row], formats: Sequence[Format], metric: Metric, axis: str) -> None:
    shown = []
    for form in formats:
        points = sorted(
            (row["bpp"], row[metric.name])
            for row in averages
            if row["format"] == form.name and row[metric.name] is not None
        )
        if points:
            panel.plot(*zip(*points, strict=True), label=form.label, markersize=4.5, **STYLES[form.name])
        shown += [value for bpp, value in points if BPP[0] <= bpp <= BPP[1]]
    panel.set_xscale(axis)
    panel.set_xlim(*BPP)
    panel.set_xticks(TICKS[axis], [f"{tick:g}" for tick in TICKS[axis]])
    panel.minorticks_off()
    if len(set(shown)) > 1:  # points outside the axis must not squeeze those inside
        margin = 0.06 * (max(shown) - min(shown))
        panel.set_ylim(min(shown) - margin, max(shown) + margin)
    panel.set_title(f"{metric.name} ({'higher' if metric.larger_is_better else 'lower'} is better)", fontsize=11)
    panel.grid(color="#DDDDDD", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
