"""Which pictures the benchmarks take, and how they read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench_samples import picture, write_pictures
from PIL import Image

from tools.bench import photos

if TYPE_CHECKING:
    from pathlib import Path


def test_pictures_come_in_order_upright_and_without_metadata(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "photos")
    names = [path.relative_to(folder).as_posix() for path in photos.files([folder])]
    assert names == ["b.png", "more/a.png", "tiny.png"]
    image, exif = picture(96, 64), Image.Exif()
    exif[0x0112] = 6  # turned
    image.save(folder / "turned.jpg", exif=exif, comment=b"hello")
    photo = photos.load(folder / "turned.jpg", folder, 48)
    assert (photo.name, photo.image.size, photo.image.info, photo.scaled) == ("turned.jpg", (32, 48), {}, True)
    assert not photos.load(folder / "b.png", folder, 96).scaled


def test_transparent_parts_become_white() -> None:
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    assert [photos.plain(image).getpixel((x, 0)) for x in (0, 1)] == [(255, 0, 0), (255, 255, 255)]
