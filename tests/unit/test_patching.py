"""Cutting, packing and blending of patches, against the reference reader that goes pixel by pixel."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixel_samples import CODINGS, HEIGHT, RECTANGLES, WIDTH, base, letters, smooth
from reference_patches import blended, read_section, sheet_places

from pillow_sdz import limits
from pillow_sdz.codec import patching
from pillow_sdz.codec.patching import apply_patches, cut_sheet, decode_sheet, encode_patches
from pillow_sdz.container.patches import Patches, Rectangle, build_patches, layout, parse_patches
from pillow_sdz.errors import SdzFormatError, SdzLimitError
from pillow_sdz.payloads.pixels import streams


def slowly(rgb: np.ndarray, body: bytes) -> np.ndarray:
    """The picture with its patches, by the reference reader."""
    coding, sheet_width, boxes, stream = read_section(body)
    height = sheet_places(boxes, sheet_width)[1]
    sheet = streams.decode(coding, stream, 8 * sheet_width, 8 * height, "sheet")
    pixels = [[tuple(pixel) for pixel in row] for row in rgb.tolist()]
    sheet_pixels = [[tuple(pixel) for pixel in row] for row in sheet.tolist()]
    return np.array(blended(pixels, sheet_pixels, boxes, sheet_width), np.uint8)


def free_rectangles(numbers: list[tuple[int, int, int, int]], columns: int, rows: int) -> list[Rectangle]:
    """Those of some rectangles that are within a grid and overlap with none before."""
    taken, found = np.zeros((rows, columns), bool), []
    for x, y, width, height in numbers:
        place = slice(y, y + height), slice(x, x + width)
        if x + width <= columns and y + height <= rows and not taken[place].any():
            taken[place] = True
            found.append(Rectangle(x, y, width, height))
    return found


@pytest.mark.parametrize("coding", CODINGS)
def test_patches_are_blended_as_specified(coding: str) -> None:
    rgb = base()
    body = encode_patches(letters(), RECTANGLES, coding, 60)
    expected = slowly(rgb, body)
    apply_patches(rgb, body)
    np.testing.assert_array_equal(rgb, expected)
    assert (rgb != base()).any()


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5), st.integers(1, 4), st.integers(1, 4)), min_size=1),
    st.integers(17, 56),
    st.integers(9, 48),
)
def test_any_rectangles_are_blended_as_specified(
    numbers: list[tuple[int, int, int, int]], width: int, height: int
) -> None:
    rectangles = free_rectangles(numbers, -(-width // 8), -(-height // 8))
    if not rectangles:
        return
    rgb = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    body = encode_patches(letters(width, height), rectangles, "vp8l", 60, speed=10)
    expected = slowly(rgb, body)
    apply_patches(rgb, body)
    np.testing.assert_array_equal(rgb, expected)


def test_inside_is_the_patch_and_outside_the_picture() -> None:
    original, rgb = letters(), base()
    apply_patches(rgb, encode_patches(original, [Rectangle(2, 1, 3, 3)], "vp8l", 100))
    np.testing.assert_array_equal(rgb[12:28, 20:36], original[12:28, 20:36])
    outside = np.ones(rgb.shape[:2], bool)
    outside[8:32, 16:40] = False
    np.testing.assert_array_equal(rgb[outside], base()[outside])
    edge = (base()[8, 20].astype(int) * 4 + original[8, 20] + 2) // 5
    assert rgb[8, 20].tolist() == edge.tolist()


def test_a_patch_that_covers_the_picture_has_no_edge() -> None:
    original, rgb = letters(), base()
    apply_patches(rgb, encode_patches(original, [Rectangle(0, 0, 9, 7)], "vp8l", 100))
    np.testing.assert_array_equal(rgb, original)


def test_neighbouring_patches_have_no_seam() -> None:
    whole, parts = base(), base()
    apply_patches(whole, encode_patches(letters(), [Rectangle(1, 1, 4, 2)], "vp8l", 100))
    apply_patches(parts, encode_patches(letters(), [Rectangle(1, 1, 3, 2), Rectangle(4, 1, 1, 2)], "vp8l", 100))
    np.testing.assert_array_equal(whole, parts)


def test_large_patches_are_blended_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    original = letters(96, 120)
    body = encode_patches(original, [Rectangle(1, 1, 9, 12), Rectangle(10, 4, 1, 9)], "vp8l", 100)
    at_once, in_strips = base().repeat(3, 0)[:120].repeat(2, 1)[:, :96], base().repeat(3, 0)[:120].repeat(2, 1)[:, :96]
    at_once, in_strips = at_once.copy(), in_strips.copy()
    apply_patches(at_once, body)
    monkeypatch.setattr(patching, "_STRIP", 2)
    apply_patches(in_strips, body)
    np.testing.assert_array_equal(at_once, in_strips)


@pytest.mark.parametrize("width", [8, 13, 19, 38])
def test_a_sheet_is_never_narrower_than_its_widest_patch(width: int) -> None:
    """Powers of a root, whose rounding errors have made it a cell too narrow for each of these widths."""
    rectangles = [Rectangle(0, 0, width, 2), Rectangle(0, 3, 1, 1)]
    rgb = letters(8 * width, 40)
    body = encode_patches(rgb, rectangles, "vp8l", 100)
    assert parse_patches(body, 8 * width, 40).sheet_width >= width


@pytest.mark.parametrize(
    ("width", "height", "rectangles"),
    [
        (800, 800, [Rectangle(0, 0, 5, 100), Rectangle(6, 0, 94, 5)]),  # a column of signs, and a line of text
        (16800, 16, [Rectangle(0, 0, 2100, 2)]),  # longer than a sheet may be
        (16, 16800, [Rectangle(0, 0, 1, 2100), Rectangle(1, 0, 1, 2)]),
    ],
)
def test_what_no_sheet_holds_as_it_is_is_cut(width: int, height: int, rectangles: list[Rectangle]) -> None:
    rgb = letters(width, height)
    body = encode_patches(rgb, rectangles, "vp8l", 100, speed=10)
    parts = parse_patches(body, width, height).rectangles
    assert len(rectangles) < len(parts) < 40
    assert sum(each.area for each in parts) == sum(each.area for each in rectangles)
    decoded = np.zeros_like(rgb)
    apply_patches(decoded, body)
    x, y = 8 * rectangles[0].x, 8 * rectangles[0].y
    np.testing.assert_array_equal(decoded[y : y + 4, x : x + 4], rgb[y : y + 4, x : x + 4])


def test_the_sheet_repeats_edges_where_nothing_is() -> None:
    rgb = letters()
    sheet = cut_sheet(rgb, RECTANGLES, 5)
    assert sheet.shape == (56, 40, 3)  # shelves of four and of three rows of cells
    np.testing.assert_array_equal(sheet[:16, :24], rgb[8:24, 8:32])
    np.testing.assert_array_equal(sheet[:32, 24:], rgb[16:48, 32:48])
    assert (sheet[16:32, :24] == sheet[15, :24]).all()
    np.testing.assert_array_equal(sheet[32:53, :14], rgb[32:53, 56:70])
    assert (sheet[32:53, 14:] == sheet[32:53, 13:14]).all()
    assert (sheet[53:, :] == sheet[52, :]).all()


def test_layout_is_that_of_the_reference() -> None:
    rng = np.random.default_rng(5)
    for _ in range(50):
        count, widest = int(rng.integers(1, 30)), int(rng.integers(1, 9))
        boxes = [(0, 0, int(rng.integers(1, widest + 1)), int(rng.integers(1, 9))) for _ in range(count)]
        sheet_width = widest + int(rng.integers(0, 20))
        assert layout([Rectangle(*box) for box in boxes], sheet_width) == sheet_places(boxes, sheet_width)


def test_the_section_reads_back() -> None:
    body = encode_patches(letters(), RECTANGLES, "vp8", 60)
    patches = parse_patches(body, WIDTH, HEIGHT)
    assert sorted(patches.rectangles) == sorted(RECTANGLES)
    assert build_patches(patches, WIDTH, HEIGHT) == body
    assert decode_sheet(patches).shape == (*patches.sheet_size()[::-1], 3)
    visible = 24 * 16 + 16 * 32 + 14 * 21
    assert patches.share(WIDTH, HEIGHT) == pytest.approx(visible / (WIDTH * HEIGHT))


def test_the_chroma_of_coloured_letters_is_kept() -> None:
    white, red = np.full((HEIGHT, WIDTH, 3), 255, np.uint8), np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    red[::4] = 220, 0, 0
    for rgb, words in ((white, "AV1, 4:0:0"), (smooth(WIDTH, HEIGHT), "AV1, 4:2:0"), (red, "AV1, 4:4:4")):
        patches = parse_patches(encode_patches(rgb, RECTANGLES, "av1", 60), WIDTH, HEIGHT)
        assert streams.check(patches.coding, patches.stream, *patches.sheet_size(), "sheet") == words


def test_many_small_patches_make_a_full_sheet() -> None:
    rng = np.random.default_rng(0)
    numbers = [tuple(int(n) for n in (*rng.integers(0, 125, 2), *rng.integers(1, 9, 2))) for _ in range(2000)]
    rectangles = free_rectangles(numbers, 128, 128)[: limits.MAX_PATCHES]  # type: ignore[arg-type]
    assert len(rectangles) > 300
    patches = parse_patches(encode_patches(letters(1024, 1024), rectangles, "vp8l", 0, speed=10), 1024, 1024)
    width, height = patches.sheet_size()
    assert width * height / 64 <= 1.15 * sum(each.area for each in rectangles)


def test_what_cannot_be_encoded() -> None:
    rgb = letters()
    with pytest.raises(SdzFormatError, match=r"patch 2: overlaps with another .found patch 1"):
        encode_patches(rgb, [Rectangle(0, 0, 2, 2), Rectangle(1, 1, 2, 2)], "av1", 60)
    with pytest.raises(SdzFormatError, match="patch 1: reaches beyond the picture"):
        encode_patches(rgb, [Rectangle(8, 0, 2, 1)], "av1", 60)
    with pytest.raises(SdzLimitError, match="patches, count"):
        encode_patches(rgb, [], "av1", 60)
    stream = streams.encode(cut_sheet(rgb, RECTANGLES, 5), "vp8l", 60)
    with pytest.raises(SdzFormatError, match="the coded picture has another size"):
        build_patches(Patches(RECTANGLES, 6, streams.VP8L, stream), WIDTH, HEIGHT)


def test_memory_is_in_proportion_to_the_patches() -> None:
    """A small patch of a large picture: less than a byte for each 32 of its pixels."""
    rgb = np.zeros((4096, 4096, 3), np.uint8)
    body = encode_patches(rgb, [Rectangle(300, 300, 4, 2)], "vp8l", 60)
    tracemalloc.start()
    try:
        apply_patches(rgb, body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4096 * 4096 / 32
