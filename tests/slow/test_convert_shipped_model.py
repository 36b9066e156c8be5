"""From a photo to a file and back with the shipped model, through the command line alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cli_fakes import names_in
from in_memory import psnr
from PIL import Image

from pillow_sdz.cli import convert

if TYPE_CHECKING:
    from pathlib import Path

    from cli_fakes import Run


@pytest.fixture
def photos(tmp_path: Path, astronaut: Image.Image, chelsea: Image.Image) -> Path:
    astronaut.crop((100, 0, 292, 160)).save(tmp_path / "a.png")
    chelsea.crop((100, 60, 229, 157)).save(tmp_path / "b.jpg", quality=95)
    return tmp_path


def test_photos_there_and_back(run_real: Run, photos: Path) -> None:
    assert run_real("a.png", "b.jpg", "--device", "cpu") == 0, run_real.err
    assert "note" not in run_real.err
    assert run_real("a.sdz", "b.sdz", "-o", "back", "--device", "cpu") == 0, run_real.err
    for name, original in (("a", "a.png"), ("b", "b.jpg")):
        assert (photos / f"{name}.sdz").stat().st_size < 4000
        with Image.open(original) as before, Image.open(f"back/{name}.png") as after:
            assert before.size == after.size
            assert psnr(before, after) > 18


def test_threads_and_options_change_what_they_should(run_real: Run, photos: Path) -> None:
    for folder, *options in (("one",), ("two", "-j", "2"), ("small", "-q", "0"), ("fit", "--target-size", "1.2k")):
        assert run_real("a.png", "b.jpg", "-o", folder, *options) == 0, run_real.err
        assert names_in(photos / folder) == ["a.sdz", "b.sdz"]
    one, two, small, fit = ((photos / folder / "a.sdz").read_bytes() for folder in ("one", "two", "small", "fit"))
    assert one == two
    assert len(small) < len(one)
    assert len(fit) <= 1200
    assert run_real("a.png", "-o", "x.sdz", "--target-size", "50") == 1
    assert "target_size" in run_real.err
    assert not (photos / "x.sdz").exists()


def test_progress_of_refinement_is_shown_where_it_may_be(
    run_real: Run, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "BAR_DELAY", 0.0)
    assert run_real("a.png", "--effort", "5", "--progress", "always") == 0
    assert "refining" in run_real.err
    for options in (("--progress", "never"), ("-j", "2", "--progress", "always"), ("--effort", "3")):
        assert run_real("a.png", "--force", "--effort", "5", *options) == 0
        assert "refining" not in run_real.err


def test_progress_of_large_pictures_is_shown(run_real: Run, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "BAR_DELAY", 0.0)
    with Image.open(photos / "a.png") as photo:
        photo.resize((1032, 40)).save(photos / "wide.png")  # two tiles
    assert run_real("wide.png", "--effort", "0", "--progress", "always") == 0
    assert "encoding" in run_real.err
    assert run_real("wide.sdz", "-o", "back.png", "--progress", "always") == 0
    assert "decoding" in run_real.err


def test_files_of_the_model_pass_inspection(run_real: Run, photos: Path) -> None:
    assert run_real("a.png") == 0
    assert run_real("--test", "a.sdz") == 0
    assert run_real("--info", "a.sdz") == 0
    assert "tiny-" in run_real.out
    assert run_real("--preview", "a.sdz") == 0
    with Image.open("a.preview.png") as preview, Image.open("a.png") as photo:
        assert psnr(photo.resize(preview.size, Image.Resampling.BOX), preview) > 15
    assert run_real("a.png", "--model", "tinny", "--force") == 4
    assert "tinny" in run_real.err
