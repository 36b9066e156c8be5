"""The preview behind draft and Image.thumbnail: right sizes, right box, no model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import toy_model
from in_memory import assert_pixels, opened
from PIL import Image
from toy_files import file_of

from pillow_sdz.errors import SdzDependencyError
from pillow_sdz.payloads.preview_matrix import preview

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL import ImageFile
    from toy_model import Toy


@pytest.fixture(autouse=True)
def no_decoding(toy: Toy) -> None:
    toy.failure = AssertionError("the picture was decoded in full")


def picture(
    width: int, height: int, alpha: NDArray[np.uint8] | None = None, mode: str = "RGB", *, preview: bool = True
) -> ImageFile.ImageFile:
    return opened(file_of(toy_model.blocks(width, height), alpha, mode, preview=preview))


def test_draft() -> None:
    image = picture(333, 200)
    codes = toy_model.codes_of(toy_model.blocks(333, 200))
    assert image.draft(None, (40, 50)) == ("RGB", (0, 0, 333 / 8, 25.0))
    assert image.size == (42, 25)
    assert np.array_equal(np.asarray(image), preview(codes, toy_model.MATRIX))
    assert image.draft(None, (10, 10)) is None  # loaded


@pytest.mark.parametrize(("stride", "size"), [(2, (21, 13)), (4, (11, 7)), (8, (6, 4))])
def test_smaller_drafts_are_means_of_the_preview(stride: int, size: tuple[int, int]) -> None:
    image = picture(333, 200)
    codes = toy_model.codes_of(toy_model.blocks(333, 200))
    assert image.draft(None, size) == ("RGB", (0, 0, 333 / (8 * stride), 200 / (8 * stride)))
    assert image.size == size
    assert_pixels(image, Image.fromarray(preview(codes, toy_model.MATRIX)).reduce(stride))


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ((65, 65), 512), ((64, 64), 64), ((65, 64), 64), ((64, 1000), 64), ((33, 33), 64), ((32, 32), 32),
        ((17, 17), 32), ((16, 16), 16), ((9, 9), 16), ((8, 8), 8), ((1, 1), 8), ((0, 5), 512),
    ],
)  # fmt: skip
def test_draft_gives_at_least_what_is_asked(asked: tuple[int, int], given: int) -> None:
    image = picture(512, 512)
    assert (image.draft("RGB", asked) is not None) == (given < 512)
    assert image.size == (given, given)


def test_of_drafts_of_the_same_size_the_finest_is_taken() -> None:
    image = picture(40, 3)
    assert image.draft(None, (3, 1)) == ("RGB", (0, 0, 2.5, 3 / 16))
    image = picture(7, 3)
    assert image.draft(None, (1, 1)) == ("RGB", (0, 0, 7 / 8, 3 / 8))


def test_draft_once() -> None:
    image = picture(64, 64)
    assert image.draft(None, (8, 8))
    assert image.draft(None, (1, 1)) is None
    assert image.size == (8, 8)


def test_nothing_to_do() -> None:
    assert picture(64, 64).draft("L", None) is None
    assert picture(64, 64, preview=False).draft(None, (8, 8)) is None


@pytest.mark.parametrize("size", [(512, 512), (333, 200), (1000, 3), (17, 900), (65, 64), (8, 8), (1, 1)])
@pytest.mark.parametrize("box", [(64, 64), (40, 10), (3, 60), (1, 1)])
def test_thumbnail_sizes(size: tuple[int, int], box: tuple[int, int], toy: Toy) -> None:
    toy.failure = None  # small pictures may be decoded in full
    image, plain = picture(*size), Image.new("RGB", size)
    image.thumbnail(box)
    plain.thumbnail(box)
    assert image.size == plain.size
    assert len(image.tobytes()) == 3 * image.width * image.height


def test_thumbnail_resembles_the_picture() -> None:
    gradient = np.linspace(0, 255, 640)[None, :, None] * np.array([1, 0.5, 0.2])
    rgb = np.broadcast_to(gradient, (480, 640, 3)).astype(np.uint8)
    image = opened(file_of(rgb))
    image.thumbnail((80, 80))
    expected = Image.fromarray(rgb)
    expected.thumbnail((80, 80))
    assert image.size == expected.size
    assert np.abs(np.asarray(image).astype(int) - np.asarray(expected)).max() <= 3


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA"])
def test_thumbnail_modes(mode: str) -> None:
    alpha = None
    if mode.endswith("A"):
        alpha = np.zeros((60, 100), np.uint8)
        alpha[:, 50:] = 255
    image = picture(100, 60, alpha, mode)
    image.thumbnail((12, 12))
    assert (image.mode, image.size) == (mode, (12, 7))
    if alpha is not None:
        values = np.asarray(image.getchannel("A"))
        assert (values[:, :5] < 10).all()
        assert (values[:, 7:] > 245).all()


def test_draft_averages_alpha_over_the_pixels_there_are() -> None:
    alpha = np.full((9, 9), 100, np.uint8)
    alpha[:8, :4] = 0
    image = picture(9, 9, alpha, "RGBA")
    image.draft(None, (2, 2))
    assert np.asarray(image.getchannel("A")).tolist() == [[50, 100], [100, 100]]


def test_pictures_smaller_than_the_thumbnail_stay() -> None:
    image = picture(40, 20)
    image.thumbnail((100, 100))
    assert image.size == (40, 20)


@pytest.mark.parametrize(("box", "drafted"), [((64, 64), 64), ((40, 50), 64), ((32, 32), 32), ((20, 20), 32)])
def test_thumbnails_are_made_from_the_smallest_preview_of_their_size(
    box: tuple[int, int], drafted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, resize = picture(512, 512), Image.Image.resize
    sizes: list[tuple[int, int]] = []

    def recorded(self: Image.Image, *arguments: Any, **keywords: Any) -> Image.Image:
        sizes.append(self.size)
        return resize(self, *arguments, **keywords)

    monkeypatch.setattr(Image.Image, "resize", recorded)
    image.thumbnail(box)
    assert image.size == (min(box), min(box))
    assert sizes == ([(drafted, drafted)] if drafted != min(box) else [])
    assert image.draft(None, (8, 8)) is None


def test_larger_thumbnails_need_the_picture(toy: Toy) -> None:
    toy.failure = SdzDependencyError("decoding needs torch")
    image = picture(512, 512)
    with pytest.raises(SdzDependencyError):
        image.thumbnail((65, 65))
    image.thumbnail((64, 64))
    assert image.size == (64, 64)


def test_thumbnails_without_a_reducing_gap_are_made_from_the_picture(toy: Toy) -> None:
    toy.failure = SdzDependencyError("decoding needs torch")
    with pytest.raises(SdzDependencyError):
        picture(512, 512).thumbnail((64, 64), reducing_gap=None)


@pytest.mark.parametrize("size", [(64, 64), (40, 40)])
def test_a_thumbnail_can_be_used_after_its_file_is_closed(size: tuple[int, int], tmp_path: Path) -> None:
    """Also where the preview has just that size, so that Pillow does not scale it."""
    path = tmp_path / "a.sdz"
    path.write_bytes(file_of(toy_model.blocks(512, 512)))
    with Image.open(path) as image:
        image.thumbnail(size)
    assert image.size == size
    assert len(image.tobytes()) == 3 * size[0] * size[1]


@pytest.mark.parametrize(("width", "height", "side"), [(65, 129, 9), (600, 400, 38), (1000, 520, 63), (341, 512, 64)])
def test_thumbnails_show_no_part_beyond_the_picture(width: int, height: int, side: int, toy: Toy) -> None:
    toy.failure = None  # small pictures are decoded in full
    ramp = np.linspace(0, 255, max(width, height)).astype(np.uint8)
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[:] = ramp[:width, None] if width > height else ramp[:height, None, None]
    true = Image.fromarray(rgb)
    true.thumbnail((side, side))
    image = opened(file_of(rgb))
    image.thumbnail((side, side))
    assert image.size == true.size
    error = np.asarray(image, float) - np.asarray(true)
    assert abs(error.mean()) < 6
