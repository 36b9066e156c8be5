"""Opening through Pillow: registration, info, pixels, copies, limits on the picture's size."""

from __future__ import annotations

import copy
import gc
import io
import mimetypes
import pickle
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
import toy_model
from in_memory import assert_pixels, opened, opened_sdz
from PIL import Image
from toy_files import direct_file_of, file_of

import pillow_sdz
from pillow_sdz import errors, limits
from pillow_sdz.container.magic import MAGIC, has_magic
from pillow_sdz.models import registry
from pillow_sdz.plugin.image_file import SdzImageFile

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from toy_model import Toy

pytestmark = pytest.mark.usefixtures("toy")


def test_registered(path: Path) -> None:
    assert Image.registered_extensions()[".sdz"] == "SDZ"
    assert Image.MIME["SDZ"] == "image/x-sdz"
    assert mimetypes.guess_type(path) == ("image/x-sdz", None)
    before = list(Image.ID)
    pillow_sdz.register_sdz_opener()
    assert before == Image.ID


def test_magic() -> None:
    assert has_magic(MAGIC + b"rest")
    assert not has_magic(b"PK\x03\x04")
    assert not has_magic(MAGIC[:-1])


def test_open_reads_what_the_headers_say(path: Path, data: bytes, toy: Toy) -> None:
    with Image.open(path) as image:
        assert image.format == "SDZ"
        assert image.format_description
        assert image.get_format_mimetype() == "image/x-sdz"
        assert (image.size, image.mode) == ((40, 20), "RGB")
        assert image.info == {
            "model": "tiny-99",
            "fingerprint": "746f79636f646563",
            "payload": "palette",
            "colors": (15,),
            "layers": 1,
            "missing_layers": 0,
            "patches": 0,
            "patched": 0.0,
            "bpp": 8 * len(data) / 800,
            "denoise_steps": 1,
            "steps": 1,
            "noise": 1.5,
        }
    assert not toy.loaded


def test_info_of_direct_codes(rgb: NDArray[np.uint8]) -> None:
    info = opened(direct_file_of(rgb)).info
    assert (info["payload"], info["colors"], info["layers"]) == ("direct", (), 1)


def test_model_is_named_where_it_is_known(rgb: NDArray[np.uint8]) -> None:
    assert opened(file_of(rgb)).info["model"] == toy_model.MANIFEST.full_name
    assert opened(file_of(rgb, fingerprint=b"whatever")).info["model"] == b"whatever".hex()


def test_open_does_not_mind_a_damaged_model_folder(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def installed() -> None:
        raise errors.SdzModelError("not a model manifest")

    monkeypatch.setattr(registry, "installed", installed)
    assert opened(data).info["model"] == "746f79636f646563"


def test_load(path: Path, rgb: NDArray[np.uint8]) -> None:
    with Image.open(path) as image:
        assert_pixels(image, rgb)
        assert image.load() is not None
        assert_pixels(image, rgb)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA"])
def test_modes(mode: str, rgb: NDArray[np.uint8]) -> None:
    rgb = rgb[:, :, :1].repeat(3, axis=2) if mode.startswith("L") else rgb
    alpha = np.arange(800, dtype=np.uint8).reshape(20, 40) if mode.endswith("A") else None
    image = opened(file_of(rgb, alpha, mode))
    assert image.mode == mode
    assert np.array_equal(np.asarray(image.convert("RGB")), rgb)
    if alpha is not None:
        assert np.array_equal(np.asarray(image.getchannel("A")), alpha)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (8, 8), (9, 17), (513, 3)])
def test_sizes(size: tuple[int, int]) -> None:
    rgb = toy_model.blocks(*size)
    image = opened(file_of(rgb))
    assert image.size == size
    assert_pixels(image, rgb)


def test_unknown_ancillary_sections_are_skipped(rgb: NDArray[np.uint8]) -> None:
    assert_pixels(opened(file_of(rgb, unknown=[(0xF0, b"later")])), rgb)


def test_a_failed_load_fails_again(data: bytes, toy: Toy) -> None:
    image = opened(data)
    toy.failure = errors.SdzModelError("no such model")
    for _ in range(3):
        with pytest.raises(errors.SdzModelError, match="no such model"):
            image.load()
    toy.failure = None
    image.load()
    assert image.getbbox() is not None


def test_errors_of_models_name_the_file(data: bytes, toy: Toy) -> None:
    image = opened(data)
    toy.failure = errors.SdzModelError("no such model")
    with pytest.raises(errors.SdzModelError, match=r"^<stream>: no such model"):
        image.load()


def test_decompression_bomb(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    image = opened(data)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    with pytest.raises(Image.DecompressionBombError):
        opened(data)
    with pytest.raises(Image.DecompressionBombError):  # also where Image.open was not asked
        SdzImageFile(io.BytesIO(data)).load()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    with pytest.warns(Image.DecompressionBombWarning):
        opened(data)
    image.load()  # no second warning


def test_own_size_limit(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_PIXELS", 799)
    with pytest.raises(errors.SdzLimitError, match="40 x 20"):
        opened(data)


def test_no_resource_warning(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Image.open(path):
            pass
        Image.open(path).load()
        image = Image.open(path)
        image.verify()
        image = Image.open(path)
        image.close()
        del image
        gc.collect()


def test_one_frame(data: bytes) -> None:
    image = opened_sdz(data)
    assert (image.n_frames, image.is_animated, image.tell()) == (1, False, 0)
    image.seek(0)
    with pytest.raises(EOFError):
        image.seek(1)
    image.load()
    with pytest.raises(EOFError):
        image.seek(1)


def test_pickle_and_copies(path: Path, rgb: NDArray[np.uint8]) -> None:
    with Image.open(path) as image:
        twin = pickle.loads(pickle.dumps(image))
    assert type(twin) is SdzImageFile
    assert (twin.format, twin.info) == ("SDZ", image.info)
    assert_pixels(twin, rgb)
    assert twin.n_frames == 1
    twin.load()
    with Image.open(path) as image:
        for other in (image.copy(), copy.copy(image), image.convert("RGB"), image.crop((0, 0, 40, 20))):
            assert_pixels(other, rgb)
            assert other.info == image.info
    again = pickle.loads(pickle.dumps(twin))
    assert_pixels(again, rgb)


def test_numpy_and_raw_bytes(data: bytes, rgb: NDArray[np.uint8]) -> None:
    assert opened(data).tobytes() == rgb.tobytes()
