"""The guard: what the encoder stores as pixels because the model does not keep it, and what it never does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import guard_samples
import numpy as np
import pytest
from guard_samples import SIGN, in_mode, page, photo, plain
from in_memory import assert_pixels, opened, opened_sdz, psnr, saved
from PIL import AvifImagePlugin, Image
from pytorch_msssim import ms_ssim
from torch import from_numpy

from pillow_sdz.codec.guard import detector
from pillow_sdz.codec.guard.settings import WITHOUT_MODEL
from pillow_sdz.errors import SdzDependencyError, SdzModelError, SdzOptionError

if TYPE_CHECKING:
    from pathlib import Path

    from fresh import FreshPython
    from numpy.typing import NDArray
    from toy_model import Toy

ASKED = ({"payload": "direct"}, {"payload": "palette", "quality": 60}, {"colors": 64}, {"colors": (9, 9)})

INNER = tuple(slice(side.start + 8, side.stop - 8) for side in SIGN)
"""The sign without the cells at its edge, where patches fade."""

GUARDED: dict[str, Any] = {"guard": True, "payload": "direct"}


@pytest.fixture(autouse=True)
def guard(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    guard_samples.install_detector(monkeypatch)


def without_patches(data: bytes) -> NDArray[np.uint8]:
    image = opened_sdz(data)
    image.patches = False
    return np.array(image)


def error(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(int) - other).mean())


def test_lettering_is_stored_and_blended() -> None:
    picture = Image.fromarray(photo())
    data, unguarded = saved(picture, **GUARDED), saved(picture, guard=False, payload="direct")
    image = opened(data)
    assert image.info["patches"] == 1
    assert 0.02 < image.info["patched"] < 0.1
    shown, alone = np.array(image), np.array(opened(unguarded))
    assert error(shown[INNER], photo()[INNER]) < 0.5 * error(alone[INNER], photo()[INNER])
    outside = np.ones(shown.shape[:2], bool)
    outside[40:80, 32:96] = False  # the cells beside the sign may be patched, too
    assert np.array_equal(shown[outside], alone[outside])
    assert np.array_equal(without_patches(data), alone)


def test_what_the_model_keeps_is_not_stored_twice() -> None:
    assert opened(saved(Image.fromarray(plain()), **GUARDED)).info["patches"] == 0


def test_without_the_guard_there_are_no_patches_and_no_figures() -> None:
    info = opened(saved(Image.fromarray(photo()), guard=False, payload="direct")).info
    assert info["patches"] == 0
    assert "psnr" not in info


@pytest.mark.parametrize("effort", [0, 3, 9])
def test_every_effort_can_be_guarded(effort: int) -> None:
    assert opened(saved(Image.fromarray(photo()), **GUARDED, effort=effort)).info["patches"]


def test_the_guard_is_on_from_effort_3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pillow_sdz.options.saving.GUARDED_EFFORT", 3)  # as it is without the toy model
    picture = Image.fromarray(photo())
    assert opened(saved(picture, payload="direct")).info["patches"]
    assert opened(saved(picture, payload="direct", effort=3)).info["patches"]
    assert not opened(saved(picture, payload="direct", effort=2)).info["patches"]
    assert "psnr" not in opened(saved(picture, payload="direct", effort=2)).info
    assert not opened(saved(picture, payload="direct", guard=False)).info["patches"]


def test_a_page_of_text_becomes_pixels() -> None:
    data = saved(Image.fromarray(page()), guard=True)
    info = opened(data).info
    assert (info["payload"], info["model"], info["patches"]) == ("pixels", None, 0)
    assert (info["synthesised"], info["patched"], info["whole"]) == (0.0, 0.0, 1.0)
    assert psnr(opened(data), page()) > 15
    assert opened(saved(Image.fromarray(page()), guard=False)).info["payload"] == "direct"


@pytest.mark.parametrize("asked", ASKED)
def test_what_is_asked_for_is_never_replaced_by_pixels(asked: dict[str, Any]) -> None:
    info = opened(saved(Image.fromarray(page()), guard=True, **asked)).info
    assert info["payload"] == asked.get("payload", "palette")
    assert info["whole"] == 0.0


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_every_mode_can_have_patches(mode: str) -> None:
    image = in_mode(photo(), mode)
    data = saved(image, **GUARDED)
    again = opened(data)
    assert (again.mode, bool(again.info["patches"])) == (mode, True)
    if mode.endswith("A"):
        assert_pixels(again.getchannel("A"), image.getchannel("A"))
    colour = mode.rstrip("A")
    shown, alone = np.array(again.convert(colour)), np.array(Image.fromarray(without_patches(data)).convert(colour))
    truth = np.array(image.convert(colour))
    assert error(shown[INNER], truth[INNER]) < 0.5 * error(alone[INNER], truth[INNER])


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_every_mode_can_become_pixels(mode: str) -> None:
    image = in_mode(page(), mode)
    again = opened(saved(image, guard=True))
    assert (again.mode, again.info["payload"]) == (mode, "pixels")
    if mode.endswith("A"):
        assert_pixels(again.getchannel("A"), image.getchannel("A"))
    one, other = (each.convert(mode.rstrip("A")) for each in (again, image))
    assert psnr(one, other) > 15


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("whole", [False, True])
def test_the_stored_figures_are_those_of_the_picture_as_shown(mode: str, *, whole: bool) -> None:
    original = in_mode(page() if whole else photo(), mode)
    again = opened(saved(original, guard=True, **({} if whole else {"payload": "direct"})))
    colour = mode.rstrip("A")
    one, other = (np.array(each.convert(colour)) for each in (original, again))
    assert again.info["psnr"] == pytest.approx(psnr(one, other), abs=0.1)
    tensors = [from_numpy(each.reshape(1, 176, 176, -1)).permute(0, 3, 1, 2).double() for each in (one, other)]
    expected = float(ms_ssim(*tensors, data_range=255))
    decibels = [-10 * np.log10(1 - value) for value in (again.info["ms_ssim"], expected)]
    assert decibels[0] == pytest.approx(decibels[1], abs=0.1)
    shares = again.info["synthesised"], again.info["patched"], again.info["whole"]
    assert sum(shares) == pytest.approx(1, abs=0.006)  # stored in percent
    assert bool(shares[1]) != whole


def test_qualities_that_models_do_not_reach_are_pixels() -> None:
    picture = Image.fromarray(photo())
    assert opened(saved(picture, guard=True, quality=WITHOUT_MODEL)).info["payload"] == "pixels"
    best = opened(saved(picture, guard=True, quality=100))
    assert_pixels(best, picture)
    assert best.info["psnr"] == 100.0
    assert opened(saved(picture, guard=False, quality=100)).info["payload"] == "direct"
    sizes = [len(saved(picture, guard=True, quality=quality)) for quality in (79, 85, 92, 99, 100)]
    assert sizes == sorted(sizes)


def test_pixels_of_a_high_quality_need_no_torch(tmp_path: Path, fresh_python: FreshPython) -> None:
    Image.fromarray(photo()).save(tmp_path / "a.png")
    fresh_python(
        """
        import sys
        import pillow_sdz
        from PIL import Image
        for quality in (79, 99, 100):
            Image.open(sys.argv[1]).save("a.sdz", quality=quality, error_map=True)
            with Image.open("a.sdz") as image:
                image.load()
                assert image.info["whole"] == 1.0
        heavy = {"torch", "diffusers", "safetensors", "onnxruntime"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
        """,
        str(tmp_path / "a.png"),
    )


def test_a_published_experiment_is_not_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SdzOptionError, match="guard: cannot be given together with profile"):
        saved(Image.fromarray(photo()), guard=True, profile="buehlmann2022")


def test_steps_beyond_those_that_readers_take_give_no_notice() -> None:
    image = opened(saved(Image.fromarray(photo()), **GUARDED, denoise_steps=255))
    assert image.info["denoise_steps"] == 255


def test_another_runtime_for_decoding_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The encoder has loaded the model in torch, which alone has every model."""
    monkeypatch.setenv("PILLOW_SDZ_RUNTIME", "onnx")
    assert opened(saved(Image.fromarray(photo()), **GUARDED)).info["patches"] == 1


def test_settings_of_patches_are_for_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = saved(Image.fromarray(photo()), **GUARDED)
    monkeypatch.setattr("pillow_sdz.options.decode.patches", False)
    monkeypatch.setattr("pillow_sdz.options.decode.denoise_steps", 7)
    assert saved(Image.fromarray(photo()), **GUARDED) == expected


@pytest.mark.parametrize("damage", ["missing", "other"])
def test_damaged_weights_of_the_detector_are_named(
    tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the real detector
    weights = tmp_path / "detector.safetensors"
    if damage == "other":
        weights.write_bytes(b"other")
    detector._network.cache_clear()
    monkeypatch.setattr(detector, "WEIGHTS_PATH", weights)
    with pytest.raises(SdzModelError, match=r"detector\.safetensors.*; install the model again"):
        Image.fromarray(photo()).save(tmp_path / "a.sdz", effort=0, guard=True)
    assert not (tmp_path / "a.sdz").exists()


def test_the_same_bytes_again_and_from_many_threads() -> None:
    pictures = [Image.fromarray(photo(seed)) for seed in range(6)]
    one_by_one = [saved(each, **GUARDED) for each in pictures]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda each: saved(each, **GUARDED), pictures)) == one_by_one


def test_saving_leaves_the_picture_alone() -> None:
    for rgb, options in ((photo(), GUARDED), (page(), {"guard": True})):
        image = Image.fromarray(rgb)
        saved(image, **options)
        assert_pixels(image, rgb)


def test_without_avif_pictures_are_saved_without_the_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = Image.fromarray(photo())
    unguarded = saved(picture, guard=False, payload="direct")
    monkeypatch.setattr(AvifImagePlugin, "SUPPORTED", False)
    monkeypatch.setattr("pillow_sdz.options.saving.GUARDED_EFFORT", 3)
    with pytest.warns(UserWarning, match="saved without the guard: this Pillow has no AVIF"):
        assert saved(picture, payload="direct") == unguarded
    with pytest.raises(SdzDependencyError, match="no AVIF"):
        saved(picture, **GUARDED)
