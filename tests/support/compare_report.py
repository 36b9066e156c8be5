"""A report of two photos by ``sdz-convert compare``, for the tests of its numbers and its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PIL import Image

from pillow_sdz.cli import compare

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE: Final = "\"><script>document.title='owned'<!--.png"
"""Name of a photo, which the page must escape."""

OUTPUTS: Final = ["compare.html", "compare.json", "compare.png"]
RIVALS: Final = ["jpeg", "webp", "avif", "jxl"]
STAGES: Final = [
    "original", "autoencoder", "resized", "codes", "sdz-without-unet", "sdz", "palette-without-unet", "palette",
    "img2img-png", "img2img-jpeg", *RIVALS,
]  # fmt: skip


def make(folder: Path, astronaut: Image.Image, chelsea: Image.Image) -> Path:
    """Write two photos below ``folder``/in, and the report of them into ``folder``/out, which is returned."""
    (folder / "in" / "more").mkdir(parents=True)
    astronaut.crop((120, 0, 312, 128)).save(folder / "in" / HOSTILE)
    cat = chelsea.crop((100, 60, 221, 157))
    cat.putalpha(Image.linear_gradient("L").resize(cat.size))
    cat.save(folder / "in" / "more" / "cat.webp", lossless=True)
    before = [path.read_bytes() for path in sorted((folder / "in").rglob("*.*"))]
    code = compare.command.main([str(folder / "in"), "-o", str(folder / "out"), "--quiet"], standalone_mode=False)
    assert code == 0
    assert [path.read_bytes() for path in sorted((folder / "in").rglob("*.*"))] == before
    return folder / "out"
