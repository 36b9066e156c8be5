"""What the guard buys: layers of pixels for a number of bytes, and sheets of patches that fit in theirs."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import guard_samples
import numpy as np
import pytest
from guard_samples import page, photo, plain
from pixel_samples import letters, smooth

from pillow_sdz import limits
from pillow_sdz.codec import pixels
from pillow_sdz.codec.guard import purchases
from pillow_sdz.codec.guard.findings import Findings
from pillow_sdz.codec.guard.purchases import Guard
from pillow_sdz.codec.guard.settings import (
    FACES,
    LETTERING,
    QUALITIES,
    WHOLE,
    WHOLE_AT_MOST,
    WITHOUT_MODEL,
    settings_for,
)
from pillow_sdz.container.framing import section_bytes
from pillow_sdz.container.patches import parse_patches
from pillow_sdz.options import DecodeSettings, SaveOptions
from pillow_sdz.payloads.pixels.chroma import subsampling_for
from pillow_sdz.payloads.pixels.payload import PixelsPlan, encode_pixels

if TYPE_CHECKING:
    from numpy.typing import NDArray

SETTINGS = DecodeSettings("cpu", "float32")


def grainy(seed: int = 0) -> NDArray[np.uint8]:
    """A picture that lossless codings cannot make small, (96, 128, 3)."""
    noise = np.random.default_rng(seed).normal(0, 12, (96, 128, 3))
    rgb: NDArray[np.uint8] = (smooth(128, 96) + noise).clip(0, 255).astype(np.uint8)
    return rgb


def bought(original: NDArray[np.uint8], decoded: NDArray[np.uint8], size: int, **options: Any) -> purchases.Purchases:
    return Guard(original, SaveOptions(**options), SETTINGS).choose(decoded, size, 50.0)


class TestFitBody:
    @pytest.mark.parametrize("size", [150, 400, 900, 1700, 4000, 9000])
    @pytest.mark.parametrize("effort", [3, 8])
    def test_is_never_larger_and_the_next_quality_would_be(self, size: int, effort: int) -> None:
        rgb = grainy()
        found = pixels.fit_body(rgb, size, effort)
        assert found is not None
        assert len(found.body) <= size
        assert 0 <= found.quality < 99
        subsampling = subsampling_for(rgb, 0)
        assert found.body == encode_pixels(rgb, PixelsPlan("av1", found.quality, subsampling), effort)
        better = encode_pixels(rgb, PixelsPlan("av1", found.quality + 1, subsampling), effort)
        assert len(better) > size

    def test_is_lossless_where_that_fits(self) -> None:
        rgb = letters(128, 96)
        found = pixels.fit_body(rgb, 20_000, 4)
        assert found is not None
        assert found.quality == 100
        assert np.array_equal(pixels.decode_body(found.body, rgb.shape), rgb)

    @pytest.mark.parametrize("size", [-5, 0, 10])
    def test_of_too_few_bytes_is_none(self, size: int) -> None:
        assert pixels.fit_body(grainy(), size, 4) is None

    @pytest.mark.parametrize("shape", [(1, 1), (1, 40), (33, 7)])
    def test_of_small_pictures(self, shape: tuple[int, int]) -> None:
        rgb = grainy()[: shape[0], : shape[1]]
        found = pixels.fit_body(rgb, 1000, 4)
        assert found is not None
        assert pixels.decode_body(found.body, rgb.shape).shape == rgb.shape


class TestSettings:
    def test_rise_with_quality_and_are_in_range(self) -> None:
        for values in (LETTERING, FACES, WHOLE, WHOLE_AT_MOST):
            assert len(values) == len(QUALITIES)
            assert sorted(values) == list(values)
            assert 0 <= values[0] <= values[-1] < 100
        assert all(low <= high for low, high in zip(WHOLE, WHOLE_AT_MOST, strict=True))

    def test_are_those_of_the_tables_and_between(self) -> None:
        for index, quality in enumerate(QUALITIES):
            found = settings_for(quality)
            assert (found.lettering, found.faces) == (LETTERING[index], FACES[index])
            assert (found.whole, found.whole_at_most) == (WHOLE[index], WHOLE_AT_MOST[index])
        assert LETTERING[2] < settings_for(57).lettering < LETTERING[3]
        assert settings_for(WITHOUT_MODEL).whole <= settings_for(99).whole


def findings_of(regions: int) -> Findings:
    """So many regions of one cell each, in the corner of a picture of 40x40 cells."""
    cells = np.zeros((40, 40), np.intp)
    numbers = np.arange(1, regions + 1)
    cells[(numbers - 1) // 15 * 2, (numbers - 1) % 15 * 2] = numbers
    order = tuple(int(each) for each in numbers)
    return Findings(
        cells, order, frozenset(), np.ones(cells.shape, np.float32),
        face_cells=np.zeros(cells.shape, bool), wrong=0.1, regular=0.0, lattices=0.0, flat=0.0,
    )  # fmt: skip


class TestAttempts:
    def test_get_ever_smaller(self) -> None:
        tried = list(purchases._attempts(findings_of(40), 33, purchases.LOWEST_QUALITY))
        assert tried[0][1] == 33
        sizes = [(len(found.order), quality) for found, quality in tried]
        assert len(set(sizes)) == len(sizes)
        for (regions, quality), (fewer, lower) in pairwise(sizes):
            assert fewer <= regions
            assert lower <= quality
        assert sizes[-1] == (1, purchases.LOWEST_QUALITY)

    def test_of_faces_keep_their_quality(self) -> None:
        tried = [quality for _, quality in purchases._attempts(findings_of(40), 54, purchases.LOWEST_OF_FACES)]
        assert min(tried) == purchases.LOWEST_OF_FACES

    def test_keep_the_most_harmful(self) -> None:
        for found, _ in purchases._attempts(findings_of(40), 20, purchases.LOWEST_QUALITY):
            assert found.order == findings_of(40).order[: len(found.order)]

    def test_of_nothing_are_none(self) -> None:
        assert list(purchases._attempts(replace(findings_of(3), order=()), 33, 10)) == []

    def test_of_more_rectangles_than_a_file_may_hold_are_left_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "MAX_PATCHES", 5)
        rgb = np.random.default_rng(0).integers(0, 256, (320, 320, 3), np.uint8)
        made = purchases._fitting(rgb, findings_of(40), settings_for(50), 100_000, 4)
        assert made is not None
        assert 1 <= len(parse_patches(made[0], 320, 320).rectangles) <= 5


@pytest.mark.usefixtures("detector")
class TestChoose:
    @pytest.fixture
    def detector(self, monkeypatch: pytest.MonkeyPatch) -> None:
        guard_samples.install_detector(monkeypatch)

    @pytest.mark.parametrize("size", [100, 250, 500, 1000, 2000])
    def test_patches_have_a_share_of_the_target(self, size: int) -> None:
        body = bought(photo(), plain(), size, target_size=size).patches
        if body is not None:
            assert section_bytes(len(body)) <= purchases.SHARE_OF_TARGET * size
        assert (body is not None) == (size >= 500)

    @pytest.mark.parametrize("size", [100, 200, 400, 800])
    def test_patches_have_a_multiple_of_the_file(self, size: int) -> None:
        body = bought(photo(), plain(), size).patches
        if body is not None:
            assert section_bytes(len(body)) <= purchases.ROOM * size
        assert (body is not None) == (size >= 200)

    def test_a_picture_longer_than_av1_can_hold_is_never_a_whole(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "MAX_AV1_SIDE", page().shape[0] - 1)
        monkeypatch.setattr(purchases, "encode_patches", lambda *_: b"sheet")
        monkeypatch.setattr(purchases, "apply_patches", lambda picture, _: picture.fill(255) or 1.0)
        assert bought(page(), np.full_like(page(), 255), 3000).whole is None

    def test_nothing_is_bought_for_a_picture_that_came_out_right(self) -> None:
        assert bought(photo(), photo(), 900) == purchases.Purchases()

    def test_a_page_is_bought_as_a_whole_unless_a_payload_is_asked_for(self) -> None:
        blank = np.full_like(page(), 255)
        assert bought(page(), blank, 3000).whole is not None
        for asked in ({"payload": "scalar"}, {"step": 20.0}, {"colors": 16}, {"payload": "palette"}):
            assert bought(page(), blank, 3000, **asked).whole is None

    @pytest.mark.parametrize("size", [300, 3000, 9000, 60_000])
    def test_a_whole_is_never_larger_than_the_target(self, size: int) -> None:
        whole = bought(page(), np.full_like(page(), 255), size, target_size=size).whole
        assert (whole is not None) == (size >= 3000)
        assert whole is None or len(whole) <= size

    def test_the_whole_has_at_least_the_quality_of_others(self) -> None:
        """Without a target, few bytes of the model's file do not make a page illegible."""
        page_of_pixels = bought(page(), np.full_like(page(), 255), 50).whole
        expected = pixels.best_body(page(), settings_for(50).whole, SaveOptions().effort)
        assert page_of_pixels == expected
