"""Rendered text on photos: photos alone hold too little of it to teach a codec that letters have edges."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    import numpy as np

FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts", "C:/Windows/Fonts")
LETTERS = "aaabcdeeeefghiijklmnnoopqrrssttuuvwxyzABCDEFGHIJKLMNOPRSTUVW0123456789.,:-&%"
SIZES = (9, 48)


@lru_cache(maxsize=1)
def fonts() -> tuple[str, ...]:
    """TrueType files of the system, and those that matplotlib brings where it is installed."""
    folders = [Path(folder) for folder in FOLDERS]
    try:
        from matplotlib import get_data_path

        folders.append(Path(get_data_path()) / "fonts" / "ttf")
    except ImportError:
        pass
    return tuple(
        sorted(str(p) for folder in folders if folder.is_dir() for p in folder.rglob("*.ttf") if "STIX" not in p.name)
    )


def write_on(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A copy with a few lines of random words, some of them on a plain panel. Without fonts the picture itself."""
    if not fonts():
        return image
    image = image.copy()
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, 9))):
        size = int(SIZES[0] * (SIZES[1] / SIZES[0]) ** rng.random())
        font = ImageFont.truetype(str(rng.choice(fonts())), size)
        words = ["".join(rng.choice(list(LETTERS), int(rng.integers(1, 9)))) for _ in range(int(rng.integers(1, 5)))]
        at = (int(rng.integers(-size, image.width)), int(rng.integers(-size, image.height)))
        dark, light = (tuple(int(v) for v in rng.integers(low, low + 90, 3)) for low in (0, 165))
        ink, paper = (dark, light) if rng.random() < 0.5 else (light, dark)
        if rng.random() < 0.6:
            left, top, right, bottom = draw.textbbox(at, " ".join(words), font=font)
            draw.rectangle((left - 4, top - 4, right + 4, bottom + 4), fill=paper)
        draw.text(at, " ".join(words), fill=ink, font=font)
    return image
