"""What the set consists of: pictures, and where in them is what a reader minds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from PIL import Image

Box = tuple[int, int, int, int]
"""(left, top, right, bottom) in pixels; right and bottom are the first column and row outside."""

GROUPS: Final = ("signs", "documents", "drawings", "qr", "faces", "lattices", "plain")
"""Groups of pictures, in the order of tables."""

SHORTEST, LONGEST = 256, 768
"""Range of a picture's sides in pixels."""

LANGUAGES: Final = ("eng", "ell", "rus", "jpn")
"""Languages of the lines, as tesseract calls them; lines of digits and number plates are ``eng``."""

RENDERED: Final = "rendered by tools/guard_set"
"""Source of pictures without a photo."""


@dataclass(frozen=True)
class TextLine:
    """A line of text.

    Attributes:
        text: the truth, with single spaces.
        language: one of `LANGUAGES`.
        height: nominal height of the letters in pixels: the size of the font, from ascender to descender.
        box: what to crop for reading it: the ink and a margin.
    """

    text: str
    language: str
    height: int
    box: Box


@dataclass
class Entry:
    """A picture of the set.

    Attributes:
        name: name of the file without ``.png``.
        group: one of `GROUPS`.
        image: RGB; sides of `SHORTEST` to `LONGEST` pixels.
        source: where the photo is from, or `RENDERED`.
        licence: the photo's licence as far as its package says.
        lines: its text.
        faces: boxes of faces, from forehead to chin.
        lattices: boxes of regular structures.
        qr: what its QR codes say.
    """

    name: str
    group: str
    image: Image.Image
    source: str = RENDERED
    licence: str = "Apache-2.0"
    lines: list[TextLine] = field(default_factory=list)
    faces: list[Box] = field(default_factory=list)
    lattices: list[Box] = field(default_factory=list)
    qr: list[str] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """The entry as the manifest has it: everything but the pixels, and the size in pixels."""
        return {
            "name": self.name,
            "group": self.group,
            "size": list(self.image.size),
            "source": self.source,
            "licence": self.licence,
            "lines": [asdict(line) for line in self.lines],
            "faces": self.faces,
            "lattices": self.lattices,
            "qr": self.qr,
        }

    def check(self) -> None:
        """Raise if the entry breaks a rule of the set.

        Raises:
            ValueError: mode, size, group, a language or a box is none that the set has.
        """
        if self.image.mode != "RGB" or not all(SHORTEST <= side <= LONGEST for side in self.image.size):
            raise ValueError(f"{self.name}: {self.image.mode}, {self.image.size}")
        if self.group not in GROUPS or any(line.language not in LANGUAGES for line in self.lines):
            raise ValueError(f"{self.name}: unknown group {self.group!r} or language")
        for left, top, right, bottom in [*(line.box for line in self.lines), *self.faces, *self.lattices]:
            if not (0 <= left < right <= self.image.width and 0 <= top < bottom <= self.image.height):
                raise ValueError(f"{self.name}: box {(left, top, right, bottom)} in a picture of {self.image.size}")
