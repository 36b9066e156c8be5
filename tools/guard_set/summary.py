"""What the scores of all pictures come to: a table by group, and whether the guard keeps what it promises."""

from __future__ import annotations

from statistics import mean
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tools.guard_set.entries import GROUPS
from tools.guard_set.matching import equal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WHOLE: Final = ("SSIMULACRA2", "LPIPS-VGG", "LPIPS-Alex", "DISTS", "MS-SSIM", "PSNR")
"""Metrics of the whole in the table, in this order."""

LESS_IS_BETTER: Final = ("LPIPS-VGG", "LPIPS-Alex", "DISTS")
"""Those of which the plain photos may lose at most `MOST_LOSS`."""

MOST_LOSS: Final = 0.01
FACES_BETTER: Final = 0.15
MISREAD_SHARE: Final = 0.5
MISREAD_BEYOND_AVIF: Final = 0.1
"""What the guard promises: see `verdicts`."""

Row = dict[str, Any]
"""What is known of a picture: ``name``, ``group``, ``characters``, and ``codecs``: name of a codec -> ``bytes``,
``bpp`` and what `tools.guard_set.measure.Measurer` returns."""


class Verdict(NamedTuple):
    """A promise, whether it is kept (None: not measured), and the figures."""

    promise: str
    kept: bool | None
    figures: str


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known else None


def totals(rows: Sequence[Row], codec: str) -> dict[str, Any]:
    """Sums and means of a codec over pictures; pictures that it does not have are left out."""
    having = [(row, row["codecs"][codec]) for row in rows if codec in row["codecs"]]
    return {
        "pictures": len(having),
        "bpp": _mean(each.get("bpp") for _, each in having),
        "misread": sum(sum(each["misread"]) for _, each in having),
        "characters": sum(row["characters"] for row, _ in having),
        "scanned": sum(sum(each["scanned"]) for _, each in having),
        "codes": sum(len(each["scanned"]) for _, each in having),
        "faces": _mean(value for _, each in having for value in each["faces"]),
        "lattices": _mean(value for _, each in having for value in each["lattices"]),
        **{name: _mean(each.get(name) for _, each in having) for name in WHOLE},
    }


def table(rows: Sequence[Row]) -> str:
    """A table as text: a line for each group and codec, and for all pictures."""
    codecs = list(dict.fromkeys(codec for row in rows for codec in row["codecs"]))
    head = ("group", "codec", "n", "bpp", "misread", "QR", "faces", "lattices", *WHOLE)
    lines = ["".join(f"{name:>12}" for name in head)]
    for group in (*GROUPS, "all"):
        chosen = [row for row in rows if group in ("all", row["group"])]
        for codec in codecs if chosen else ():
            total = totals(chosen, codec)
            cells = [group, codec, str(total["pictures"]), _number(total["bpp"], 3)]
            cells += [_share(total["misread"], total["characters"]), _share(total["scanned"], total["codes"])]
            cells += [_number(total["faces"], 4), _number(total["lattices"], 2)]
            cells += [_number(total[name], 2 if name in ("SSIMULACRA2", "PSNR") else 4) for name in WHOLE]
            lines.append("".join(f"{cell:>12}" for cell in cells))
    return "\n".join(lines)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _share(part: int, whole: int) -> str:
    return f"{part}/{whole}" if whole else "-"


def verdicts(rows: Sequence[Row]) -> list[Verdict]:
    """What the guard promises at equal bytes, and whether the scores of ``sdz`` keep it.

    It is compared with ``avif``, and with ``against``, .sdz without the guard. Where a codec was not scored, or a
    metric was not measured, ``kept`` is None. Pictures of which a file is more than 3 % larger or smaller are compared
    all the same; the last lines name them.
    """
    ours, avif, against = (totals(rows, codec) for codec in ("sdz", "avif", "against"))
    has_avif, has_against = (all(codec in row["codecs"] for row in rows) for codec in ("avif", "against"))
    lost = [
        f"{row['name']} #{number}"
        for row in rows if has_avif
        for number, (mine, theirs) in enumerate(
            zip(row["codecs"]["sdz"]["scanned"], row["codecs"]["avif"]["scanned"], strict=True)
        )
        if theirs and not mine
    ]  # fmt: skip
    worse, unknown = _worse_than_avif(rows) if has_avif else ([], True)
    result = [
        Verdict(
            "misread: at most half of without the guard",
            ours["misread"] <= MISREAD_SHARE * against["misread"] if has_against else None,
            f"{ours['misread']} of {ours['characters']}, without {against['misread'] if has_against else '-'}",
        ),
        Verdict(
            "misread: at most AVIF's and 10 %",
            ours["misread"] <= (1 + MISREAD_BEYOND_AVIF) * avif["misread"] if has_avif else None,
            f"{ours['misread']}, AVIF {avif['misread'] if has_avif else '-'}",
        ),
        Verdict(
            "every QR code that scans in AVIF scans", not lost if has_avif else None, ", ".join(lost) or "none lost"
        ),
        Verdict(
            "faces: LPIPS 15 % better than without the guard",
            _at_most(ours["faces"], against["faces"], 1 - FACES_BETTER),
            f"{_number(ours['faces'], 4)}, without {_number(against['faces'], 4)}, AVIF {_number(avif['faces'], 4)}",
        ),
        Verdict(
            "lattices: SSIMULACRA2 not below AVIF's",
            None if None in (ours["lattices"], avif["lattices"]) else ours["lattices"] >= avif["lattices"],
            f"{_number(ours['lattices'], 2)}, AVIF {_number(avif['lattices'], 2)}",
        ),
        Verdict(
            "no picture worse than AVIF on SSIMULACRA2 and LPIPS-VGG both",
            False if worse else None if unknown else True,
            f"{len(worse)} are: {', '.join(worse)}" if worse else "none is",
        ),
    ]
    plain = [row for row in rows if row["group"] == "plain"]
    mine, theirs = totals(plain, "sdz"), totals(plain, "against")
    result += [
        Verdict(
            f"plain photos lose at most 1 % on {name}",
            _at_most(mine[name], theirs[name], 1 + MOST_LOSS),
            f"{_number(mine[name], 4)}, without {_number(theirs[name], 4)}",
        )
        for name in LESS_IS_BETTER
    ]
    return [*result, *(_sizes(rows, codec) for codec in ("avif", "webp", "against"))]


def _at_most(value: float | None, other: float | None, factor: float) -> bool | None:
    return None if value is None or other is None else value <= factor * other


def _worse_than_avif(rows: Sequence[Row]) -> tuple[list[str], bool]:
    """Names of the pictures that are, and whether there are some of which that is not known."""
    worse, unknown = [], False
    for row in rows:
        mine, theirs = row["codecs"]["sdz"], row["codecs"]["avif"]
        values = [each.get(name) for each in (mine, theirs) for name in ("SSIMULACRA2", "LPIPS-VGG")]
        if None in values:
            unknown = True
        elif values[0] < values[2] and values[1] > values[3]:
            worse.append(row["name"])
    return worse, unknown


def _sizes(rows: Sequence[Row], codec: str) -> Verdict:
    """Whether the files of a codec have the sizes of ours."""
    pairs = [
        (row["name"], row["codecs"][codec]["bytes"] / row["codecs"]["sdz"]["bytes"],
         equal(row["codecs"][codec]["bytes"], row["codecs"]["sdz"]["bytes"]))
        for row in rows if codec in row["codecs"]
    ]  # fmt: skip
    others = [f"{name} {ratio:.2f}" for name, ratio, same in pairs if not same]
    kept = not others if pairs else None
    return Verdict(f"{codec}: files of equal size", kept, ", ".join(others) or f"all {len(pairs)}")
