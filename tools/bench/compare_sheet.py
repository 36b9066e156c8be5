"""A sheet of pictures side by side: original, AVIF and .sdz at the same number of bytes.

    python tools/bench/compare_sheet.py -o sheet.png [--crop X,Y,W,H] [--scale 2] [--quality 50] PHOTO ...

One row per photo. The other formats (--formats, AVIF by default) take the highest quality whose file is not larger than
the .sdz (or their smallest file, which the caption then says). Without photos it takes scikit-image's astronaut; a name
that is no file is one of its samples. `rate_quality.py` makes such sheets of a whole folder.
"""

from __future__ import annotations

from pathlib import Path

import click
from PIL import Image

from photos import plain
from pillow_sdz.evaluation.codecs import available
from sheets import cropped, equal_bytes, sheet, write


def photo(name: str) -> Image.Image:
    if Path(name).is_file():
        with Image.open(name) as image:
            return plain(image)
    import skimage.data

    return plain(Image.fromarray(getattr(skimage.data, name)()))


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.argument("photos", nargs=-1)
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--crop", multiple=True, help="X,Y,WIDTH,HEIGHT to show of each photo; once, or once per photo")
@click.option("--scale", default=1, show_default=True, help="enlarge the crops by this whole number")
@click.option("--quality", default=50, show_default=True, help="quality of the .sdz")
@click.option("--formats", default="avif", show_default=True, help="formats to compare with, separated by commas")
def main(photos: tuple[str, ...], output: Path, crop: tuple[str, ...], scale: int, quality: int, formats: str) -> None:
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
        rows.append(cropped(equal_bytes(image, sdz, others, quality), box, scale))
    whole = sheet(rows)
    write(whole, output)
    click.echo(f"{output}: {whole.width}x{whole.height}")


if __name__ == "__main__":
    main()
