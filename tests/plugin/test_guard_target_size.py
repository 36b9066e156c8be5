"""``target_size`` with what the guard buys and with the stored error: it is never exceeded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import guard_samples
import pytest
import toy_scalar
from guard_samples import in_mode, page, photo
from in_memory import assert_pixels, opened, opened_sdz
from PIL import Image

from pillow_sdz.codec.file import read
from pillow_sdz.errors import SdzOptionError

if TYPE_CHECKING:
    from pathlib import Path

SIZES = (200, 300, 420, 600, 780, 900)


@pytest.fixture(autouse=True)
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy model with a prior, and the detector without weights."""
    toy_scalar.install_model(monkeypatch, tmp_path)
    guard_samples.install_detector(monkeypatch)


def fitted(image: Image.Image, size: int, **options: Any) -> bytes:
    data = toy_scalar.saved(image, target_size=size, **{"guard": True, **options}).getvalue()
    assert len(data) <= size
    return data


@pytest.mark.parametrize("error_map", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_a_photo_with_a_sign(size: int, *, error_map: bool) -> None:
    data = fitted(Image.fromarray(photo()), size, error_map=error_map)
    assert (read(data).error_map() is not None) == error_map
    image = opened(data)
    image.load()
    assert image.info["payload"] == "scalar"
    assert "psnr" in image.info


@pytest.mark.parametrize("error_map", [False, True])
@pytest.mark.parametrize("size", [*SIZES, 1500, 6000, 20_000])
def test_a_page_of_text(size: int, *, error_map: bool) -> None:
    data = fitted(Image.fromarray(page()), size, error_map=error_map)
    assert (read(data).error_map() is not None) == error_map
    opened(data).load()


def test_a_page_becomes_pixels_where_they_fit_and_uses_the_bytes() -> None:
    data = fitted(Image.fromarray(page()), 9000)
    assert opened(data).info["payload"] == "pixels"
    assert len(data) > 8000


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("whole", [False, True])
def test_alpha_and_metadata_are_counted(mode: str, *, whole: bool) -> None:
    image = in_mode(page() if whole else photo(), mode)
    text = {"Title": "a page of text", "Numbers": " ".join(map(str, range(500)))}
    needed = len(toy_scalar.saved(image, guard=False, quality=0, text=text).getvalue())
    for spare in (100, 500, 2000, 9000):
        again = opened(fitted(image, needed + spare, text=text, error_map=True))
        assert again.info["Title"] == "a page of text"
        assert_pixels(again.getchannel("A"), image.getchannel("A"))
    if whole:
        assert again.info["payload"] == "pixels"


def test_patches_come_off_where_they_leave_no_room() -> None:
    picture = Image.fromarray(photo())
    patches = [opened(fitted(picture, size)).info["patches"] for size in SIZES]
    assert patches[0] == 0
    assert patches[-1] > 0
    assert sorted(map(bool, patches)) == list(map(bool, patches))


def test_a_file_with_patches_is_complete_without_them() -> None:
    data = fitted(Image.fromarray(photo()), 900)
    assert opened(data).info["patches"]
    with_patches, without = opened_sdz(data), opened_sdz(data)
    without.patches = False
    assert with_patches.tobytes() != without.tobytes()


def test_the_error_comes_off_last_unless_it_is_asked_for() -> None:
    picture = Image.fromarray(photo())
    smallest = len(toy_scalar.saved(picture, guard=False, step=128).getvalue())
    assert "psnr" in opened(fitted(picture, smallest + 15)).info
    assert "psnr" not in opened(fitted(picture, smallest + 14)).info
    for asked in ({"error_map": True}, {"error": "ssimulacra2"}):
        with pytest.raises(SdzOptionError, match="target_size: the picture does not fit"):
            fitted(picture, smallest + 14, **asked)
    with pytest.raises(SdzOptionError, match="target_size: the picture does not fit"):
        fitted(picture, smallest - 20)


@pytest.mark.parametrize("size", SIZES)
def test_an_error_that_is_asked_for_is_counted_without_the_guard_too(size: int) -> None:
    data = fitted(Image.fromarray(photo()), size, guard=False, error_map=True)
    assert opened(data).info["patches"] == 0
    assert read(data).error_map() is not None


def test_more_bytes_are_used() -> None:
    picture = Image.fromarray(photo())
    for size in SIZES:
        assert len(fitted(picture, size)) > 0.8 * size


def test_a_map_alone() -> None:
    """Where the figures are not wanted, but the map is."""
    for size in (420, 900):
        file = read(fitted(Image.fromarray(photo()), size, error=False, error_map=True))
        assert (file.error() is None, file.error_map() is None) == (True, False)
