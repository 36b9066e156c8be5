"""Whether every answer of the load test is right: a picture of the size that was asked for, and of the right photo."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

import pillow_sdz  # noqa: F401  registers the format
from tools.web_server.pictures import SERVED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tools.web_server.load_clients import Answer, Photo

SIDE: Final = 16
"""Width and height in pixels of the small pictures that photos are recognised by."""

DIFFERENT: Final = 12.0
"""Least root mean square difference, in levels of 256, of the small pictures of any two photos of a run."""

LEAST_PSNR: Final = 28.0
"""Least PSNR in dB of an answer to the stored picture, decoded here and scaled to the same size. WebP of quality 80 and
AVIF of quality 65 lose more than that of no photo."""


def small(image: Image.Image) -> NDArray[np.float32]:
    """What a photo is recognised by: (16, 16, 3)."""
    return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX), np.float32)


def difference(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Root mean square difference in levels."""
    return float(np.sqrt(np.square(one - other).mean()))


def psnr(one: Image.Image, other: Image.Image) -> float:
    """PSNR in dB of two pictures of the same size."""
    pixels = [np.asarray(image.convert("RGB"), np.float32) for image in (one, other)]
    return float(10 * np.log10(255**2 / max(np.square(pixels[0] - pixels[1]).mean(), 1e-9)))


class Checks:
    """Checks answers against the photos, and against the stored files as Pillow opens them here.

    Args:
        photos: all that were uploaded.
        read: the bytes of a stored picture by its name.
    """

    def __init__(self, photos: Sequence[Photo], read: Callable[[str], bytes]) -> None:
        self._photos = [small(Image.open(io.BytesIO(photo.data))) for photo in photos]
        self._read = read
        self._stored: dict[str, Image.Image] = {}

    def problem(self, answer: Answer) -> str | None:
        """What is wrong with an answer, or None."""
        expected = {"upload": (200, 201), "unchanged": (304,)}.get(answer.kind, (200,))
        if answer.status not in expected:
            return f"status {answer.status}: {answer.content[:200]!r}"
        if answer.kind in ("unchanged", "head"):
            return "has a body" if answer.content else None
        if answer.kind == "file":
            return None if hashlib.sha256(answer.content).hexdigest() == answer.picture else "other bytes"
        stored = self._decoded(answer.picture)
        if answer.kind == "upload":
            return self._other_photo(stored, answer)
        shown = Image.open(io.BytesIO(answer.content))
        return self._other_size(shown, stored, answer) or self._other_photo(shown, answer)

    def _decoded(self, name: str) -> Image.Image:
        if name not in self._stored:
            with Image.open(io.BytesIO(self._read(name))) as image:
                self._stored[name] = image.convert("RGB")
        return self._stored[name]

    def _other_size(self, shown: Image.Image, stored: Image.Image, answer: Answer) -> str | None:
        """Check format, size, and PSNR to the stored picture."""
        expected = stored.copy()
        if answer.variant is None:  # a thumbnail
            expected.thumbnail((max(expected.size) // 8,) * 2, Image.Resampling.BOX)
            return None if shown.size == expected.size else f"has {shown.size} pixels, not {expected.size}"
        width, media_type = answer.variant
        if width is not None:
            expected.thumbnail((width, 1 << 20), Image.Resampling.LANCZOS)
        if shown.format != SERVED[media_type][0] or answer.headers["content-type"] != media_type:
            return f"is {shown.format}, not {media_type}"
        if shown.size != expected.size:
            return f"has {shown.size} pixels, not {expected.size}"
        found = psnr(shown, expected)
        return None if found >= LEAST_PSNR else f"is only {found:.1f} dB close to the stored picture"

    def _other_photo(self, shown: Image.Image, answer: Answer) -> str | None:
        """Check that of all photos a picture is closest to its own."""
        found = small(shown)
        distances = [difference(found, photo) for photo in self._photos]
        closest = int(np.argmin(distances))
        return None if closest == answer.photo.number else f"shows photo {closest}, not {answer.photo.number}"
