"""Write the files that `check_desktop.sh` shows to the desktop's programs:  make_samples.py FOLDER

Large and small, portrait by EXIF, with alpha, grey, stored as pixels (AV1, and lossless), without a suffix, with spaces
and umlauts in the name; and a ZIP archive called .sdz. The photos are scikit-image's.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Any

import skimage.data
from PIL import Image, ImageDraw

import pillow_sdz  # noqa: F401 - registers the format

ORIENTATION = 0x0112


def main() -> None:
    """Write the files."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    photo, cat, cup = (Image.fromarray(getattr(skimage.data, name)()) for name in ("astronaut", "chelsea", "coffee"))
    fast: dict[str, Any] = {"effort": 1, "guard": False}
    photo.save(folder / "photo.sdz", **fast)
    photo.resize((3000, 3000)).save(folder / "large.sdz", **fast)
    turned = Image.Exif()
    turned[ORIENTATION] = 6
    portrait = photo.crop((60, 0, 420, 512)).transpose(Image.Transpose.ROTATE_90)
    portrait.save(folder / "upright by EXIF.sdz", exif=turned, **fast)
    cat.convert("L").save(folder / "grey.sdz", **fast)
    cup.resize((160, 107)).save(folder / "small Tässchen.sdz", **fast)
    round_mask = Image.new("L", photo.size)
    ImageDraw.Draw(round_mask).ellipse((20, 20, 492, 492), fill=255)
    cut = photo.copy()
    cut.putalpha(round_mask)
    cut.save(folder / "alpha.sdz", **fast)
    page = Image.fromarray(skimage.data.page()).convert("RGB")
    page.save(folder / "page as AV1.sdz", payload="pixels", quality=60)
    page.save(folder / "page lossless.sdz", payload="pixels", quality=100)
    (folder / "no suffix").write_bytes((folder / "photo.sdz").read_bytes())
    with zipfile.ZipFile(folder / "map.sdz", "w") as archive:
        archive.writestr("maps/island.smf", "not a picture")


if __name__ == "__main__":
    main()
