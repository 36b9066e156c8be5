"""The report's parts: what is measured, drawn and said; ``sdz-convert compare`` is tested in test_compare_report.py."""

from __future__ import annotations

import io
import math
import sys
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, features

from pillow_sdz.errors import SdzDependencyError
from pillow_sdz.evaluation import codecs as formats
from pillow_sdz.evaluation.report import channels, draw, latent_files, page, requirements
from pillow_sdz.evaluation.report.context import PictureContext, Request
from pillow_sdz.evaluation.report.page import boxes
from pillow_sdz.evaluation.report.payload_stages import of_file
from pillow_sdz.evaluation.sheet import CAPTION, sheet
from pillow_sdz.models import model_data, registry
from pillow_sdz.options import ComputeSettings, SaveOptions
from pillow_sdz.payloads.scalar import encoder as scalar_coding

if TYPE_CHECKING:
    from numpy.typing import NDArray

RANDOM = np.random.default_rng(5)


def test_bits_are_what_the_coder_spends() -> None:
    manifest = registry.find("tiny")
    prior = model_data.prior(manifest)
    shape = (24, 20, manifest.codes.channels)
    targets = RANDOM.laplace(0, 22, shape).astype(np.float32)
    targets[0, 0, 0] = 200 * 300 / 16  # far outside of what any table has: an escape
    values, bits = scalar_coding.levels_and_bits(targets, 300, prior)
    assert values.shape == bits.shape == shape
    assert values[0, 0, 0] == pytest.approx(200, abs=7)
    assert (values == 0).any()
    assert bits.min() > 0
    assert bits[0, 0, 0] > 18
    coded = 8 * sum(map(len, scalar_coding.encode(targets, 300, prior)))
    assert coded == pytest.approx(bits.sum(), rel=0.02, abs=300)


@pytest.mark.parametrize("count", [1, 3, 4, 8, 16])
def test_a_latent_as_other_formats_hold_it(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = RANDOM.integers(0, 256, (9, 7, count)).astype(np.uint8)
    kept: list[tuple[Image.Image, dict[str, Any]]] = []

    def keep(image: Image.Image, *args: object, **options: Any) -> bytes:
        kept.append((image, options))
        return b"abc"

    monkeypatch.setattr(latent_files, "saved", keep)
    assert latent_files.lossless_webp(codes) == 3
    ((image, options),) = kept
    stacked = np.asarray(image)
    planes = np.concatenate(np.split(stacked, -(-count // 4)), axis=2)
    assert (planes[:, :, :count] == codes).all()
    assert (planes[:, :, count:] == 255).all()
    monkeypatch.undo()
    data = formats.saved(image, "WEBP", **options)
    with Image.open(io.BytesIO(data)) as back:
        assert (np.asarray(back.convert("RGBA")) == stacked).all()
    assert latent_files.deflated(codes) == len(zlib.compress(codes.transpose(2, 0, 1).tobytes(), 9))


def test_a_file_of_pixels_has_a_stage(astronaut: Image.Image) -> None:
    """Without a latent in it: only the local error is drawn, and there is no U-Net."""
    request = Request(SaveOptions(payload="pixels", quality=40), 0.3, [], [], ComputeSettings())
    context = PictureContext(astronaut.crop((120, 0, 184, 56)), "a.png", request)
    (stage,) = of_file(context)
    assert (stage.key, stage.picture.size) == ("sdz", (64, 56))
    assert [drawing.title for drawing in stage.drawings] == ["Where it differs"]
    assert stage.details["payload"] == "pixels"
    assert "The file holds the pixels, coded as AV1, 4:2:0." in stage.text
    assert context.left_out["sdz with U-Net"] == "the file asks for none"
    assert len(context.channels) == context.mapping.channels


def test_a_latent_too_high_for_webp_has_no_size_there() -> None:
    assert latent_files.lossless_webp(np.zeros((8192, 1, 8), np.uint8)) is None


def test_tiles_hold_every_plane() -> None:
    planes = RANDOM.integers(0, 256, (5, 4, 6)).astype(np.uint8)
    whole = np.asarray(draw.tiles(planes))
    assert whole.shape == (2 * 5 - 1, 3 * 7 - 1)
    for index, plane in enumerate(planes):
        y, x = index // 3 * 5, index % 3 * 7
        assert (whole[y : y + 4, x : x + 6] == plane).all()


def test_whole_steps_are_white_at_zero_red_above_and_blue_below() -> None:
    values = np.array([[[0], [5]], [[-5], [0]]], np.int16)
    whole = np.asarray(draw.levels(values)).astype(int)
    assert whole[0, 0].min() > 240
    assert whole[0, 1, 0] > whole[0, 1, 2] + 50
    assert whole[1, 0, 2] > whole[1, 0, 0] + 50


def test_heat_grows_with_the_bits() -> None:
    picture, most = draw.heat(np.array([[0.0, 1.0], [2.0, 3.0]]))
    brightness = np.asarray(picture).sum(2).ravel()
    assert (np.diff(brightness.astype(int)) > 0).all()
    assert most == pytest.approx(3, rel=0.01)


def test_palettes_and_indices() -> None:
    matrix = np.array([[64, 0, 0], [0, 64, 0], [0, 0, -28]], np.int8)  # red is the first channel, green the second
    colours = draw.entry_colours(np.array([[128, 128], [255, 0], [0, 255]], np.uint8), matrix)
    assert colours.tolist() == [[128, 128, 100], [255, 0, 100], [0, 255, 100]]
    assert np.asarray(draw.swatches(colours)).reshape(-1, 3).tolist() == [*colours.tolist(), [draw.GROUND] * 3]
    assert np.asarray(draw.index_plane(np.array([[0, 1, 2]], np.uint16), 3)).tolist() == [[0, 127, 255]]


def ramp(kind: str) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """A picture of 8x8 blocks with one property that varies from block to block, and that property, (6, 7)."""
    amount = RANDOM.uniform(-1, 1, (6, 7))
    y, x = np.mgrid[:8, :8]
    pattern = {
        "brightness": np.ones((8, 8)), "across": 3.5 - x, "down": 3.5 - y, "diagonal": (x - 3.5) * (3.5 - y),
    }[kind]  # fmt: skip
    grey = np.kron(amount, pattern / np.abs(pattern).max()) * 100 + 128
    return np.repeat(grey.round().astype(np.uint8)[:, :, None], 3, axis=2), amount


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("brightness", "is dark"),
        ("across", "rises from left to right"),
        ("down", "rises from top to bottom"),
        ("diagonal", "fall to the right"),
    ],
)
def test_a_channel_is_described_by_what_it_follows(kind: str, words: str) -> None:
    rgb, amount = ramp(kind)
    follows = np.rint(128 - 100 * amount)
    codes = np.stack([follows, np.full_like(follows, 9)], 2).astype(np.uint8)
    first, second = channels.describe(codes, rgb, 8, np.ones(codes.shape))
    assert (first.follows, first.number) == (kind, 1)
    assert first.correlation < -0.95
    assert words in first.sentence
    assert first.bits == pytest.approx(1 / 64)
    assert second.sentence.startswith("Constant")


def test_colours_are_properties_too() -> None:
    amount = RANDOM.uniform(-1, 1, (6, 7))
    for name, weights in (("blue", (-0.1287, -0.1287, 1)), ("red", (1, -0.5094, 0))):
        rgb = np.kron((128 + 90 * amount[:, :, None] * np.array(weights)), np.ones((8, 8, 1))).astype(np.uint8)
        rgb = rgb[:45, :51]  # the last blocks are continued
        (channel,) = channels.describe(np.rint(128 + 90 * amount)[:, :, None].astype(np.uint8), rgb, 8, None)
        assert channel.follows == name
        assert channel.bits is None


def test_crops_are_where_the_difference_is() -> None:
    original, other = np.zeros((2, 100, 140, 3), np.uint8)
    other[70:80, 20:30] = 200
    other[10:14, 100:104] = 90
    first, second = boxes(Image.fromarray(original), Image.fromarray(other), 2)
    assert first[0] <= 20 < 30 <= first[2]
    assert first[1] <= 70 < 80 <= first[3]
    assert second[0] <= 100 < 104 <= second[2]
    assert second[1] <= 10 < 14 <= second[3]
    assert len(boxes(Image.fromarray(original), Image.fromarray(original), 9)) == 9
    assert boxes(Image.new("RGB", (5, 3)), Image.new("RGB", (5, 3)), 3) == [(0, 0, 3, 3)]


def test_captions_of_a_sheet_have_room() -> None:
    pieces = {"one\ntwo": Image.new("RGB", (30, 20), "red"), "three": Image.new("RGB", (40, 10), "blue")}
    whole = sheet([pieces])
    assert whole.size == (70, 2 * CAPTION + 20)
    assert whole.getpixel((0, 2 * CAPTION)) == (255, 0, 0)
    assert whole.getpixel((30, 2 * CAPTION)) == (0, 0, 255)


def test_bars_and_numbers() -> None:
    assert page._bar(7, 7, 7) == 100
    assert page._metric(None, "PSNR") == "–"
    assert page._metric(-3.14159, "SSIMULACRA2") == "−3.1"
    assert not math.isnan(page._bar(1, 1, 10**9))


@pytest.mark.parametrize("module", requirements.PACKAGES)
def test_a_missing_package_names_the_extra(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    requirements.check()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SdzDependencyError, match=r"pillow-sdz\[compare\]") as caught:
        requirements.check()
    assert requirements.PACKAGES[module] in str(caught.value)


def test_a_pillow_without_webp_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "check", lambda name: False)
    with pytest.raises(SdzDependencyError, match="WebP"):
        requirements.check()
