"""``sdz-thumbnailer`` on every sort of file: what the thumbnail shows, its size, mode, orientation and alpha."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
import toy_model
from PIL import Image, ImageOps
from thumbnails import GOLDEN, Thumbnailer, golden, name_of
from toy_files import file_of

from pillow_sdz.codec.file import read
from pillow_sdz.codec.preview import decode_preview
from pillow_sdz.container.metadata import Metadata
from pillow_sdz.errors import SdzDependencyError, SdzLimitError, SdzModelError, SdzOptionError, SdzTruncatedError
from pillow_sdz.integrations.desktop import thumbnailer
from pillow_sdz.plugin.metadata.exif import orientation_exif

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

PNG_MODES = {"L": "L", "LA": "LA", "RGB": "RGB", "RGBA": "RGBA"}


@pytest.fixture
def make(capsys: pytest.CaptureFixture[str]) -> Thumbnailer:
    return Thumbnailer(capsys)


def pixels_of(path: Path) -> NDArray[np.int_]:
    with Image.open(path) as image:
        return np.asarray(image).astype(int)


@pytest.mark.parametrize("path", GOLDEN, ids=name_of)
def test_every_golden_file(path: Path, make: Thumbnailer, tmp_path: Path) -> None:
    """Without the networks: size and mode are right, and the colours are those of the preview."""
    assert make("-s", 32, path, tmp_path / "t.png") == 0, make.err
    expected = json.loads(path.with_name("expected.json").read_text())
    width, height = expected["size"]
    with Image.open(tmp_path / "t.png") as image:
        assert image.format == "PNG"
        assert image.mode == PNG_MODES[expected["mode"]]
        shrunk = min(1, 32 / max(width, height))
        wanted = max(1, round(width * shrunk)), max(1, round(height * shrunk))
        assert image.size in (wanted, wanted[::-1])
        thumbnail = np.asarray(image.convert("RGB")).astype(float)
    picture = decode_preview(read(path.read_bytes()), 1)
    mean = picture.rgb.astype(float).mean((0, 1))
    if expected["mode"].startswith("L"):
        mean = np.full(3, mean @ (0.299, 0.587, 0.114))
    assert np.abs(thumbnail.mean((0, 1)) - mean).max() < 6  # the last row of a preview may reach beyond the picture


def test_a_preview_of_the_right_size_is_taken_as_it_is(make: Thumbnailer, tmp_path: Path) -> None:
    path = golden("v0-tiny-8/layers")  # 192 x 128
    for size, stride in ((24, 1), (12, 2), (6, 4)):
        assert make("-v", "-s", size, path, tmp_path / "t.png", with_models=True) == 0
        assert make.err.strip().endswith("made from the preview")
        assert np.array_equal(pixels_of(tmp_path / "t.png"), decode_preview(read(path.read_bytes()), stride).rgb)


def test_the_same_as_pillows_thumbnail(make: Thumbnailer, tmp_path: Path) -> None:
    path = golden("v0-tiny-8/layers")
    for size in (23, 17, 9, 5):
        assert make("-s", size, path, tmp_path / "t.png") == 0
        with Image.open(path) as image:
            image.thumbnail((size, size))
            assert image.size == pixels_of(tmp_path / "t.png").shape[1::-1]
            assert np.abs(pixels_of(tmp_path / "t.png") - np.asarray(image)).max() <= 2


@pytest.mark.usefixtures("toy")
def test_decoded_in_full_where_no_preview_is_large_enough(
    make: Thumbnailer, path: Path, rgb: NDArray[np.uint8], tmp_path: Path
) -> None:
    assert make("-v", "-s", 40, path, tmp_path / "t.png", with_models=True) == 0
    assert make.err.strip().endswith("made from the decoded picture")
    assert np.array_equal(pixels_of(tmp_path / "t.png"), rgb)
    assert make("-s", 20, path, tmp_path / "t.png", with_models=True) == 0
    expected = Image.fromarray(rgb).resize((20, 10), Image.Resampling.BICUBIC)
    assert np.abs(pixels_of(tmp_path / "t.png") - np.asarray(expected)).max() <= 1


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SdzDependencyError("torch is missing"), "torch is missing"),
        (SdzModelError("is damaged"), "is damaged"),
        (RuntimeError("CUDA out of memory"), "CUDA out of memory"),
        (OSError("libtorch.so: cannot open shared object file"), "libtorch.so: cannot open shared object file"),
        (SdzOptionError("unknown", field="PILLOW_SDZ_DTYPE"), "PILLOW_SDZ_DTYPE: unknown"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_enlarged_where_no_model_decodes(
    make: Thumbnailer, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def fail(_file: object) -> None:
        raise error

    monkeypatch.setattr(thumbnailer, "_decode_fully", fail)
    assert make("-v", "-s", 40, path, tmp_path / "t.png", with_models=True) == 0
    assert f"enlarged ({words})" in make.err
    assert pixels_of(tmp_path / "t.png").shape == (20, 40, 3)


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("error", [SdzTruncatedError("ends too early"), SdzLimitError("is too large")])
def test_no_thumbnail_of_what_is_damaged_or_beyond_limits(
    make: Thumbnailer, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_file: object) -> None:
        raise error

    monkeypatch.setattr(thumbnailer, "_decode_fully", fail)
    assert make("-s", 40, path, tmp_path / "t.png", with_models=True) == 1
    assert str(error) in make.err
    assert not (tmp_path / "t.png").exists()


@pytest.mark.slow
def test_the_shipped_model_decodes_small_pictures(make: Thumbnailer, tmp_path: Path) -> None:
    path = golden("v0-tiny-8/layers")
    assert make("-v", "-s", 128, path, tmp_path / "t.png", with_models=True) == 0
    assert make.err.strip().endswith("made from the decoded picture")
    with Image.open(path) as image:
        expected = np.asarray(image.resize((128, 85), Image.Resampling.BICUBIC)).astype(int)
    assert np.abs(pixels_of(tmp_path / "t.png") - expected).mean() < 1


def test_large_pictures_are_not_decoded_in_full(
    make: Thumbnailer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pillow_sdz.integrations.desktop.thumbnail.MOST_PIXELS", 192 * 128 - 1)
    assert make("-v", "-s", 128, golden("v0-tiny-8/layers"), tmp_path / "t.png", with_models=True) == 0
    assert make.err.strip().endswith("the preview, enlarged")


def test_small_pictures_keep_their_size(make: Thumbnailer, tmp_path: Path) -> None:
    assert make("-s", 2048, golden("v0-tiny-8/one_pixel"), tmp_path / "t.png") == 0
    assert pixels_of(tmp_path / "t.png").shape == (1, 1, 3)


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["exif", "xmp"])
def test_upright(make: Thumbnailer, tmp_path: Path, rgb: NDArray[np.uint8], orientation: int, kind: str) -> None:
    xmp = b'<rdf:Description tiff:Orientation="%d"/>' % orientation
    stored = Metadata(exif=orientation_exif(orientation)) if kind == "exif" else Metadata(xmp=xmp)
    (tmp_path / "a.sdz").write_bytes(file_of(rgb, metadata=stored))
    assert make("-s", 40, tmp_path / "a.sdz", tmp_path / "t.png", with_models=True) == 0
    with Image.open(tmp_path / "a.sdz") as image:
        expected = ImageOps.exif_transpose(image)
        assert np.array_equal(pixels_of(tmp_path / "t.png"), np.asarray(expected))


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_is_exact_even_where_colours_are_enlarged(make: Thumbnailer, tmp_path: Path, mode: str) -> None:
    rgb = toy_model.blocks(40, 20)
    alpha = np.random.default_rng(0).integers(0, 256, (20, 40), np.uint8)
    (tmp_path / "a.sdz").write_bytes(file_of(rgb, alpha, mode))
    assert make("-s", 40, tmp_path / "a.sdz", tmp_path / "t.png") == 0
    assert np.array_equal(pixels_of(tmp_path / "t.png")[..., -1], alpha)


@pytest.mark.usefixtures("toy")
def test_a_model_that_is_missing(make: Thumbnailer, tmp_path: Path, rgb: NDArray[np.uint8]) -> None:
    """With a preview matrix there is a thumbnail; without, an error that names the model."""
    (tmp_path / "a.sdz").write_bytes(file_of(rgb, fingerprint=b"12345678"))
    assert make(tmp_path / "a.sdz", tmp_path / "t.png", with_models=True) == 0
    (tmp_path / "b.sdz").write_bytes(file_of(rgb, fingerprint=b"12345678", preview=False))
    for with_models in (False, True):
        assert make(tmp_path / "b.sdz", tmp_path / "u.png", with_models=with_models) == 1
        assert b"12345678".hex() in make.err
    assert not (tmp_path / "u.png").exists()


def test_the_colour_profile_is_kept(make: Thumbnailer, tmp_path: Path) -> None:
    path = golden("v0-tiny-8/camera")  # Display P3
    assert make(path, tmp_path / "t.png") == 0
    with Image.open(tmp_path / "t.png") as image, Image.open(path) as original:
        assert image.info["icc_profile"] == original.info["icc_profile"]


def test_nothing_warns(make: Thumbnailer, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path in GOLDEN[::8]:
            assert make(path, tmp_path / "t.png") == 0
