"""What can be set: a field each, and an environment variable of the same name for each field."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from pillow_sdz.options import SaveOptions

PREFIX: Final = "SDZ_SERVER_"
"""Before the name of a field, in capitals, in the environment: ``SDZ_SERVER_MAX_PIXELS=4000000``."""

LONGEST_SIDE: Final = 16383
"""Longest side of a picture in pixels: that of WebP, which every picture must be able to become."""

MOST_STEPS: Final = 4
"""Most U-Net steps that an uploaded .sdz may ask for, see ``pillow_sdz.limits.MAX_UNASKED_STEPS``."""


def cores() -> int:
    """Processors that this process may use. (The package has this, too, but not in its public interface.)"""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Settings:
    """The settings of a server.

    Attributes:
        data: folder of the store and of the cache; made if it is missing.
        threads: pictures that a process encodes or decodes at the same time.
        waiting: pictures that may wait for one of these threads; beyond them requests are answered with 429.
        uploads: uploads that are read, wait or are encoded at the same time: at most ``uploads`` times ``max_bytes``
            are in memory for them.
        max_bytes: largest body of an upload, in bytes.
        max_pixels: largest picture, in pixels. 12.5 million hold the photos of most phones.
        body_seconds: time in which the body of an upload must have arrived.
        quality, effort: options of saving, see ``pillow_sdz.options.SaveOptions``.
        metadata: likewise. ``essential`` keeps orientation and colour, and nothing that says where or by whom a photo
            was taken; ``useful`` and ``all`` keep positions as well.
        widths: widths that pictures are served in besides their own.
        cache_bytes: most bytes of the cache, which holds pictures as they were served.

    Raises:
        ValueError: a value is out of its range (`SdzOptionError` for the options of saving).
    """

    data: Path = Path("sdz-data")
    threads: int = field(default_factory=cores)
    waiting: int = 8
    uploads: int = 16
    max_bytes: int = 20 * 1024 * 1024
    max_pixels: int = 12_500_000
    body_seconds: int = 30
    quality: int = 50
    effort: int = 4
    metadata: str = "essential"
    widths: tuple[int, ...] = (160, 320, 640, 960, 1280, 1920)
    cache_bytes: int = 1024 * 1024 * 1024

    def __post_init__(self) -> None:
        SaveOptions(**self.save_options())
        counts = ("threads", "uploads", "max_bytes", "max_pixels", "body_seconds", "cache_bytes")
        for name, low in [*((name, 1) for name in counts), ("waiting", 0)]:
            if getattr(self, name) < low:
                raise ValueError(f"{name}: is out of range (found {getattr(self, name)}, expected {low} or more)")
        if min(self.widths, default=0) < 1:
            raise ValueError(f"widths: are out of range (found {self.widths}, expected numbers of 1 or more)")

    def save_options(self) -> dict[str, Any]:
        """The keywords of ``image.save``."""
        return {"quality": self.quality, "effort": self.effort, "metadata": self.metadata}

    @classmethod
    def from_environment(cls) -> Settings:
        """The defaults, and what the environment says otherwise.

        Raises:
            ValueError: a variable has a wrong value, or there is no such setting; the message names it.
        """
        known = {PREFIX + each.name.upper(): each for each in fields(cls)}
        given: dict[str, Any] = {}
        for variable, text in os.environ.items():
            if not variable.startswith(PREFIX):
                continue
            if variable not in known:
                raise ValueError(f"{variable}: no such setting; there are {', '.join(known)}")
            name = known[variable].name
            try:
                given[name] = _PARSERS.get(name, int)(text)
            except ValueError:
                raise ValueError(f"{variable}: is not a whole number (found {text!r})") from None
        return cls(**given)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


_PARSERS: Final[dict[str, Any]] = {"data": Path, "metadata": str, "widths": _numbers}
"""What makes a value of a variable's text, for the fields that are not whole numbers."""
