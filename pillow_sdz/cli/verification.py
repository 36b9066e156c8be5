"""--test --against: decode an SDZ file, measure its error, and compare that with what the file says."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz import options
from pillow_sdz.cli import file_types, sources
from pillow_sdz.cli.convert import ConversionError, Result, open_source, progress_bar
from pillow_sdz.cli.inspection import read_source
from pillow_sdz.cli.outputs import kind
from pillow_sdz.cli.printable import printable
from pillow_sdz.codec.decode import decode
from pillow_sdz.codec.measure import Measures, Shares, measure, shares_of
from pillow_sdz.container.stored_error import StoredError, to_decibels
from pillow_sdz.errors import naming_file
from pillow_sdz.plugin.pixels import to_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pillow_sdz.cli.jobs import Job
    from pillow_sdz.cli.settings import Settings
    from pillow_sdz.cli.sources import Source
    from pillow_sdz.codec.file import SdzFile
    from pillow_sdz.codec.picture import Picture

TOLERANCES: Final = {"PSNR": 0.1, "MS-SSIM": 0.1, "SSIMULACRA 2": 0.3}
"""Largest difference between a stored figure and one measured here; of MS-SSIM, in decibels. Pixels differ by a level
or two between machines and number types, which moves the figures by less."""

VISIBLE_LEVEL: Final = 4
"""Level of the error map from which on cells are compared (rms 2.8 of 255): below it, what number type the networks
compute in can move a cell by more than a level."""


@dataclass(frozen=True)
class Figure:
    """One figure, as the file says and as it was measured here; None where it was not measured."""

    name: str
    stored: float | None
    measured: float | None

    @property
    def difference(self) -> float:
        """How far apart the two are, in the unit of `TOLERANCES`. (The file need not have what can be measured.)"""
        if self.stored is None or self.measured is None:
            return 0.0 if self.stored is None else float("inf")
        if self.name == "MS-SSIM":
            return abs(to_decibels(self.stored) - to_decibels(self.measured))
        return abs(self.stored - self.measured)

    @property
    def agrees(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.difference <= TOLERANCES[self.name]


def verify(job: Job, settings: Settings) -> Result:
    """Compare what a file says about its error with the error measured here.

    Args:
        job: the file.
        settings: those of the run; ``against`` is the original, or a directory of originals.

    Returns:
        A failed result if they disagree, or if the file says nothing.

    Raises:
        ConversionError: there is no original, or it has another size.
        SdzError: the file is damaged, or its model, a runtime or the package of a metric is missing.
    """
    started = time.perf_counter()
    with naming_file(job.source.name):
        data, file = read_source(job.source)
        file.metadata()
        stored, stored_map = file.error(), file.error_map()
    header = file.header
    original = _original(job.source, settings)
    pixels = _pixels(original, file, settings).rgb
    fields = options.DecodeSettings.__dataclass_fields__
    how = options.DecodeSettings(**{name: getattr(options.decode, name) for name in fields})
    with naming_file(job.source.name), progress_bar(settings):
        decoded = decode(file, how).rgb
        score = stored is not None and stored.ssimulacra2 is not None
        found = measure(pixels, decoded, grey=header.mode.startswith("L"), ssimulacra2=score)
    figures = _figures(stored, found)
    cells = None if stored_map is None else different_cells(stored_map, found.levels)
    wrong = [figure.name for figure in figures if not figure.agrees] + (["error map"] if cells else [])
    wrong += [] if stored is None else wrong_shares(stored, shares_of(header, file.patches))
    problem = None
    if stored is None and stored_map is None:
        problem = "says nothing about its error; saving with error=True and the guard (on from effort 3) stores it"
    elif wrong:
        problem = f"what it says about its error is not what was measured here: {', '.join(wrong)}"
    details = {
        "against": original.name,
        "stored": {figure.name: figure.stored for figure in figures},
        "measured": {figure.name: figure.measured for figure in figures},
        "different_cells": cells,
        "agrees": problem is None,
    }
    status = "done" if problem is None else "failed"
    seconds = time.perf_counter() - started
    return Result(
        job, status, len(data), None, header.width, header.height, seconds, error=problem, details=details,
        shown=_lines(figures, cells, found),
    )  # fmt: skip


def different_cells(stored: NDArray[np.uint8], measured: NDArray[np.uint8]) -> int:
    """Cells of two error maps of one shape that differ by more than one level, where the error is visible."""
    apart = np.abs(stored.astype(np.int16) - measured) > 1
    return int((apart & (np.maximum(stored, measured) >= VISIBLE_LEVEL)).sum())


def wrong_shares(stored: StoredError, found: Shares) -> list[str]:
    """Names of the shares that a file states by more than a percent wrongly."""
    names = ("synthesised", "patched", "whole")
    return [f"{name} share" for name in names if abs(getattr(stored, name) - getattr(found, name)) > 0.0101]


def _figures(stored: StoredError | None, found: Measures) -> list[Figure]:
    """The figures side by side."""
    names = {"PSNR": "psnr", "MS-SSIM": "ms_ssim", "SSIMULACRA 2": "ssimulacra2"}
    return [Figure(name, getattr(stored, field, None), getattr(found, field)) for name, field in names.items()]


def _lines(figures: list[Figure], cells: int | None, found: Measures) -> list[str]:
    """The comparison as a table."""
    units = {"PSNR": (" dB", 2), "MS-SSIM": ("", 5), "SSIMULACRA 2": ("", 2)}
    rows = [("", "stored", "measured", "")]
    for figure in figures:
        if figure.stored is None and figure.measured is None:
            continue
        unit, digits = units[figure.name]
        stored, measured = (
            "-" if value is None else f"{value:.{digits}f}{unit}" for value in (figure.stored, figure.measured)
        )
        rows.append((figure.name, stored, measured, "" if figure.agrees else "disagrees"))
    lines = ["  {:<14}{:>12}{:>12}  {}".format(*row).rstrip() for row in rows]
    if cells is not None:
        lines.append(f"  {'error map':<14}{cells} of {found.levels.size} cells differ")
    return lines


def _original(source: Source, settings: Settings) -> Source:
    """The picture that a file was made from.

    Raises:
        ConversionError: it is not there, or there are several of that name.
    """
    assert settings.against is not None
    path = Path(settings.against)
    if kind(path) == "folder":
        path = _in_folder(path, source)
    (found,), _ = sources.collect([str(path)], settings)
    if found.problem is not None:
        raise ConversionError(f"the original {found.name}: {found.problem}")
    return found


def _in_folder(folder: Path, source: Source) -> Path:
    """The picture in a folder that has the name of a source; in the same place below it, if a folder was walked."""
    if source.path is None:
        raise ConversionError("standard input has no name to find its original by; give the original itself")
    if source.root is not None:
        folder /= source.path.parent.relative_to(source.root)
    name = file_types.stem(source.path.name)
    found = sorted(
        path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if file_types.stem(path.name) == name
        and path.suffix.lower() != ".sdz"
        and file_types.is_picture_suffix(path.suffix)
    )
    if len(found) != 1:
        what = ", ".join(printable(path.name) for path in found) or "none"
        raise ConversionError(f"one original called {printable(name)} is expected in {printable(str(folder))}: {what}")
    return found[0]


def _pixels(original: Source, file: SdzFile, settings: Settings) -> Picture:
    """The original's pixels as the encoder gets them: the first frame, not rotated by an EXIF orientation.

    Raises:
        ConversionError: it is no picture, or has another size than the file.
    """
    size = file.header.width, file.header.height
    with open_source(original, settings) as picture:
        picture.load()  # first: loading a TIFF turns it
        if picture.size != size:
            turned = "; encoding does not rotate pixels by an EXIF orientation" if picture.size == size[::-1] else ""
            (width, height), (wide, high) = picture.size, size
            raise ConversionError(
                f"the original {original.name} has {width} x {height} pixels, and the file {wide} x {high}{turned}"
            )
        return to_picture(picture)
