"""A sheet of pictures side by side: original, AVIF and .sdz at the same number of bytes.

    python tools/bench/compare_sheet.py -o sheet.png [--crop X,Y,W,H] [--scale 2] [--quality 50] PHOTO ...

One row per photo. AVIF takes the highest quality whose file is not larger than the .sdz (or its smallest file, which
the caption then says). Without photos it takes scikit-image's astronaut; a name that is no file is one of its samples.
"""

from __future__ import annotations

import io
from pathlib import Path

import click
from PIL import Image, ImageDraw, ImageFont

import pillow_sdz  # noqa: F401  registers the format

CAPTION = 22


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def avif_not_above(image: Image.Image, size: int) -> bytes:
    """The AVIF of the highest quality that takes at most ``size`` bytes, or the smallest there is."""
    low, high, best = 0, 100, saved(image, "AVIF", quality=0, speed=4)
    while low <= high:
        middle = (low + high) // 2
        data = saved(image, "AVIF", quality=middle, speed=4)
        if len(data) <= size:
            best, low = data, middle + 1
        else:
            high = middle - 1
    return best


def decoded(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def photo(name: str) -> Image.Image:
    if Path(name).is_file():
        with Image.open(name) as image:
            return image.convert("RGB")
    import skimage.data

    return Image.fromarray(getattr(skimage.data, name)()).convert("RGB")


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.argument("photos", nargs=-1)
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--crop", multiple=True, help="X,Y,WIDTH,HEIGHT to show of each photo; once, or once per photo")
@click.option("--scale", default=1, show_default=True, help="enlarge the crops by this whole number")
@click.option("--quality", default=50, show_default=True, help="quality of the .sdz")
def main(photos: tuple[str, ...], output: Path, crop: tuple[str, ...], scale: int, quality: int) -> None:
    rows = []
    for index, name in enumerate(photos or ("astronaut",)):
        image = photo(name)
        sdz = saved(image, "SDZ", quality=quality)
        avif = avif_not_above(image, len(sdz))
        box = (0, 0, *image.size)
        if crop:
            x, y, width, height = map(int, crop[min(index, len(crop) - 1)].split(","))
            box = (x, y, x + width, y + height)
        pieces = {
            "original": image,
            f"AVIF, {len(avif):,} bytes": decoded(avif),
            f".sdz, {len(sdz):,} bytes": decoded(sdz),
        }
        rows.append(
            {
                label: piece.crop(box).resize(
                    ((box[2] - box[0]) * scale, (box[3] - box[1]) * scale), Image.Resampling.NEAREST
                )
                for label, piece in pieces.items()
            }
        )
    width = max(sum(piece.width for piece in row.values()) for row in rows)
    sheet = Image.new(
        "RGB", (width, sum(max(piece.height for piece in row.values()) + CAPTION for row in rows)), "white"
    )
    draw, font, y = ImageDraw.Draw(sheet), ImageFont.load_default(15), 0
    for row in rows:
        x = 0
        for label, piece in row.items():
            draw.text((x + 4, y + 2), label, "black", font)
            sheet.paste(piece, (x, y + CAPTION))
            x += piece.width
        y += CAPTION + max(piece.height for piece in row.values())
    output.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(output, **({"quality": 88, "method": 6} if output.suffix == ".webp" else {}))
    click.echo(f"{output}: {sheet.width}x{sheet.height}")


if __name__ == "__main__":
    main()
