"""What is left of a picture after a codec: characters, QR codes, faces, lattices, and the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from tools.guard_set.cache import Cache, digest
from tools.guard_set.reading import misread, read_lines, scanned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pillow_sdz.evaluation.metrics import Metric
    from tools.guard_set.entries import Box

FACE_MARGIN: Final = 0.3
"""Share of a face's width and height that is added on each side."""

FACE_SIDE: Final = 64
"""Shorter side in pixels to which crops of smaller faces are enlarged: AlexNet needs several positions."""

COSTLY: Final = ("DISTS",)
"""Metrics that are taken of ``plain`` pictures alone unless all are asked for."""


def face_crop(image: Image.Image, box: Box) -> Image.Image:
    """A face with its surroundings, at least `FACE_SIDE` pixels on the shorter side (bicubic)."""
    left, top, right, bottom = box
    x, y = FACE_MARGIN * (right - left), FACE_MARGIN * (bottom - top)
    crop = image.crop((
        max(0, round(left - x)), max(0, round(top - y)),
        min(image.width, round(right + x)), min(image.height, round(bottom + y)),
    ))  # fmt: skip
    scale = FACE_SIDE / min(crop.size)
    if scale <= 1:
        return crop
    size = max(FACE_SIDE, round(crop.width * scale)), max(FACE_SIDE, round(crop.height * scale))
    return crop.resize(size, Image.Resampling.BICUBIC)


class Measurer:
    """Measures pictures of the set, each result once.

    Args:
        metrics: metrics of whole pictures; LPIPS-Alex is also that of faces, SSIMULACRA2 that of lattices, and what is
            missing here is not measured.
        cache: what was measured before.
        everything: also take `COSTLY` metrics of every picture.
    """

    def __init__(self, metrics: Sequence[Metric], cache: Cache, everything: bool = False) -> None:
        self.metrics = {metric.name: metric for metric in metrics}
        self.cache = cache
        self.everything = everything

    def measure(
        self, record: Mapping[str, Any], original: Image.Image, other: Image.Image, leave_out: Sequence[str] = (),
        only_read: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        """Everything that is measured of a picture.

        Args:
            record: its record in the manifest.
            original, other: RGB, of the same size.
            leave_out: names of metrics of the whole that are not wanted, unless everything is.
            only_read: measure none of the whole.

        Returns:
            ``misread`` (characters, one number a line), ``scanned`` (one truth value a code), ``faces`` (LPIPS-Alex),
            ``lattices`` (SSIMULACRA2), and each metric of the whole by name; None where it was not measured.
        """
        key = f"{digest(original)} {digest(other)}"
        lines = record["lines"]
        texts = self.cache.get(f"{key} text {lines}", lambda: read_lines(other, lines)) if lines else []
        result: dict[str, Any] = {
            "misread": [misread(text, line["text"], line["language"]) for text, line in zip(texts, lines, strict=True)],
            "read": texts,
            "scanned": scanned(other, record["qr"]) if record["qr"] else [],
            "faces": [
                self._of("LPIPS-Alex", f"{key} face {box}", face_crop(original, box), face_crop(other, box))
                for box in record["faces"]
            ],
            "lattices": [
                self._of("SSIMULACRA2", f"{key} part {box}", original.crop(tuple(box)), other.crop(tuple(box)))
                for box in record["lattices"]
            ],
        }
        for name in self.metrics:
            unwanted = name in leave_out or (name in COSTLY and record["group"] != "plain")
            wanted = not only_read and (self.everything or not unwanted)
            result[name] = self._of(name, key, original, other) if wanted else None
        return result

    def _of(self, name: str, key: str, original: Image.Image, other: Image.Image) -> float | None:
        metric = self.metrics.get(name)
        if metric is None:
            return None
        value: float | None = self.cache.get(f"{key} {name}", lambda: metric.measure(original, other))
        return value
