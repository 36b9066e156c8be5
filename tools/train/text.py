"""Draws text on photos: photos alone have too little text for a model to learn sharp letters."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    import numpy as np

FOLDERS: Final = ("/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts", "C:/Windows/Fonts")
"""Where systems keep fonts."""

LETTERS: Final = "aaabcdeeeefghiijklmnnoopqrrssttuuvwxyzABCDEFGHIJKLMNOPRSTUVW0123456789.,:-&%"
"""Characters that words are drawn from; frequent letters stand several times."""

SIZES: Final = (9, 48)
"""Range of font sizes in pixels, log-uniform."""

MOST_LINES: Final = 8
PANEL_SHARE: Final = 0.6
"""A photo gets 1 to `MOST_LINES` lines of text, of which about `PANEL_SHARE` stand on a panel of one colour."""


@lru_cache(maxsize=1)
def fonts() -> tuple[str, ...]:
    """Paths of the system's TrueType fonts, and of those that matplotlib contains where it is installed."""
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
    """A copy of an RGB picture with lines of random words; the picture itself where no font is found."""
    if not fonts():
        return image
    image = image.copy()
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, MOST_LINES + 1))):
        size = int(SIZES[0] * (SIZES[1] / SIZES[0]) ** rng.random())
        font = ImageFont.truetype(str(rng.choice(fonts())), size)
        words = ["".join(rng.choice(list(LETTERS), int(rng.integers(1, 9)))) for _ in range(int(rng.integers(1, 5)))]
        at = (int(rng.integers(-size, image.width)), int(rng.integers(-size, image.height)))
        dark, light = (tuple(int(v) for v in rng.integers(low, low + 90, 3)) for low in (0, 165))
        ink, paper = (dark, light) if rng.random() < 0.5 else (light, dark)
        if rng.random() < PANEL_SHARE:
            left, top, right, bottom = draw.textbbox(at, " ".join(words), font=font)
            draw.rectangle((left - 4, top - 4, right + 4, bottom + 4), fill=paper)
        draw.text(at, " ".join(words), fill=ink, font=font)
    return image
