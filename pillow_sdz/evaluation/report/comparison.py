"""The results of the report for one picture: its stages, each with a picture, sizes, drawings and metrics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL import Image

    from pillow_sdz.evaluation.report.channels import Channel


@dataclass(frozen=True)
class Stored:
    """One way to store what a stage holds.

    Attributes:
        form: what the bytes are, for instance "lossless WebP".
        size: in bytes.
    """

    form: str
    size: int


@dataclass(frozen=True)
class Drawing:
    """A latent, palette or index plane as a picture with one pixel per value, to be enlarged without smoothing.

    Attributes:
        title: what it shows.
        image: RGB or grey.
        caption: how to read it.
        on_page: whether the page shows it; the contact sheet shows all drawings.
    """

    title: str
    image: Image.Image
    caption: str
    on_page: bool = True


@dataclass
class Stage:
    """One stage of encoding or decoding.

    Attributes:
        key: short name, the same in JSON and on the page.
        chapter: key of the page's chapter that shows it; see `pillow_sdz.evaluation.report.page.CHAPTERS`.
        title: name to show.
        text: what happens at this stage, in a sentence or two.
        picture: RGB, of the original's size.
        stored: ways to store it; the first one gives the size of the stage.
        drawings: what the stage holds besides the picture.
        details: further facts for JSON: settings, noise, quality.
        numbers: name of a metric -> its value against the original, None if it cannot be measured; empty for the
            original.
    """

    key: str
    chapter: str
    title: str
    text: str
    picture: Image.Image
    stored: tuple[Stored, ...]
    drawings: tuple[Drawing, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    numbers: dict[str, float | None] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Size of the stage in bytes."""
        return self.stored[0].size

    def bits_per_pixel(self, size: int | None = None) -> float:
        """Bits per pixel of the picture for a size in bytes; None is the size of the stage."""
        return 8 * (self.size if size is None else size) / (self.picture.width * self.picture.height)


@dataclass(frozen=True)
class Comparison:
    """One picture and all of its stages.

    Attributes:
        name: of the file, as the user gave it.
        stages: in the order of the page; the first is the original.
        channels: facts about each channel of the latent.
        left_out: stage that does not exist -> reason.
        notes: sentences for the reader, for instance that alpha was left out.
        model: name and version of the model.
        fingerprint: first 8 bytes of the model's fingerprint, in hex.
    """

    name: str
    stages: tuple[Stage, ...]
    channels: tuple[Channel, ...]
    left_out: Mapping[str, str]
    notes: tuple[str, ...]
    model: str
    fingerprint: str

    def stage(self, key: str) -> Stage | None:
        """The stage of that key, or None."""
        return next((stage for stage in self.stages if stage.key == key), None)
