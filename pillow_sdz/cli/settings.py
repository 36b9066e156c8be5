"""The settings of a run, as the command line gives them, and the parsing of sizes and palette sizes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from pillow_sdz.container.metadata import METADATA_SECTIONS

METADATA = tuple(METADATA_SECTIONS.values())
"""Kinds of metadata, for --strip."""


@dataclass(frozen=True)
class Settings:
    """One run's settings.

    Attributes:
        action: ``convert``, ``preview``, ``info`` or ``test``.
        against: with ``test``: the original, or a directory of originals, to measure the error against; or None.
        output: the argument of -o as it was written (a final separator means a directory); None: beside the input.
        format: Pillow's name of the output format; None: by the suffix of ``output``, else SDZ when encoding and PNG
            when decoding.
        suffix: the suffix of ``format``, with its dot.
        recursive: whether directories are walked.
        existing: what happens to an output that exists: ``refuse``, ``skip`` or ``force``.
        preserve: whether an output gets the times and permissions of its input.
        strip: kinds of metadata that are not copied to the output.
        metadata: how much of the others is, one of `pillow_sdz.options.METADATA_LEVELS`; None is ``useful`` when
            encoding, and all that the file holds when decoding.
        dry_run: whether to say only what would be done.
        save: keywords for ``image.save(format="SDZ")``; options not given are absent.
        denoise_steps, device, tile_size: how SDZ files are decoded; None is the plugin's choice.
        jobs: number of conversions at the same time. With the engine ``ray``, 0 is as many as the cluster has GPUs, or
            cores if it has none.
        engine: what works on the jobs, one of `pillow_sdz.cli.engine_options.ENGINES`.
        address: of the Ray cluster; None for one on this machine, for the time of the run.
        max_pixels: pictures with more pixels are refused.
        json: whether to print a JSON object for each file.
        quiet: whether to print errors only.
        verbose: 1 or more adds tracebacks and all warnings.
        progress: when to show a progress bar: ``auto``, ``never`` or ``always``.
    """

    action: str = "convert"
    against: str | None = None
    output: str | None = None
    format: str | None = None
    suffix: str | None = None
    recursive: bool = False
    existing: str = "refuse"
    preserve: bool = True
    strip: frozenset[str] = frozenset()
    metadata: str | None = None
    dry_run: bool = False
    save: dict[str, Any] = field(default_factory=dict)
    denoise_steps: int | None = None
    device: str | None = None
    tile_size: int | None = None
    jobs: int = 1
    engine: str = "threads"
    address: str | None = None
    max_pixels: int = 2**28
    json: bool = False
    quiet: bool = False
    verbose: int = 0
    progress: str = "auto"

    @property
    def reads_only(self) -> bool:
        """Whether the action writes no output files."""
        return self.action in ("info", "test")


_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmg]?)(i?)b?\s*", re.IGNORECASE)
_POWER = {"": 0, "k": 1, "m": 2, "g": 3}


def parse_size(text: str) -> int:
    """Parse a size in bytes: a number with an optional unit, where k is 1000 and Ki is 1024.

    >>> [parse_size(text) for text in ("7842", "5kB", "5KiB", "1.5k", "2 MB")]
    [7842, 5000, 5120, 1500, 2000000]

    Raises:
        ValueError: not a size, or less than a byte.
    """
    match = _SIZE.fullmatch(text)
    if match is None or (match[3] and not match[2]):
        raise ValueError(f"{text!r} is not a size; write bytes as 7842, 5kB (5000), 5KiB (5120) or 1.5k (1500)")
    unit: int = (1024 if match[3] else 1000) ** _POWER[match[2].lower()]
    size = round(float(match[1]) * unit)
    if size < 1:
        raise ValueError(f"{text!r} is less than one byte")
    return size


def parse_colors(text: str) -> int | tuple[int, ...]:
    """Parse one palette size, or one per layer, separated by commas.

    >>> parse_colors("256"), parse_colors("256,64,16")
    (256, (256, 64, 16))

    Raises:
        ValueError: not whole numbers separated by commas. `pillow_sdz.options.SaveOptions` checks their range.
    """
    parts = text.split(",")
    if not all(part.strip().isascii() and part.strip().isdigit() for part in parts):
        raise ValueError(f"{text!r} is not a palette size (256) or one per layer (256,64,16)")
    numbers = tuple(int(part) for part in parts)
    return numbers[0] if len(numbers) == 1 else numbers


def parse_device(name: str) -> str | None:
    """The device of an option ``--device``: None for ``auto``.

    Raises:
        SdzOptionError: no such device.
    """
    from pillow_sdz.options import check_device

    if name == "auto":
        return None
    check_device(name)
    return name
