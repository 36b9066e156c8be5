"""What metadata and colour cost in a file, on photos as they are in life.

    python tools/bench/bench_metadata.py PHOTO_OR_FOLDER ...

1. The photos are saved as JPEG, 33 of every 41 with an sRGB profile: in turn that of LittleCMS and those of pictures in
   scikit-image. It prints the mean bytes that metadata and colour take in an SDZ file beside the picture itself.
2. A JPEG as cameras write it (EXIF with maker note and thumbnail, `tools.bench.camera_metadata`), without and with XMP
   of an editor, at each level of the option ``metadata``.

No network runs: the sections are made and measured, and every one of them is read again.
"""

from __future__ import annotations

import io
import sys
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import skimage
from PIL import Image, ImageCms, UnidentifiedImageError

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

from pillow_sdz.container.framing import section_bytes
from pillow_sdz.container.metadata import decode_metadata, encode_metadata
from pillow_sdz.options import METADATA_LEVELS
from pillow_sdz.plugin.metadata.edits import current_info
from pillow_sdz.plugin.metadata.levels import reduced
from pillow_sdz.plugin.save_keywords import save_options
from tools.bench.camera_metadata import camera_exif, editor_xmp
from tools.bench.photos import files, plain

if TYPE_CHECKING:
    from collections.abc import Iterable

PHOTOS: Final = 41
WITH_PROFILE: Final = 33
"""Of so many photos of a public set, so many carried an sRGB profile of 3,144 bytes."""

MOST: Final = {"mean of the photos": 40, "camera": 350}
"""Bytes that the level ``useful`` may cost."""


def srgb_profiles(folder: Path) -> list[bytes]:
    """The sRGB profile of LittleCMS, and those of the pictures in a folder that say in their description to be one."""
    found = [ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()]
    for path in files([folder]):
        try:
            with Image.open(path) as picture:
                profile = picture.info.get("icc_profile")
        except UnidentifiedImageError:  # some of them need other readers
            continue
        if profile and profile not in found and "sRGB" in _description(profile):
            found.append(profile)
    return found


def _description(profile: bytes) -> str:
    return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))


def as_jpeg(photo: Image.Image, **metadata: Any) -> Image.Image:
    """A photo saved as JPEG, with metadata, and opened."""
    stream = io.BytesIO()
    photo.save(stream, "JPEG", quality=90, **metadata)
    stream.seek(0)
    return Image.open(stream)


def cost(photo: Image.Image, level: str) -> dict[str, int]:
    """Bytes of each metadata section that saving an image of mode RGB as SDZ would write; empty ones are left out."""
    options, metadata = save_options({"metadata": level}, current_info(photo))
    kept = reduced(metadata, options.metadata, "RGB")
    bodies = encode_metadata(kept)
    if decode_metadata(bodies, kept.colour_space) != kept:
        raise AssertionError("metadata do not come back as they were")
    return {kind: section_bytes(len(body)) for kind, body in bodies.items()}


def report_photos(photos: list[Image.Image], profiles: list[bytes]) -> float:
    """Print what the profiles of the photos cost; returns the mean of the level ``useful`` in bytes."""
    chosen = cycle(profiles)
    # spread evenly: 33 of 41 with a profile
    with_profile = [(n + 1) * WITH_PROFILE // PHOTOS > n * WITH_PROFILE // PHOTOS for n in range(len(photos))]
    jpegs = [
        as_jpeg(photo, icc_profile=next(chosen) if has else None)
        for photo, has in zip(photos, with_profile, strict=True)
    ]
    sizes = ", ".join(f"{len(profile):,}" for profile in profiles)
    click.echo(f"{len(jpegs)} photos, {sum(with_profile)} with one of {len(profiles)} sRGB profiles ({sizes} bytes)")
    means = {level: sum(sum(cost(jpeg, level).values()) for jpeg in jpegs) / len(jpegs) for level in ("all", "useful")}
    click.echo(f"  metadata='all'     {means['all']:8.1f} bytes of metadata and colour, on average")
    click.echo(f"  metadata='useful'  {means['useful']:8.1f} bytes")
    return means["useful"]


def report_camera(photo: Image.Image, profile: bytes) -> int:
    """Print what a camera's and an editor's metadata cost; returns the bytes of the camera's, level ``useful``."""
    exif, xmp = camera_exif(), editor_xmp()
    for name, metadata in (("camera", {}), ("camera and editor", {"xmp": xmp})):
        jpeg = as_jpeg(photo, exif=b"Exif\0\0" + exif, icc_profile=profile, **metadata)
        raw = len(exif) + len(profile) + sum(map(len, metadata.values()))
        click.echo(f"{name}: {raw:,} bytes of metadata and colour in the JPEG")
        for level in METADATA_LEVELS:
            parts = cost(jpeg, level)
            listed = ", ".join(f"{kind} {size:,}" for kind, size in parts.items()) or "nothing"
            click.echo(f"  metadata={level!r:12} {sum(parts.values()):6,} bytes: {listed}")
    return sum(cost(as_jpeg(photo, exif=b"Exif\0\0" + exif, icc_profile=profile), "useful").values())


@click.command(help=__doc__)
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--count", default=PHOTOS, show_default=True, help="how many of the photos are taken, the first ones")
def main(paths: tuple[Path, ...], count: int) -> None:
    """The command; its help is the module's docstring."""
    photos = _opened(files(paths), count)
    if not photos:
        raise click.UsageError("there are no photos")
    profiles = srgb_profiles(Path(skimage.__file__).parent / "data")
    found = {"mean of the photos": report_photos(photos, profiles), "camera": report_camera(photos[0], profiles[-1])}
    missed = {name: value for name, value in found.items() if value > MOST[name]}
    for name, value in found.items():
        click.echo(f"{name}: {value:.1f} bytes, of at most {MOST[name]}{': MISSED' if name in missed else ''}")
    if missed:
        raise SystemExit(1)


def _opened(paths: Iterable[Path], count: int) -> list[Image.Image]:
    photos: list[Image.Image] = []
    for path in paths:
        if len(photos) == count:
            break
        with Image.open(path) as picture:
            photos.append(plain(picture))
    return photos


if __name__ == "__main__":
    main()
