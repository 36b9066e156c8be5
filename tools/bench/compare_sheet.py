"""A sheet of pictures side by side: original, AVIF and .sdz at the same number of bytes.

    python tools/bench/compare_sheet.py -o sheet.png [--crop X,Y,W,H] [--scale 2] [--quality 50] PHOTO ...

One row per photo. The other formats (--formats, AVIF by default) take the highest quality whose file is not larger than
the .sdz; where there is none, their smallest file, and the caption says how much larger it is. Without photos it takes
scikit-image's astronaut; a name that is no file is one of its samples. `rate_quality.py` makes such sheets of a whole
folder.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

from pillow_sdz.evaluation.codecs import Codec, available, decoded, largest_not_above
from pillow_sdz.evaluation.sheet import Pieces, sheet
from tools.bench.photos import plain, sample

if TYPE_CHECKING:
    from collections.abc import Sequence


def at_equal_bytes(image: Image.Image, sdz: Codec, others: Sequence[Codec], quality: int) -> Pieces:
    """The original, the .sdz, and each other codec at the highest quality whose file is not larger than the .sdz.

    Args:
        image: RGB.
        sdz: the codec of .sdz.
        others: the other codecs.
        quality: of the .sdz.

    Returns:
        Caption (format, bits per pixel, bytes) -> picture. The caption of a file that is larger than the .sdz even at
        its lowest quality says so.
    """
    data = sdz.encode(image, quality)
    pieces = {"original": image, _caption(sdz.label, data, image): decoded(data)}
    for codec in others:
        file = largest_not_above(codec, image, len(data)).data
        more = f", {len(file) / len(data):.1f} x the bytes" if len(file) > len(data) else ""
        pieces[_caption(codec.label, file, image) + more] = decoded(file)
    return pieces


def _caption(label: str, data: bytes, image: Image.Image) -> str:
    return f"{label}, {8 * len(data) / (image.width * image.height):.3f} bpp, {len(data):,} bytes"


def cropped(pieces: Pieces, box: tuple[int, int, int, int], scale: int = 1) -> Pieces:
    """A part of each piece, enlarged by a whole number without smoothing.

    Args:
        pieces: caption -> picture.
        box: left, top, right and bottom in pixels.
        scale: the whole number.
    """
    size = ((box[2] - box[0]) * scale, (box[3] - box[1]) * scale)
    return {label: piece.crop(box).resize(size, Image.Resampling.NEAREST) for label, piece in pieces.items()}


def wrapped(pieces: Pieces) -> list[Pieces]:
    """Rows of two for wide pictures, one row for tall ones."""
    items = list(pieces.items())
    width, height = items[0][1].size
    columns = 2 if width >= height else len(items)
    return [dict(items[start : start + columns]) for start in range(0, len(items), columns)]


def write(image: Image.Image, path: Path) -> None:
    """Save a sheet; WebP at a quality that hides few differences between its pieces."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {"quality": 88, "method": 6} if path.suffix == ".webp" else {}
    image.save(path, **options)


def photo(name: str) -> Image.Image:
    """The picture in a file, or scikit-image's sample of that name, RGB."""
    if Path(name).is_file():
        with Image.open(name) as image:
            return plain(image)
    return sample(name)


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.argument("photos", nargs=-1)
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--crop", multiple=True, help="X,Y,WIDTH,HEIGHT to show of each photo; once, or once per photo")
@click.option("--scale", default=1, show_default=True, help="enlarge the crops by this whole number")
@click.option("--quality", default=50, show_default=True, help="quality of the .sdz")
@click.option("--formats", default="avif", show_default=True, help="formats to compare with, separated by commas")
def main(photos: tuple[str, ...], output: Path, crop: tuple[str, ...], scale: int, quality: int, formats: str) -> None:
    """The command; its help is the module's docstring."""
    try:
        (sdz, *others), skipped = available(formats.split(","))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--formats") from error
    for reason in skipped:
        click.echo(reason, err=True)
    rows = []
    for index, name in enumerate(photos or ("astronaut",)):
        image = photo(name)
        box = (0, 0, *image.size)
        if crop:
            x, y, width, height = map(int, crop[min(index, len(crop) - 1)].split(","))
            box = (x, y, x + width, y + height)
        rows.append(cropped(at_equal_bytes(image, sdz, others, quality), box, scale))
    whole = sheet(rows)
    write(whole, output)
    click.echo(f"{output}: {whole.width}x{whole.height}")


if __name__ == "__main__":
    main()
