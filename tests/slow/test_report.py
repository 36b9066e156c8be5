"""The report's parts: what is measured, drawn, said and asked of other codecs. Its command: test_cli_compare.py."""

from __future__ import annotations

import io
import math
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from pillow_sdz.evaluation.report.bits import values_and_bits

from pillow_sdz.evaluation import codecs as formats
from pillow_sdz.evaluation import codecs as rivals
from pillow_sdz.evaluation import metrics as measures
from pillow_sdz.evaluation import perceptual
from pillow_sdz.evaluation.report import channels, draw, extra, latent_files, page
from pillow_sdz.evaluation.report import page as crops
from pillow_sdz.evaluation.report.sheet import CAPTION, sheet
from pillow_sdz.models import registry
from pillow_sdz.payloads.scalar import coder as scalar_coding

RANDOM = np.random.default_rng(5)


# Sizes


def test_bits_are_what_the_coder_spends():
    manifest = registry.find("tiny")
    prior = registry.model_prior(manifest)
    shape = (24, 20, manifest.codes.channels)
    targets = RANDOM.laplace(0, 22, shape).astype(np.float32)
    targets[0, 0, 0] = 200 * 300 / 16  # far outside of what any table has: an escape
    values, bits = values_and_bits(targets, 300, prior)
    assert values.shape == bits.shape == shape
    assert values[0, 0, 0] == pytest.approx(200, abs=7)
    assert (values == 0).any()
    assert bits.min() > 0
    assert bits[0, 0, 0] > 18
    coded = 8 * len(scalar_coding.encode(targets, 300, prior))
    assert coded == pytest.approx(bits.sum(), rel=0.02, abs=300)


@pytest.mark.parametrize("count", [1, 3, 4, 8, 16])
def test_a_latent_as_other_formats_hold_it(count, monkeypatch):
    codes = RANDOM.integers(0, 256, (9, 7, count)).astype(np.uint8)
    kept = []
    monkeypatch.setattr(latent_files, "saved", lambda image, *args, **options: kept.append((image, options)) or b"abc")
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


def test_a_latent_too_high_for_webp_has_no_size_there():
    assert latent_files.lossless_webp(np.zeros((8192, 1, 8), np.uint8)) is None


class Numbered(formats.Codec):
    """A codec of which a file takes a byte for every pixel and quality."""

    def encode(self, image, quality):
        return bytes(image.width * image.height // 64 * max(1, quality))


@pytest.mark.parametrize(
    ("size", "stored", "quality"), [(10_000, 256, 9), (1024, 256, 1), (1023, 192, 1), (1, None, None)]
)
def test_rivals_are_reduced_only_where_no_quality_fits(size, stored, quality, monkeypatch):
    monkeypatch.setattr(rivals, "decoded", lambda data: Image.new("RGB", (1, 1)))
    found = rivals.at_equal_or_fewer_bytes(Numbered("n", "N", "N", ()), Image.new("RGB", (256, 256)), size)
    if stored is None:
        assert found is None
    else:
        assert found.size <= size
        assert (found.stored, found.quality) == ((stored, stored), quality)


@pytest.mark.parametrize("name", ["jpeg", "webp"])
def test_a_rival_is_a_file_of_at_most_that_size(name, chelsea):
    image = chelsea.crop((100, 60, 229, 157))
    form = next(form for form in formats.CODECS if form.name == name)
    for size in (900, 2500):
        found = rivals.at_equal_or_fewer_bytes(form, image, size)
        assert 0.3 * size < found.size <= size
        assert found.picture.size == image.size
        assert measures.psnr(image, found.picture) > 15


# Metrics


def test_ssim_of_the_same_and_of_another_picture(astronaut):
    (metric,), _ = measures.available(["SSIM"])
    image = astronaut.crop((0, 0, 64, 48))
    assert metric.measure(image, image) == pytest.approx(1)
    assert metric.measure(image, image.convert("L").convert("RGB")) < 1
    assert metric.measure(Image.new("RGB", (10, 40)), Image.new("RGB", (10, 40))) is None


def vgg(folder, width=4):
    """Weights in VGG16's shape: random ones, narrower, or (as DISTS needs them) of the full width, all zero."""
    random, arrays, inputs, index = np.random.default_rng(0), {}, 3, 0
    for stage, depth in enumerate(perceptual.VGG_DEPTHS):
        outputs = width or perceptual.VGG_CHANNELS[stage]
        for _ in range(depth):
            shape = outputs, inputs, 3, 3
            arrays[f"conv{index}.weight"] = random.normal(0, 0.2, shape) if width else np.zeros(shape, np.float32)
            arrays[f"conv{index}.bias"] = np.full(outputs, 0.1)
            inputs, index = outputs, index + 1
        arrays[f"lin{stage}.weight"] = np.full((1, outputs, 1, 1), stage + 1.0)
    np.savez(folder / "lpips_vgg.npz", **{name: array.astype(np.float32) for name, array in arrays.items()})


def test_lpips_is_the_weighted_distance_of_unit_vectors(tmp_path):
    vgg(tmp_path)
    network = perceptual.LPIPS("vgg", tmp_path)
    one, other = (measures.tensor(Image.fromarray(RANDOM.integers(0, 256, (32, 32, 3), np.uint8))) for _ in range(2))
    shift, scale = (torch.tensor(each)[:, None, None] for each in (perceptual.LPIPS_SHIFT, perceptual.LPIPS_SCALE))
    scaled = [(x * 2 - 1 - shift) / scale for x in (one, other)]
    expected = 0.0
    for stage, (x, y) in enumerate(zip(*map(network.features, scaled), strict=True), 1):
        x, y = (each[0].numpy().astype(float) for each in (x, y))
        x, y = (each / np.maximum(np.sqrt((each**2).sum(0)), 1e-9) for each in (x, y))
        expected += stage * ((x - y) ** 2).sum(0).mean()
    assert float(network(one, other)) == pytest.approx(expected, rel=1e-4)
    assert float(network(one, one)) == 0


def dists_file(folder, alpha, beta):
    """The end of a file as torch wrote it before version 1.6; what stands before is never read."""
    count = len(alpha).to_bytes(8, "little")
    storages = b"".join(count + np.asarray(each, "<f4").tobytes() for each in (alpha, beta))
    (folder / "dists_alpha_beta.pt").write_bytes(b"\x80\x02cos\nsystem\n" + storages)


def test_dists_weights_are_read_without_unpickling(tmp_path):
    alpha, beta = RANDOM.random((2, perceptual.DISTS_CHANNELS)).astype(np.float32)
    dists_file(tmp_path, alpha, beta)
    found = perceptual.dists_weights(tmp_path)
    assert (found[0] == alpha).all()
    assert (found[1] == beta).all()
    for data in (b"", b"\x80", (tmp_path / "dists_alpha_beta.pt").read_bytes()[:-4]):
        (tmp_path / "dists_alpha_beta.pt").write_bytes(data)
        with pytest.raises(ValueError, match=r"not the file of DISTS"):
            perceptual.dists_weights(tmp_path)


def test_dists_of_constant_pictures_is_that_of_their_colours(tmp_path):
    vgg(tmp_path, width=0)
    alpha = np.zeros(perceptual.DISTS_CHANNELS)
    alpha[:3] = 1  # of the pixels themselves, by their means alone
    dists_file(tmp_path, alpha, np.zeros_like(alpha))
    network = perceptual.DISTS(tmp_path)
    one, other = (measures.tensor(Image.new("RGB", (16, 16), (value,) * 3)) for value in (51, 102))
    assert float(network(one, other)) == pytest.approx(1 - (2 * 0.2 * 0.4 + 1e-6) / (0.04 + 0.16 + 1e-6), abs=1e-5)
    assert float(network(one, one)) == pytest.approx(0, abs=1e-6)


# Drawings and words


def test_tiles_hold_every_plane():
    planes = RANDOM.integers(0, 256, (5, 4, 6)).astype(np.uint8)
    whole = np.asarray(draw.tiles(planes))
    assert whole.shape == (2 * 5 - 1, 3 * 7 - 1)
    for index, plane in enumerate(planes):
        y, x = index // 3 * 5, index % 3 * 7
        assert (whole[y : y + 4, x : x + 6] == plane).all()


def test_whole_steps_are_white_at_zero_red_above_and_blue_below():
    values = np.array([[[0], [5]], [[-5], [0]]], np.int16)
    whole = np.asarray(draw.whole_steps(values)).astype(int)
    assert whole[0, 0].min() > 240
    assert whole[0, 1, 0] > whole[0, 1, 2] + 50
    assert whole[1, 0, 2] > whole[1, 0, 0] + 50


def test_heat_grows_with_the_bits():
    picture, most = draw.heat(np.array([[0.0, 1.0], [2.0, 3.0]]))
    brightness = np.asarray(picture).sum(2).ravel()
    assert (np.diff(brightness.astype(int)) > 0).all()
    assert most == pytest.approx(3, rel=0.01)


def test_palettes_and_indices():
    matrix = np.array([[64, 0, 0], [0, 64, 0], [0, 0, -28]], np.int8)  # red is the first channel, green the second
    colours = draw.entry_colours(np.array([[128, 128], [255, 0], [0, 255]], np.uint8), matrix)
    assert colours.tolist() == [[128, 128, 100], [255, 0, 100], [0, 255, 100]]
    assert np.asarray(draw.swatches(colours)).reshape(-1, 3).tolist() == [*colours.tolist(), [draw.GROUND] * 3]
    assert np.asarray(draw.index_plane(np.array([[0, 1, 2]], np.uint16), 3)).tolist() == [[0, 127, 255]]


def ramp(kind):
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
def test_a_channel_is_described_by_what_it_follows(kind, words):
    rgb, amount = ramp(kind)
    follows = np.rint(128 - 100 * amount)
    codes = np.stack([follows, np.full_like(follows, 9)], 2).astype(np.uint8)
    first, second = channels.describe(codes, rgb, 8, np.ones(codes.shape))
    assert (first.follows, first.number) == (kind, 1)
    assert first.correlation < -0.95
    assert words in first.sentence
    assert first.bits == pytest.approx(1 / 64)
    assert second.sentence.startswith("Constant")


def test_colours_are_properties_too():
    amount = RANDOM.uniform(-1, 1, (6, 7))
    for name, weights in (("blue", (-0.1287, -0.1287, 1)), ("red", (1, -0.5094, 0))):
        rgb = np.kron((128 + 90 * amount[:, :, None] * np.array(weights)), np.ones((8, 8, 1))).astype(np.uint8)
        rgb = rgb[:45, :51]  # the last blocks are continued
        (channel,) = channels.describe(np.rint(128 + 90 * amount)[:, :, None].astype(np.uint8), rgb, 8, None)
        assert channel.follows == name
        assert channel.bits is None


def test_crops_are_where_the_difference_is():
    original, other = np.zeros((2, 100, 140, 3), np.uint8)
    other[70:80, 20:30] = 200
    other[10:14, 100:104] = 90
    first, second = crops.boxes(Image.fromarray(original), Image.fromarray(other), 2)
    assert first[0] <= 20 < 30 <= first[2]
    assert first[1] <= 70 < 80 <= first[3]
    assert second[0] <= 100 < 104 <= second[2]
    assert second[1] <= 10 < 14 <= second[3]
    assert len(crops.boxes(Image.fromarray(original), Image.fromarray(original), 9)) == 9
    assert crops.boxes(Image.new("RGB", (5, 3)), Image.new("RGB", (5, 3)), 3) == [(0, 0, 3, 3)]


def test_captions_of_a_sheet_have_room():
    pieces = {"one\ntwo": Image.new("RGB", (30, 20), "red"), "three": Image.new("RGB", (40, 10), "blue")}
    whole = sheet([pieces])
    assert whole.size == (70, 2 * CAPTION + 20)
    assert whole.getpixel((0, 2 * CAPTION)) == (255, 0, 0)
    assert whole.getpixel((30, 2 * CAPTION)) == (0, 0, 255)


def test_bars_and_numbers():
    assert page._bar(7, 7, 7) == 100
    assert page._metric(None, "PSNR") == "–"
    assert page._metric(-3.14159, "SSIMULACRA2") == "−3.1"
    assert not math.isnan(page._bar(1, 1, 10**9))


# What is missing


@pytest.mark.parametrize("module", extra.PACKAGES)
def test_a_missing_package_names_the_extra(module, monkeypatch):
    extra.check()
    monkeypatch.setattr(extra, "find_spec", lambda name: None if name == module else object())
    with pytest.raises(extra.SdzDependencyError, match=r"pillow-sdz\[compare\]") as caught:
        extra.check()
    assert extra.PACKAGES[module] in str(caught.value)


def test_a_pillow_without_webp_is_named(monkeypatch):
    monkeypatch.setattr(extra.features, "check", lambda name: False)
    with pytest.raises(extra.SdzDependencyError, match="WebP"):
        extra.check()
