"""Options of conversions, on their way to the encoder and the decoder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import guard_samples
from cli_fakes import Run, photo
from in_memory import saved
from PIL import Image

import pillow_sdz
from pillow_sdz.cli.command import command, settings_from

if TYPE_CHECKING:
    import pytest


def test_options_reach_the_encoder(run: Run, tmp_path: Path) -> None:
    """A file is byte by byte what ``save`` makes with the same options."""
    photo(tmp_path / "a.png", size=(160, 120))

    def same(arguments: str, **keywords: Any) -> bool:
        assert run("a.png", "--force", *arguments.split()) == 0
        with Image.open("a.png") as image:
            return Path("a.sdz").read_bytes() == saved(image, **keywords)

    assert same("--colors 64,16 --model other-2 --denoise-steps 3", colors=(64, 16), model="other-2", denoise_steps=3)
    with Image.open("a.sdz") as image:
        assert (image.info["colors"], image.info["model"], image.info["denoise_steps"]) == ((64, 16), "other-2", 3)
    assert same("--target-size 5KiB", target_size=5120)
    assert same("-q 7 --payload palette", quality=7, payload="palette")
    assert same("--effort 9", effort=9)
    assert not same("--effort 9", effort=0)
    assert same("")
    assert same("", quality=50, denoise_steps=None, effort=4)


def test_options_reach_the_decoder_and_do_not_stay(run: Run, tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    assert run("a.png") == 0
    limit = Image.MAX_IMAGE_PIXELS
    assert run("a.sdz", "-o", "b.png", "--denoise-steps", "0", "--device", "cpu", "--tile", "128") == 0
    assert run.toy.loaded[-1].device == "cpu"
    assert run.toy.model.denoised[-1].denoise_steps == 0
    assert run.toy.model.decoding_tiles == [128]
    decode = pillow_sdz.options.decode
    assert (decode.denoise_steps, decode.device, decode.tile_size) == (None, None, None)
    assert limit == Image.MAX_IMAGE_PIXELS


def test_encoding_options_without_an_sdz_to_write_are_pointed_out(run: Run, tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    assert run("a.png") == 0
    assert run("a.sdz", "-o", "b.jpg", "-q", "90", "--effort", "1") == 0
    assert "no .sdz is written here, so --quality, --effort has no effect" in run.err


def test_options_about_the_error_reach_save() -> None:
    def save(*arguments: str) -> dict[str, Any]:
        return settings_from(command.make_context("sdz-convert", ["a.png", *arguments]).params).save

    assert save() == {}
    assert save("--error", "yes") == {"error": True}
    assert save("--error", "no", "--error-map") == {"error": False, "error_map": True}
    assert save("--error", "ssimulacra2") == {"error": "ssimulacra2"}


def test_the_guard_can_be_turned_on_and_off(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def save(*arguments: str) -> dict[str, Any]:
        return settings_from(command.make_context("sdz-convert", ["a.png", *arguments]).params).save

    assert save("--guard") == {"guard": True}
    assert save("--no-guard") == {"guard": False}
    guard_samples.install_detector(monkeypatch)
    Image.fromarray(guard_samples.page()).save("a.png")
    kinds = {}
    for option in ("--guard", "--no-guard"):
        assert run("a.png", option, "--force") == 0
        with Image.open("a.sdz") as image:
            kinds[option] = image.info["payload"]
    assert kinds == {"--guard": "pixels", "--no-guard": "direct"}
    assert run("a.sdz", "-o", "b.png", "--guard") == 0
    assert "no .sdz is written here, so --guard has no effect" in run.err


def test_the_old_name_of_denoise_steps(run: Run, tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    assert run("a.png", "--steps", "3") == 0
    assert "--steps is deprecated: it is called --denoise-steps now" in run.err
    with Image.open("a.sdz") as image:
        assert image.info["denoise_steps"] == 3
    assert run("a.sdz", "-o", "b.png", "--steps", "2") == 0
    assert run.toy.model.denoised[-1].denoise_steps == 2
    assert run("a.png", "--steps", "3", "--denoise-steps", "3", "--force") == 2
    assert "exclude each other" in run.err
    assert run("--help") == 0
    assert "--denoise-steps" in run.out
    assert "--steps" not in run.out
