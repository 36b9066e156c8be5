"""Files of payload kind pixels: saved, opened, previewed, described; without a model and without torch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from in_memory import assert_pixels, opened, opened_sdz, psnr, saved, through
from PIL import Image
from pixel_samples import CODINGS, HEIGHT, WIDTH, letters, pixels_file
from toy_model import blocks

from pillow_sdz.codec.file import read
from pillow_sdz.container.sections import parse
from pillow_sdz.errors import SdzDependencyError, SdzOptionError
from pillow_sdz.payloads.pixels import streams

if TYPE_CHECKING:
    from pathlib import Path

    from cli_fakes import Run
    from fresh import FreshPython


def picture(mode: str = "RGB") -> Image.Image:
    """Letters, with a disc of alpha where the mode has it."""
    image = Image.fromarray(letters()).convert(mode.rstrip("A") or "RGB")
    if "A" in mode:
        image.putalpha(Image.radial_gradient("L").resize(image.size))
    return image


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_every_mode_comes_back_losslessly(mode: str) -> None:
    image = picture(mode)
    again = through(image, payload="pixels", quality=100)
    assert again.mode == mode
    assert_pixels(again, image)


def test_what_the_header_and_info_say() -> None:
    again = opened_sdz(saved(picture(), payload="pixels", text={"Title": "letters"}))
    assert again.info["model"] is None
    facts = {key: again.info[key] for key in ("payload", "fingerprint", "noise", "denoise_steps", "patches", "patched")}
    assert facts == {
        "payload": "pixels", "fingerprint": "00" * 8, "noise": 0, "denoise_steps": 0, "patches": 0, "patched": 0,
    }  # fmt: skip
    assert again.info["Title"] == "letters"
    container = parse(saved(again, payload="pixels"))  # facts are not saved as texts
    assert container.metadata.keys() == {"text"}
    assert not container.header.synthesised
    assert container.preview is None


@pytest.mark.parametrize("coding", CODINGS)
def test_files_of_every_coding_decode(coding: str) -> None:
    image = opened(pixels_file(coding))
    assert image.size == (WIDTH, HEIGHT)
    if coding == "vp8l":
        assert_pixels(image, letters())
    else:
        assert psnr(image, letters()) > 17
    opened(pixels_file(coding)).verify()


def test_quality_decides() -> None:
    rough = np.asarray(Image.fromarray(blocks(200, 160)).resize((400, 320), Image.Resampling.BICUBIC)).astype(float)
    photo = Image.fromarray((rough + np.random.default_rng(0).normal(0, 9, rough.shape)).clip(0, 255).astype(np.uint8))
    files = [saved(photo, payload="pixels", quality=quality) for quality in (5, 50, 90, 100)]
    assert [len(data) for data in files] == sorted({len(data) for data in files})
    errors = [psnr(opened(data), photo) for data in files[:3]]
    assert errors == sorted(errors)


def test_thumbnails_and_drafts_are_means_of_pixels() -> None:
    image = Image.fromarray(blocks(320, 200))
    data = saved(image, payload="pixels", quality=100)
    small = opened(data)
    small.draft(None, (40, 25))
    assert small.size == (40, 25)
    assert_pixels(small, np.asarray(image)[::8, ::8])
    again = opened(data)
    again.draft(None, (10, 6))
    assert_pixels(again, image.reduce(32))
    thumbnail = opened(data)
    thumbnail.thumbnail((40, 40))
    assert_pixels(thumbnail, np.asarray(image)[::8, ::8])
    large = opened(data)
    large.thumbnail((200, 200))  # between the picture and its largest preview
    assert large.size == (200, 125)
    uneven = opened(pixels_file("vp8l"))
    assert uneven.draft(None, (9, 7)) == ("RGB", (0, 0, WIDTH / 8, HEIGHT / 8))
    assert uneven.size == (9, 7)
    assert_pixels(uneven, Image.fromarray(letters()).reduce(8))


def test_alpha_of_previews() -> None:
    data = saved(picture("RGBA"), payload="pixels", quality=100)
    small = opened(data)
    small.draft(None, (9, 7))
    assert_pixels(small.getchannel("A"), picture("RGBA").getchannel("A").reduce(8))


def test_options_that_contradict() -> None:
    with pytest.raises(SdzOptionError, match="target_size"):
        saved(picture(), payload="pixels", target_size=2000)


def test_without_avif_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import AvifImagePlugin

    data = pixels_file("av1")
    monkeypatch.setattr(AvifImagePlugin, "SUPPORTED", False)
    for action in (lambda: opened(data).load(), lambda: saved(picture(), payload="pixels"), opened(data).verify):
        with pytest.raises(SdzDependencyError, match=r"this Pillow has no AVIF; pip install 'Pillow>=11.3'"):
            action()
    assert opened(data).info["payload"] == "pixels"  # all but the pixels is there
    assert_pixels(opened(pixels_file("vp8l")), letters())


def test_a_foreign_plugin_for_avif_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Formats are found by Pillow's own readers, not by the registry that other packages add to."""
    monkeypatch.setattr(Image, "OPEN", {})
    assert read(pixels_file("av1")).codes().shape == (HEIGHT, WIDTH, 3)


def test_no_model_and_no_torch(fresh_python: FreshPython, tmp_path: Path) -> None:
    """Saving, opening, previewing and testing, with a folder of models that does not exist."""
    for coding in CODINGS:
        (tmp_path / f"{coding}.sdz").write_bytes(pixels_file(coding))
    fresh_python(
        """
        import sys
        import pillow_sdz
        from PIL import Image
        from pillow_sdz.models import registry
        def nothing(*arguments, **keywords):
            raise AssertionError("a model was looked for")
        registry.find = registry.load = registry.load_onnx = registry.find_by_fingerprint = nothing
        registry.with_fingerprint = registry.name_of = registry.find_fitting = nothing
        for path in sys.argv[1:]:
            with Image.open(path) as image:
                image.verify()
            with Image.open(path) as image:
                image.thumbnail((8, 8))
                image.load()
            with Image.open(path) as image:
                image.save("again.sdz", payload="pixels", quality=70)
            Image.open("again.sdz").load()
        heavy = {"torch", "diffusers", "safetensors", "imagequant", "onnxruntime"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
        """,
        *(str(tmp_path / f"{coding}.sdz") for coding in CODINGS),
    )


def test_command_line(tmp_path: Path, run: Run) -> None:
    (tmp_path / "a.sdz").write_bytes(pixels_file("av1"))
    path = str(tmp_path / "a.sdz")
    assert run("--info", path) == 0
    for line in ("model    none needed", "payload  pixels, AV1, 4:2:0", "detail   none synthesised", "preview  yes"):
        assert line in run.out
    assert "latent" not in run.out
    assert "U-Net" not in run.out
    assert run("--info", "--json", path) == 0
    found = json.loads(run.out)
    assert (found["model"], found["payload"], found["patches"]) == (None, "pixels", 0)
    assert found["layers"][0]["coding"] == "av1"
    assert run("--test", path) == 0
    assert run(path, "-o", str(tmp_path / "b.png")) == 0
    with Image.open(tmp_path / "a.sdz") as sdz, Image.open(tmp_path / "b.png") as png:
        assert_pixels(png, sdz)
    assert run(path, "--preview", "-o", str(tmp_path / "small.png")) == 0
    assert run(str(tmp_path / "b.png"), "--payload", "pixels", "--quality", "100", "-o", str(tmp_path / "c.sdz")) == 0
    with Image.open(tmp_path / "c.sdz") as sdz, Image.open(tmp_path / "b.png") as png:
        assert_pixels(sdz, png)


def test_the_encoder_refuses_what_its_reader_would_not_open(monkeypatch: pytest.MonkeyPatch) -> None:
    real = streams._saved

    def another(*arguments: object) -> bytes:
        """An encoder that leaves the reduced still picture header out."""
        whole = bytearray(real(*arguments))  # type: ignore[arg-type]
        at = whole.index(b"mdat") + 4 + 2 + 2  # a temporal delimiter, and the head of the sequence header
        whole[at] &= 0b1111_0111
        return bytes(whole)

    monkeypatch.setattr(streams, "_saved", another)
    with pytest.raises(SdzDependencyError, match="makes streams that the format does not admit"):
        saved(picture(), payload="pixels")
