"""Write golden files for the tests, once: an existing one is never written again.

    python tools/make_vectors.py

Each folder of tests/vectors/v0/, v0-tiny-8/ and v0-pixels/ holds file.sdz, codes.npy (the codes that it must always
decode to) and expected.json (what its headers say); with patches also patched.npy, the patches blended over grey. A new
format version gets a new folder beside v0; old files stay readable. v0 has files of models that were never released,
written with the defaults of their time; v0-tiny-8 has files of tiny-8, and v0-pixels files that need no model.
"""

from __future__ import annotations

import dataclasses
import io
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import skimage.data
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).parents[1]))  # where a script finds the packages pillow_sdz and tools

import pillow_sdz  # noqa: F401  registers the format
from pillow_sdz.codec.file import read
from pillow_sdz.codec.measure import error_sections, measure, shares_of
from pillow_sdz.codec.patching import blend, encode_patches
from pillow_sdz.codec.pixels import container_of
from pillow_sdz.container.header import VERSION
from pillow_sdz.container.metadata import Metadata
from pillow_sdz.container.patches import Rectangle
from pillow_sdz.container.sections import build, parse
from pillow_sdz.payloads.pixels.payload import PixelsPlan, encode_pixels
from pillow_sdz.plugin.colour.build import profile_of
from pillow_sdz.plugin.pixels import to_picture
from tools.bench.camera_metadata import camera_exif, editor_xmp

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

VECTORS = Path(__file__).parent.parent / "tests" / "vectors"
SHIPPED = "tiny-8"
INFO = (
    "model", "fingerprint", "payload", "colors", "step", "layers", "steps", "noise", "colour_space", "patches", "psnr",
    "ms_ssim", "ssimulacra2", "synthesised", "whole",
)  # fmt: skip

GREY = 128
"""The level of the picture that patches are blended over for ``patched.npy``."""


def coffee_photo() -> Image.Image:
    """A photo that scikit-image ships, 600x400."""
    pixels: NDArray[np.uint8] = skimage.data.coffee()
    return Image.fromarray(pixels)


def samples() -> dict[str, tuple[Image.Image, dict[str, Any]]]:
    """Name -> picture and options: every payload, coding and section at least once."""
    coffee = coffee_photo().resize((150, 100), Image.Resampling.LANCZOS)
    alpha = Image.radial_gradient("L").resize(coffee.size)
    rgba = coffee.copy()
    rgba.putalpha(alpha)
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    return {
        "default": (coffee, {"colors": 82}),
        "small_palette": (coffee, {"colors": 5, "effort": 0}),
        "fast": (coffee, {"colors": 64, "effort": 1}),
        "two_layers": (coffee, {"colors": (24, 9)}),
        "three_layers": (coffee, {"colors": (16, 8, 4), "effort": 9}),
        "direct": (coffee, {"payload": "direct"}),
        "rgba_with_metadata": (
            rgba,
            {"colors": 82, "text": {"Title": "Coffee \u2615"}, "xmp": xmp, "icc_profile": bytes(range(200))},
        ),
        "grey": (coffee.convert("L"), {"colors": 13, "denoise_steps": 3}),
        "grey_alpha": (rgba.convert("LA"), {"colors": (82, 4)}),
        "one_pixel": (coffee.crop((0, 0, 1, 1)), {"payload": "direct"}),
        "wide": (coffee.crop((0, 50, 150, 51)), {"colors": 6}),
        "scalar": (coffee, {}),
        "scalar_fine": (coffee, {"step": 4.0}),
        "scalar_coarse": (rgba, {"step": 128.0, "text": {"Title": "Coffee \u2615"}}),
        "scalar_one_pixel": (coffee.crop((0, 0, 1, 1)), {}),
        "scalar_wide": (coffee.crop((0, 50, 150, 51)).convert("L"), {"quality": 20}),
    }


def shipped_samples() -> dict[str, tuple[Image.Image, dict[str, Any]]]:
    """Name -> picture and options: small files of the shipped model, the first by its defaults."""
    coffee = coffee_photo().crop((180, 60, 480, 310))
    small = coffee.resize((48, 40), Image.Resampling.LANCZOS)
    rgba = small.copy()
    rgba.putalpha(Image.radial_gradient("L").resize(small.size).point(lambda level: level // 32 * 36))
    metadata = {
        "text": {"Title": "Coffee \u2615", "Author": "nobody"},
        "xmp": b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>",
        "icc_profile": bytes(16) + b"RGB " + bytes(range(60)),
        "exif": b"II*\0\x08\0\0\0\0\0\0\0\0\0",
    }
    camera, scan = small.copy(), small.convert("L")
    camera.info |= {"icc_profile": profile_of("Display P3"), "exif": camera_exif(), "xmp": editor_xmp()}
    scan.info["icc_profile"] = profile_of("grey gamma 2.2")
    return {
        "camera": (camera, {}),
        "grey_space": (scan, {}),
        "default": (small, {}),
        "default_larger": (coffee.resize((96, 64), Image.Resampling.LANCZOS), {}),
        "low_quality": (small, {"quality": 5}),
        "high_quality": (small, {"quality": 95}),
        "layers": (coffee.resize((192, 128), Image.Resampling.LANCZOS), {"step": 1.0}),
        "palette": (small, {"colors": 64}),
        "palette_coded": (coffee.resize((160, 128), Image.Resampling.LANCZOS), {"colors": 24}),
        "two_palettes": (coffee.resize((96, 64), Image.Resampling.LANCZOS), {"colors": (12, 6)}),
        "direct": (small, {"payload": "direct"}),
        "alpha": (rgba, {}),
        "grey": (small.convert("L"), {}),
        "grey_alpha_palette": (rgba.convert("LA"), {"colors": 9, "denoise_steps": 3}),
        "metadata": (small, metadata),
        "one_pixel": (small.crop((20, 20, 21, 21)), {}),
        "one_pixel_direct": (small.crop((20, 20, 21, 21)), {"quality": 100}),
    }


def sign(width: int, height: int) -> Image.Image:
    """A photo with letters on it."""
    picture = coffee_photo().crop((180, 60, 480, 310)).resize((width, height), Image.Resampling.LANCZOS)
    ImageDraw.Draw(picture).text((4, 9), "SDZ 14255", fill=(255, 255, 255), stroke_width=1, stroke_fill=(150, 0, 0))
    return picture


def pixel_samples() -> dict[str, tuple[Image.Image, PixelsPlan]]:
    """Name -> picture and plan: every coding and every subsampling."""
    picture = sign(70, 53)
    rgba = picture.copy()
    rgba.putalpha(Image.radial_gradient("L").resize(picture.size).point(lambda level: level // 32 * 36))
    return {
        "av1": (picture, PixelsPlan("av1", 60)),
        "av1_fine": (picture, PixelsPlan("av1", 85, "4:4:4")),
        "av1_grey": (picture.convert("L"), PixelsPlan("av1", 60)),
        "vp8": (picture, PixelsPlan("vp8", 60)),
        "vp8l": (rgba, PixelsPlan("vp8l", 100)),
    }


def patched_samples() -> dict[str, tuple[Image.Image, list[Rectangle], str]]:
    """Name -> picture, patches and their coding; the pictures' last cells are not whole."""
    letters = [Rectangle(0, 1, 5, 2), Rectangle(5, 1, 3, 1), Rectangle(7, 5, 2, 2), Rectangle(1, 4, 1, 1)]
    return {"patches": (sign(70, 53), letters, "vp8l"), "patches_av1": (sign(70, 53), letters[:2], "av1")}


def of_pixels(image: Image.Image, plan: PixelsPlan) -> bytes:
    """The bytes of a file with a payload of pixels."""
    picture = to_picture(image)
    body = encode_pixels(picture.rgb, plan)
    return build(container_of(picture, body, None, Metadata()))


def with_patches(image: Image.Image, rectangles: list[Rectangle], coding: str) -> bytes:
    """The bytes of a file with a scalar payload and patches."""
    out = io.BytesIO()
    image.save(out, "SDZ", model=SHIPPED, quality=30, guard=False)
    container = parse(out.getvalue())
    header = dataclasses.replace(container.header, patched=True)
    body = encode_patches(np.asarray(image), rectangles, coding, 70)
    return build(dataclasses.replace(container, header=header, patches=body))


def error_samples() -> dict[str, tuple[Image.Image, dict[str, Any]]]:
    """Name -> picture and options of files with their error: one large enough for MS-SSIM, one too small for it."""
    return {
        "error": (sign(200, 170), {"rectangles": [Rectangle(0, 1, 9, 2)], "ssimulacra2": True}),
        "error_small": (sign(70, 53).convert("L"), {"payload": "direct"}),
    }


def with_error(
    image: Image.Image, *, rectangles: list[Rectangle] | None = None, ssimulacra2: bool = False, **options: Any
) -> bytes:
    """The bytes of a file that says how far its picture is from the original, and where."""
    if rectangles:
        data = with_patches(image, rectangles, "vp8l")
    else:
        out = io.BytesIO()
        image.save(out, "SDZ", model=SHIPPED, guard=False, **options)
        data = out.getvalue()
    with Image.open(io.BytesIO(data)) as opened:
        decoded = np.array(opened.convert("RGB"))
    file = read(data)
    pixels = np.array(image.convert("RGB"))
    found = measure(pixels, decoded, grey=image.mode == "L", ssimulacra2=ssimulacra2)
    error, error_map = error_sections(found, shares_of(file.header, file.patches), error_map=True)
    return build(dataclasses.replace(file.container, error=error, error_map=error_map))


def write(folder: Path, image: Image.Image, options: dict[str, Any]) -> None:
    """Save a picture with its codes and what its headers say, unless that was done before."""

    def saved() -> bytes:
        out = io.BytesIO()
        image.save(out, "SDZ", **options)
        return out.getvalue()

    write_file(folder, saved)


def write_file(folder: Path, make: Callable[[], bytes]) -> None:
    """Write a file with its codes, what its headers say, its patches and error map, unless that was done before."""
    name = f"{folder.parent.name}/{folder.name}"
    if folder.exists():
        click.echo(f"{name}: kept")
        return
    folder.mkdir(parents=True)
    data = make()
    (folder / "file.sdz").write_bytes(data)
    file = read(data)
    np.save(folder / "codes.npy", file.codes())
    if file.patches is not None:
        grey = np.full((file.header.height, file.header.width, 3), GREY, np.uint8)
        blend(grey, file.patches)
        np.save(folder / "patched.npy", grey)
    if (levels := file.error_map()) is not None:
        np.save(folder / "error_map.npy", levels)
    with Image.open(folder / "file.sdz") as opened:
        expected = {key: opened.info[key] for key in INFO if key in opened.info} | {
            "size": opened.size,
            "mode": opened.mode,
        }
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    click.echo(f"{name}: {len(data)} bytes")


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
def main() -> None:
    """The command; its help is the module's docstring."""
    for name, (image, options) in samples().items():
        write(VECTORS / f"v{VERSION}" / name, image, options)
    for name, (image, options) in shipped_samples().items():
        # the default must be written without naming the model, by whichever is shipped
        named = options if name == "default" else {"model": SHIPPED, **options}
        write(VECTORS / f"v{VERSION}-{SHIPPED}" / name, image, named)
    for name, (image, plan) in pixel_samples().items():
        write_file(VECTORS / f"v{VERSION}-{plan.kind}" / name, partial(of_pixels, image, plan))
    for name, (image, rectangles, coding) in patched_samples().items():
        write_file(VECTORS / f"v{VERSION}-{SHIPPED}" / name, partial(with_patches, image, rectangles, coding))
    for name, (image, how) in error_samples().items():
        write_file(VECTORS / f"v{VERSION}-{SHIPPED}" / name, partial(with_error, image, **how))


if __name__ == "__main__":
    main()
