"""What the report knows of one picture: its stages, each with a picture, sizes, drawings and numbers."""

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
        form: what the bytes are, as "lossless WebP".
        size: how many bytes it takes.
    """

    form: str
    size: int


@dataclass(frozen=True)
class Drawing:
    """A latent, palette or plane of indices as a picture, one pixel per value; enlarge it without smoothing.

    Attributes:
        title: what it shows.
        image: RGB or grey.
        caption: how to read it.
        on_page: whether the page shows it; the sheet shows all.
    """

    title: str
    image: Image.Image
    caption: str
    on_page: bool = True


@dataclass
class Stage:
    """One stage of encoding or decoding.

    Attributes:
        key: short name, the same in JSON, page and sheet.
        chapter: key of the chapter of the page that tells of it.
        title: what people call it.
        text: what happens here, in a sentence or two.
        picture: RGB, of the original's size.
        stored: sizes in bytes; the first one is the stage's own.
        drawings: what the stage holds besides the picture.
        details: further facts for JSON: settings, noise, quality.
        numbers: metric -> distance from the original, None where it cannot be measured; empty for the original.
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
        """Bytes of the stage."""
        return self.stored[0].size

    def bits_per_pixel(self, size: int | None = None) -> float:
        """``size`` (or the stage's own) over the picture's pixels, in bits."""
        return 8 * (self.size if size is None else size) / (self.picture.width * self.picture.height)


@dataclass(frozen=True)
class Comparison:
    """One picture and all of its stages.

    Attributes:
        name: of the file, as the user gave it.
        stages: in the order of the page; the first is the original.
        channels: what each channel of the latent holds.
        left_out: stage -> why there is none.
        notes: what else the reader should know, as that alpha was left out.
        model: name and version.
        fingerprint: the model's, 8 bytes in hex.
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
