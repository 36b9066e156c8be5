"""Details that people mind: how many rendered words can still be read, and how close regular structures come.

    python tools/bench/details.py [--save KEY=VALUE ...] [--bytes-of OTHER.json] [--keep FOLDER] [-o RESULT.json]

Builds a fixed set: 200 English words, 50 each of 12, 16, 20 and 28 pixels, on pieces of scikit-image's photos; and 20
lattices (windows, pickets, tiles, weave and stripes), rendered in perspective. Saves each as .sdz and decodes it.
tesseract (Debian's tesseract-ocr), which is told where the words are, reads them: the share of wrong characters is the
edit distance over the length, at most 1. Lattices are scored by SSIMULACRA2. With --bytes-of, each picture is saved
with a target size: the bytes it took in an earlier result, so that two encoders are compared at equal bytes.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click
import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

from pillow_sdz.evaluation.codecs import decoded, saved
from pillow_sdz.evaluation.metrics import available
from tools.bench.photos import sample
from tools.train.text import fonts

if TYPE_CHECKING:
    from collections.abc import Iterator

# fmt: off
WORDS: Final = (
    "about", "after", "again", "beach", "black", "board", "bread", "bridge", "bright", "broken", "brown",
    "building", "camera", "candle", "carbon", "castle", "center", "change", "church", "circle", "coffee", "copper",
    "corner", "cotton", "dinner", "doctor", "dollar", "double", "engine", "family", "famous", "farmer", "father",
    "filter", "finger", "flower", "forest", "frozen", "garden", "golden", "ground", "hammer", "harbor", "island",
    "jacket", "kitchen", "ladder", "market", "mirror", "ticket",
)
# fmt: on
"""Fifty words, one for each picture of a size."""

SIZES: Final = (12, 16, 20, 28)
"""Heights of the font in pixels."""

PHOTOS: Final = ("astronaut", "coffee", "chelsea", "rocket")
"""Photos of scikit-image whose pieces are backgrounds."""

WIDTH, HEIGHT = 256, 96
"""Size in pixels of a picture with a word."""

LATTICE: Final = 256
"""Side in pixels of a lattice."""

ENLARGED: Final = 4
"""By how much words are enlarged for tesseract, which was made for scans of 300 dots an inch."""


class Word(NamedTuple):
    """A word on a panel of one colour, on a piece of a photo.

    Attributes:
        text: the word.
        size: height of the font in pixels.
        picture: RGB, `WIDTH` x `HEIGHT` pixels.
        box: (left, top, right, bottom) of the panel.
        inverted: whether the ink is lighter than the panel.
    """

    text: str
    size: int
    picture: Image.Image
    box: tuple[int, int, int, int]
    inverted: bool

    def wrong_characters(self, picture: Image.Image) -> float:
        """The share of characters that tesseract reads wrong in another version of the picture, at most 1."""
        return min(1, levenshtein(read(picture.crop(self.box), self.inverted), self.text) / len(self.text))


def words() -> Iterator[Word]:
    """The pictures with words."""
    path = next(font for font in fonts() if font.endswith("DejaVuSans.ttf"))
    backgrounds = [sample(name) for name in PHOTOS]
    rng = np.random.default_rng(7)
    for size in SIZES:
        font = ImageFont.truetype(path, size)
        for word in WORDS:
            photo = backgrounds[int(rng.integers(len(backgrounds)))]
            x, y = (int(rng.integers(length - side)) for length, side in zip(photo.size, (WIDTH, HEIGHT), strict=True))
            picture = photo.crop((x, y, x + WIDTH, y + HEIGHT))
            draw = ImageDraw.Draw(picture)
            left, top, right, bottom = draw.textbbox((0, 0), word, font=font)
            at = (int(rng.integers(8, WIDTH - int(right) - 8)), int(rng.integers(8, HEIGHT - int(bottom) - 8)))
            dark = tuple(int(v) for v in rng.integers(0, 70, 3))
            light = tuple(int(v) for v in rng.integers(190, 256, 3))
            ink, paper = (dark, light) if rng.random() < 0.5 else (light, dark)
            box = (at[0] + int(left) - 5, at[1] + int(top) - 4, at[0] + int(right) + 5, at[1] + int(bottom) + 4)
            draw.rectangle(box, fill=paper)
            draw.text(at, word, fill=ink, font=font)
            yield Word(word, size, picture, box, inverted=paper == dark)


def lattices() -> Iterator[tuple[str, Image.Image]]:
    """The lattices: (name, picture)."""
    rng = np.random.default_rng(11)
    for kind in ("windows", "pickets", "tiles", "weave", "stripes"):
        for number in range(4):
            period = (9, 12, 16, 22)[number]
            yield f"{kind} of {period} pixels", _in_perspective(_pattern(kind, period, rng), rng)


def _pattern(kind: str, period: int, rng: np.random.Generator) -> Image.Image:
    """A regular structure, twice as large as the lattice and four times as fine."""
    scale, side = 4, 2 * LATTICE * 2
    y, x = np.mgrid[0:side, 0:side] / (scale / 2) % period / period
    row = np.mgrid[0:side, 0:side][0] / (scale / 2) // period
    masks = {
        "windows": (abs(x - 0.5) < 0.27) & (abs(y - 0.5) < 0.33),
        "pickets": abs(x - 0.5) < 0.3,
        "tiles": (y < 0.18) | (abs((x + row % 2 / 2) % 1 - 0.5) < 0.06),
        "weave": (abs(x - 0.5) < 0.25) ^ (abs(y - 0.5) < 0.25),
        "stripes": (x + y) % 1 < 0.5,
    }
    dark, light = rng.integers(20, 110, 3), rng.integers(150, 245, 3)
    shade = np.linspace(0.8, 1.1, side)[:, None, None] + rng.normal(0, 0.02, (side, side, 1))
    return Image.fromarray((np.where(masks[kind][..., None], dark, light) * shade).clip(0, 255).astype(np.uint8))


def _in_perspective(pattern: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The middle of a pattern as a plane that is turned away a little, reduced with antialiasing."""
    turn = [float(v) for v in rng.uniform(-0.0002, 0.0002, 2)]
    slant = [float(v) for v in rng.uniform(-0.12, 0.12, 2)]
    data = (1.0, slant[0], 100.0, slant[1], 1.0, 100.0, turn[0], turn[1])
    turned = pattern.transform((2 * LATTICE, 2 * LATTICE), Image.Transform.PERSPECTIVE, data, Image.Resampling.BICUBIC)
    return turned.resize((LATTICE, LATTICE), Image.Resampling.LANCZOS)


def read(panel: Image.Image, inverted: bool) -> str:
    """The letters that tesseract reads on a panel, in lower case; it is told that there is one word."""
    grey = panel.convert("L").resize((panel.width * ENLARGED, panel.height * ENLARGED), Image.Resampling.BICUBIC)
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        (ImageOps.invert(grey) if inverted else grey).save(file.name)
        command = ["tesseract", file.name, "-", "--psm", "8", "-l", "eng"]
        process = subprocess.run(command, check=True, capture_output=True, text=True)
    return "".join(filter(str.isalpha, process.stdout.lower()))


def levenshtein(a: str, b: str) -> int:
    """Fewest insertions, deletions and replacements that make one text into the other."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def store(picture: Image.Image, options: dict[str, Any], limit: int | None) -> tuple[int, Image.Image]:
    """Bytes of the file, and the decoded picture."""
    data = saved(picture, "SDZ", **(options if limit is None else options | {"target_size": limit}))
    return len(data), decoded(data).convert("RGB")


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.option("--save", multiple=True, metavar="KEY=VALUE", help="an option of Image.save; repeat for more")
@click.option("--bytes-of", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="an earlier result")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="write the decoded pictures here")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="write the result as JSON")
def main(save: tuple[str, ...], bytes_of: Path | None, keep: Path | None, output: Path | None) -> None:
    """The command; its help is the module's docstring."""
    if shutil.which("tesseract") is None:
        raise click.ClickException("tesseract is not installed; on Debian: apt install tesseract-ocr")
    (metric,), _ = available(["SSIMULACRA2"])
    options = {key: json.loads(value) for key, _, value in (each.partition("=") for each in save)}
    before = json.loads(bytes_of.read_text())["bytes"] if bytes_of else {}
    errors: dict[int, list[float]] = {size: [] for size in SIZES}
    originals: list[float] = []
    sizes: dict[str, int] = {}
    scores: dict[str, float] = {}
    if keep:
        keep.mkdir(parents=True, exist_ok=True)

    def stored(name: str, picture: Image.Image) -> Image.Image:
        sizes[name], result = store(picture, options, before.get(name))
        if keep:
            result.save(keep / f"{name}.png")
        return result

    for word in words():
        found = stored(f"{word.text} {word.size}", word.picture)
        errors[word.size].append(word.wrong_characters(found))
        originals.append(word.wrong_characters(word.picture))
    for name, picture in lattices():
        scores[name] = float(metric.measure(picture, stored(name, picture)) or 0)
    result = {
        "wrong characters": {str(size): float(np.mean(values)) for size, values in errors.items()},
        "wrong characters, all": float(np.mean([value for values in errors.values() for value in values])),
        "wrong characters in the originals": float(np.mean(originals)),
        "lattices, mean SSIMULACRA2": float(np.mean(list(scores.values()))),
        "lattices": scores,
        "mean bytes": float(np.mean(list(sizes.values()))),
        "bytes": sizes,
    }
    if output:
        output.write_text(json.dumps(result, indent=1) + "\n")
    for name, value in result.items():
        if name not in ("bytes", "lattices"):
            click.echo(f"{name}: {value}")


if __name__ == "__main__":
    main()
