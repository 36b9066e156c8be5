"""``pillow_sdz.write_latent`` and ``read_latent``: latents in, latents out, and files that open like all others."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import toy_model
from cli_fakes import names_in
from in_memory import saved
from PIL import Image

import pillow_sdz
from pillow_sdz.errors import SdzFormatError, SdzLimitError, SdzModelError, SdzOptionError
from pillow_sdz.payloads.codes import to_latents

if TYPE_CHECKING:
    from pathlib import Path

    from fresh import FreshPython
    from numpy.typing import NDArray
    from toy_model import Toy


@pytest.fixture
def latent(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The latent of a picture of 40x20 pixels, exactly on codes."""
    return to_latents(toy_model.codes_of(rgb), toy_model.STEP)


@pytest.mark.usefixtures("toy")
def test_a_latent_comes_back_and_opens_as_its_picture(
    latent: NDArray[np.float32], rgb: NDArray[np.uint8], tmp_path: Path
) -> None:
    pillow_sdz.write_latent(latent, tmp_path / "a.sdz", size=(40, 20), text={"prompt": "{}"})
    stored = pillow_sdz.read_latent(tmp_path / "a.sdz")
    np.testing.assert_array_equal(stored.latent, latent)
    assert stored.latent.dtype == np.float32
    assert (stored.width, stored.height, stored.factor, stored.model) == (40, 20, 8, "tiny-99")
    assert (stored.latent_scaling, stored.latent_shift, stored.text) == (1.0, 0.0, {"prompt": "{}"})
    with Image.open(tmp_path / "a.sdz") as image:
        assert (image.mode, image.size, image.info["prompt"]) == ("RGB", (40, 20), "{}")
        np.testing.assert_array_equal(np.asarray(image), rgb)
    assert names_in(tmp_path) == ["a.sdz"]


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("options", [{"colors": 16}, {"payload": "direct"}, {"target_size": 110}, {"quality": 70}])
def test_the_bytes_are_those_that_the_picture_gives(
    latent: NDArray[np.float32], rgb: NDArray[np.uint8], tmp_path: Path, options: dict[str, Any]
) -> None:
    """With the toy model, whose encoder gives exactly this latent, and which neither refines nor guards."""
    pillow_sdz.write_latent(latent, tmp_path / "a.sdz", size=(40, 20), **options)
    assert (tmp_path / "a.sdz").read_bytes() == saved(Image.fromarray(rgb), **options)


@pytest.mark.usefixtures("toy")
def test_without_a_size_the_picture_is_that_of_all_positions(latent: NDArray[np.float32], tmp_path: Path) -> None:
    pillow_sdz.write_latent(latent.astype(np.float64), tmp_path / "a.sdz")
    stored = pillow_sdz.read_latent(io.BytesIO((tmp_path / "a.sdz").read_bytes()))
    assert (stored.width, stored.height) == (40, 24)


@pytest.mark.usefixtures("toy")
def test_the_noise_is_in_units_of_the_latent(tmp_path: Path) -> None:
    latent = np.random.default_rng(0).normal(0, 0.5, (32, 32, 3)).astype(np.float32)
    pillow_sdz.write_latent(latent, tmp_path / "a.sdz", colors=64)
    stored = pillow_sdz.read_latent(tmp_path / "a.sdz")
    rms = float(np.sqrt(np.square(stored.latent - latent).mean()))
    assert stored.noise == pytest.approx(rms, abs=toy_model.STEP / 4)
    assert rms > toy_model.STEP, "palettes of 64 entries lose more than rounding"


@pytest.mark.usefixtures("toy")
def test_values_beyond_the_codes_are_limited_with_a_warning(latent: NDArray[np.float32], tmp_path: Path) -> None:
    far = latent.copy()
    far[0, 0] = (-99, 3, 128 * toy_model.STEP)
    with pytest.warns(UserWarning, match=r"^2 of 45 values of the latent are beyond 2, and were limited to it"):
        pillow_sdz.write_latent(far, tmp_path / "a.sdz")
    stored = pillow_sdz.read_latent(tmp_path / "a.sdz")
    assert (stored.latent[0, 0] / toy_model.STEP).tolist() == [-127.5, 127.5, 127.5]
    np.testing.assert_array_equal(stored.latent[1:], latent[1:])


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"guard": True}, "guard"),
        ({"error": "ssimulacra2"}, "error"),
        ({"error_map": True}, "error_map"),
        ({"payload": "pixels"}, "payload"),
        ({"profile": "buehlmann2022"}, "profile"),
    ],
)
def test_what_needs_the_picture_is_refused(
    latent: NDArray[np.float32], tmp_path: Path, options: dict[str, Any], field: str
) -> None:
    with pytest.raises(SdzOptionError, match=rf"a\.sdz: {field}: needs the picture"):
        pillow_sdz.write_latent(latent, tmp_path / "a.sdz", **options)
    assert names_in(tmp_path) == []


@pytest.mark.usefixtures("toy")
def test_latents_that_do_not_fit_are_refused_and_old_files_stay(latent: NDArray[np.float32], tmp_path: Path) -> None:
    target = tmp_path / "a.sdz"
    target.write_bytes(b"old")
    wide = np.zeros((2, 3, 16), np.float32)
    for bad in (wide, latent[None], latent[:, :, 0]):
        with pytest.raises(SdzOptionError, match=r"latent: does not fit model tiny-99 .*expected float32 \(h, w, 3\)"):
            pillow_sdz.write_latent(bad, target)
    several_types: tuple[Any, ...] = (latent.astype(np.uint8), latent.tolist())
    for wrong in several_types:
        with pytest.raises(SdzOptionError, match="latent: is no array of floats"):
            pillow_sdz.write_latent(wrong, target)
    for size in ((40, 16), (41, 20), (32, 20), (40, 25)):
        with pytest.raises(SdzOptionError, match=r"size: does not fit the latent .*expected 40x24"):
            pillow_sdz.write_latent(latent, target, size=size)
    with pytest.raises(SdzLimitError, match="height: "):
        pillow_sdz.write_latent(latent[:0], target)
    latent[0, 0, 0] = np.nan
    with pytest.raises(SdzModelError, match=r"latent: .*not finite"):
        pillow_sdz.write_latent(latent, target)
    with pytest.raises(SdzOptionError, match="did you mean colors"):
        pillow_sdz.write_latent(latent, target, colour=16)
    with pytest.raises(SdzModelError, match="no such model"):
        pillow_sdz.write_latent(latent, target, model="sd15")
    assert target.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.sdz"]


def test_files_without_a_latent_or_a_model_are_refused(
    latent: NDArray[np.float32], rgb: NDArray[np.uint8], tmp_path: Path, toy: Toy
) -> None:
    with pytest.raises(SdzFormatError, match=r"magic: not an \.sdz file"):
        pillow_sdz.read_latent(io.BytesIO(b"PK\x03\x04"))
    pillow_sdz.write(Image.fromarray(rgb), tmp_path / "p.sdz", payload="pixels")
    with pytest.raises(SdzFormatError, match=r"p\.sdz: payload: the file holds no latent"):
        pillow_sdz.read_latent(tmp_path / "p.sdz")
    pillow_sdz.write_latent(latent, tmp_path / "a.sdz")
    (tmp_path / "cut.sdz").write_bytes((tmp_path / "a.sdz").read_bytes()[:-9])
    with pytest.raises(SdzFormatError, match=r"cut\.sdz: "):
        pillow_sdz.read_latent(tmp_path / "cut.sdz")
    toy.manifests.clear()
    with pytest.raises(SdzModelError, match=r"a\.sdz: .*not installed"):
        pillow_sdz.read_latent(tmp_path / "a.sdz")
    with pytest.raises(FileNotFoundError):
        pillow_sdz.read_latent(tmp_path / "missing.sdz")


def test_the_shipped_model_without_torch(fresh_python: FreshPython) -> None:
    """The scalar payload, whose step bounds the error of each value."""
    fresh_python(
        """
        import sys
        sys.modules["torch"] = sys.modules["onnxruntime"] = None
        import numpy as np
        import pillow_sdz
        assert "numpy.linalg" in sys.modules and "pillow_sdz.codec.latents" not in sys.modules

        latent = np.random.default_rng(0).normal(0, 1, (9, 7, 8)).astype(np.float32)
        pillow_sdz.write_latent(latent, "a.sdz", step=4.0, size=(50, 72))
        stored = pillow_sdz.read_latent("a.sdz")
        code = 2 * 4.5 / 255
        # half a step, and half a code: the values come back on codes
        assert np.abs(stored.latent - latent).max() <= 2.5001 * code, np.abs(stored.latent - latent).max() / code
        assert (stored.model.partition("-")[0], stored.width, stored.height) == ("tiny", 50, 72)
        assert isinstance(stored, pillow_sdz.StoredLatent)
        """
    )
