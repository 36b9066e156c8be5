"""What the command line asked for, checked and without click."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

METADATA = ("exif", "icc", "xmp", "text")


@dataclass(frozen=True)
class Settings:
    """One run's settings.

    Attributes:
        action: ``convert``, ``preview``, ``info`` or ``test``.
        output: the argument of -o as it was written (a final separator means a directory); None: beside the input.
        format: Pillow's name of the output format; None: by the output's suffix, or SDZ and PNG.
        suffix: the suffix that goes with ``format``, with its dot.
        existing: what happens to an output that exists: ``refuse``, ``skip`` or ``force``.
        strip: kinds of metadata, out of `METADATA`, that are not carried over.
        save: keywords for ``img.save(format="SDZ")``; options not given are absent.
        steps, device, tile_size: how SDZ files are decoded; None is the plugin's choice.
        jobs: conversions at the same time, in threads.
        max_pixels: pictures with more pixels are refused.
    """

    action: str = "convert"
    output: str | None = None
    format: str | None = None
    suffix: str | None = None
    recursive: bool = False
    existing: str = "refuse"
    preserve: bool = True
    strip: frozenset[str] = frozenset()
    dry_run: bool = False
    save: dict[str, Any] = field(default_factory=dict)
    steps: int | None = None
    device: str | None = None
    tile_size: int | None = None
    jobs: int = 1
    max_pixels: int = 2**28
    json: bool = False
    quiet: bool = False
    verbose: int = 0
    progress: str = "auto"

    @property
    def reads_only(self) -> bool:
        """Whether the action writes no files."""
        return self.action in ("info", "test")
