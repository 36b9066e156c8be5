"""Rate-quality curves as one picture: a panel per metric."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from pillow_sdz.evaluation.codecs import Codec
    from pillow_sdz.evaluation.metrics import Metric
    from tools.bench.curves import Row

Axis = Literal["log", "linear"]
"""Scale of the axis of bits per pixel."""

STYLES: Final[dict[str, dict[str, Any]]] = {
    "sdz": {"color": "#D55E00", "marker": "o", "linestyle": "-", "linewidth": 2.6, "zorder": 3},
    "jpeg": {"color": "#000000", "marker": "x", "linestyle": ":"},
    "webp": {"color": "#009E73", "marker": "s", "linestyle": "--"},
    "avif": {"color": "#0072B2", "marker": "^", "linestyle": "-"},
    "jxl": {"color": "#CC79A7", "marker": "D", "linestyle": "-."},
}
"""Name of a codec -> keywords of ``plot``. The colours of Okabe and Ito, which people with any kind of colour vision
can tell apart; markers and dashes tell curves apart in grey."""

BPP: Final = (0.03, 0.6)
TICKS: Final[dict[Axis, tuple[float, ...]]] = {
    "log": (0.03, 0.05, 0.1, 0.2, 0.3, 0.6),
    "linear": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
}
"""Range and ticks of the horizontal axis, in bits per pixel."""

COLUMNS: Final = 3
"""Most panels side by side."""

PANEL: Final = (4.2, 3.3)
"""Width and height of a panel in inches."""

LEGEND: Final = 0.6
"""Height of the legend in inches."""

DPI: Final = 120
"""Pixels per inch."""


def draw(
    path: Path, averages: Sequence[Row], codecs: Sequence[Codec], metrics: Sequence[Metric], pictures: int, axis: Axis
) -> None:
    """Write the curves of all mean points as PNG.

    Args:
        path: the file; its folder is created.
        averages: mean points, from `curves.means`.
        codecs, metrics: what to draw, in this order.
        pictures: how many pictures the means are of.
        axis: scale of the horizontal axis.
    """
    from matplotlib import style
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = 2 if len(metrics) == 4 else min(COLUMNS, len(metrics))
    rows = math.ceil(len(metrics) / columns)
    with style.context("default"):  # a user's matplotlibrc does not change the picture
        figure = Figure(figsize=(PANEL[0] * columns, PANEL[1] * rows + LEGEND), layout="constrained")
        panels = list(figure.subplots(rows, columns, squeeze=False).flat)
        for panel, metric in zip(panels, metrics, strict=False):
            _panel(panel, averages, codecs, metric, axis)
        for panel in panels[len(metrics) :]:
            panel.remove()
        lines = {line.get_label(): line for panel in panels[: len(metrics)] for line in panel.get_lines()}
        figure.legend(handles=list(lines.values()), loc="outside upper center", ncols=5, frameon=False, fontsize=11)
        number = "1 picture" if pictures == 1 else f"mean of {pictures} pictures"
        engine = figure.get_layout_engine()
        assert isinstance(engine, ConstrainedLayoutEngine)
        engine.set(w_pad=0.1, h_pad=0.08)
        figure.supxlabel(f"bits per pixel ({number})", fontsize=10)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="png", dpi=DPI)


def _panel(panel: Axes, averages: Sequence[Row], codecs: Sequence[Codec], metric: Metric, axis: Axis) -> None:
    shown = []
    for codec in codecs:
        points = sorted(
            (row["bpp"], row[metric.name])
            for row in averages
            if row["format"] == codec.name and row[metric.name] is not None
        )
        if points:
            panel.plot(*zip(*points, strict=True), label=codec.label, markersize=4.5, **STYLES[codec.name])
        shown += [value for bpp, value in points if BPP[0] <= bpp <= BPP[1]]
    panel.set_xscale(axis)
    panel.set_xlim(*BPP)
    panel.set_xticks(TICKS[axis], [f"{tick:g}" for tick in TICKS[axis]])
    panel.minorticks_off()
    if len(set(shown)) > 1:  # the vertical axis fits the points within the horizontal range, not those outside
        margin = 0.06 * (max(shown) - min(shown))
        panel.set_ylim(min(shown) - margin, max(shown) + margin)
    panel.set_title(f"{metric.name} ({'higher' if metric.larger_is_better else 'lower'} is better)", fontsize=11)
    panel.grid(color="#DDDDDD", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
