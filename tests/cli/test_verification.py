"""--test --against: what a file says about its error is measured again; and --info, which says it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import guard_samples
import numpy as np
import pytest
from cli_fakes import names_in
from measured_files import SIDE, measured_file, original
from PIL import Image

from pillow_sdz.cli.verification import different_cells
from pillow_sdz.container.sections import build, parse
from pillow_sdz.container.stored_error import build_error_map, parse_error_map

if TYPE_CHECKING:
    from pathlib import Path

    from cli_fakes import Run


@pytest.fixture
def pair(run: Run, tmp_path: Path) -> Path:
    """cat.png and cat.sdz; ``run`` has installed the toy model."""
    Image.fromarray(original()).save(tmp_path / "cat.png")
    (tmp_path / "cat.sdz").write_bytes(measured_file(original()))
    return tmp_path


def test_true_figures_pass(run: Run, pair: Path) -> None:
    assert run("--test", "--against", "cat.png", "cat.sdz") == 0
    assert run.err == "cat.sdz: ok\n"
    lines = run.out.splitlines()
    assert lines[0] == "cat.sdz:"
    assert lines[1].split() == ["stored", "measured"]
    assert [line.split()[0] for line in lines[2:]] == ["PSNR", "MS-SSIM", "error"]
    _, stored, unit, measured, other = lines[2].split()
    assert (unit, other) == ("dB", "dB")
    assert float(stored) == pytest.approx(float(measured), abs=0.011)
    assert 20 < float(measured) < 35
    assert lines[4].endswith("0 of 36 cells differ")
    assert names_in(pair) == ["cat.png", "cat.sdz"]


def test_as_json(run: Run, pair: Path) -> None:
    assert run("--test", "--against", "cat.png", "cat.sdz", "--json") == 0
    found = json.loads(run.out)
    assert (found["status"], found["agrees"], found["against"], found["different_cells"]) == (
        "done",
        True,
        "cat.png",
        0,
    )
    assert set(found["stored"]) == set(found["measured"]) == {"PSNR", "MS-SSIM", "SSIMULACRA 2"}
    assert found["stored"]["PSNR"] == pytest.approx(found["measured"]["PSNR"], abs=0.006)
    assert found["measured"]["SSIMULACRA 2"] is None


@pytest.mark.parametrize(
    ("lie", "named"),
    [
        ({"psnr": 30.0}, "PSNR"),
        ({"psnr": 100.0}, "PSNR"),
        ({"ms_ssim": 0.999}, "MS-SSIM"),
        ({"patched": 0.1, "synthesised": 0.9}, "synthesised share, patched share"),
        ({"whole": 1.0, "synthesised": 0.0}, "synthesised share, whole share"),
    ],
)
def test_lies_are_found(run: Run, pair: Path, lie: dict[str, float], named: str) -> None:
    (pair / "cat.sdz").write_bytes(measured_file(original(), lies=lie))
    assert run("--test", "--against", "cat.png", "cat.sdz") == 1
    assert f"cat.sdz: what it says about its error is not what was measured here: {named}\n" in run.err
    assert "ok" not in run.err
    assert "PSNR" in run.out
    assert ("disagrees" in run.out) == ("share" not in named)
    assert run("--test", "cat.sdz") == 0, "without an original nothing is measured"


def test_small_differences_pass(run: Run, pair: Path) -> None:
    assert run("--test", "--against", "cat.png", "cat.sdz", "--json") == 0
    true = json.loads(run.out)["measured"]
    for difference, code in ((0.08, 0), (0.12, 1)):
        (pair / "cat.sdz").write_bytes(measured_file(original(), lies={"psnr": true["PSNR"] + difference}))
        assert run("--test", "--against", "cat.png", "cat.sdz") == code
        loss = (1 - true["MS-SSIM"]) * 10 ** (difference / 10)
        (pair / "cat.sdz").write_bytes(measured_file(original(), lies={"ms_ssim": 1 - loss}))
        assert run("--test", "--against", "cat.png", "cat.sdz") == code


def test_ssimulacra2_is_measured_where_it_is_stored(run: Run, pair: Path) -> None:
    pytest.importorskip("ssimulacra2")
    (pair / "cat.sdz").write_bytes(measured_file(original(), score=True))
    assert run("--test", "--against", "cat.png", "cat.sdz", "--json") == 0
    found = json.loads(run.out)
    assert found["stored"]["SSIMULACRA 2"] == pytest.approx(found["measured"]["SSIMULACRA 2"], abs=0.006)
    lie = found["measured"]["SSIMULACRA 2"] + 0.4
    (pair / "cat.sdz").write_bytes(measured_file(original(), lies={"ssimulacra2": lie}))
    assert run("--test", "--against", "cat.png", "cat.sdz") == 1
    assert "SSIMULACRA 2\n" in run.err


def test_a_wrong_map_is_found(run: Run, pair: Path) -> None:
    container = parse((pair / "cat.sdz").read_bytes())
    assert container.error_map is not None
    levels = parse_error_map(container.error_map, SIDE, SIDE)
    levels[2, 3] -= 2
    container.error_map = build_error_map(levels)
    (pair / "cat.sdz").write_bytes(build(container))
    assert run("--test", "--against", "cat.png", "cat.sdz") == 1
    assert "error map\n" in run.err
    assert "1 of 36 cells differ" in run.out


def test_cells_that_hardly_differ_do_not_count() -> None:
    stored = np.array([[0, 3, 9, 4, 15]], np.uint8)
    assert different_cells(stored, np.array([[3, 1, 10, 5, 14]], np.uint8)) == 0
    assert different_cells(stored, np.array([[4, 1, 11, 2, 13]], np.uint8)) == 4


def test_files_without_figures_fail(run: Run, pair: Path) -> None:
    container = parse((pair / "cat.sdz").read_bytes())
    container.error = container.error_map = None
    (pair / "cat.sdz").write_bytes(build(container))
    assert run("--test", "--against", "cat.png", "cat.sdz") == 1
    assert "says nothing about its error" in run.err


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA"])
def test_other_modes(run: Run, tmp_path: Path, mode: str) -> None:
    rgb = original(3)
    if mode.startswith("L"):
        rgb = np.array(Image.fromarray(rgb).convert("L").convert("RGB"))
    picture = Image.fromarray(rgb).convert(mode)
    if mode.endswith("A"):
        picture.putalpha(200)
    picture.save(tmp_path / "cat.png")
    (tmp_path / "cat.sdz").write_bytes(measured_file(rgb, mode))
    assert run("--test", "--against", "cat.png", "cat.sdz") == 0


def test_the_wrong_size(run: Run, pair: Path) -> None:
    Image.fromarray(original()[:, :170]).save(pair / "cat.png")
    assert run("--test", "--against", "cat.png", "cat.sdz") == 1
    assert "cat.sdz: the original cat.png has 170 x 176 pixels, and the file 176 x 176\n" in run.err
    (pair / "wide.sdz").write_bytes(measured_file(original()[:170]))
    assert run("--test", "--against", "cat.png", "wide.sdz") == 1
    assert "encoding does not rotate pixels" in run.err


def test_the_orientation_is_that_of_the_converter(run: Run, tmp_path: Path) -> None:
    """As in a conversion, pixels are taken as they are, and EXIF says how to turn them."""
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb = original()[:168]
    Image.fromarray(rgb).save(tmp_path / "cat.png", exif=exif)
    (tmp_path / "cat.sdz").write_bytes(measured_file(rgb))
    assert run("--test", "--against", "cat.png", "cat.sdz") == 0


def test_a_directory_of_originals(run: Run, tmp_path: Path) -> None:
    for number, folder in enumerate(("", "sub")):
        (tmp_path / "in" / folder).mkdir()
        (tmp_path / "out" / folder).mkdir()
        for seed, name in enumerate(("a", "b.c")):
            rgb = original(10 * number + seed)
            Image.fromarray(rgb).save(tmp_path / "in" / folder / f"{name}.png")
            (tmp_path / "out" / folder / f"{name}.sdz").write_bytes(measured_file(rgb))
    assert run("--test", "-r", "out", "--against", "in") == 0
    assert "4 tested" in run.err
    (tmp_path / "in" / "a.png").unlink()
    (tmp_path / "in" / "b.c.webp").write_bytes((tmp_path / "in" / "b.c.png").read_bytes())
    assert run("--test", "-r", "out", "--against", "in") == 1
    assert "one original called a is expected in in: none" in run.err
    assert "one original called b.c is expected in in: b.c.png, b.c.webp" in run.err
    assert "2 tested, 2 failed" in run.err


def test_wrong_usage(run: Run, pair: Path) -> None:
    (pair / "dog.sdz").write_bytes((pair / "cat.sdz").read_bytes())
    assert run("--test", "cat.sdz", "dog.sdz", "--against", "cat.png") == 2
    assert "several files need a directory of originals" in run.err
    assert run("--info", "cat.sdz", "--against", "cat.png") == 2
    assert "--against is for --test" in run.err
    assert run("--test", "cat.sdz", "--against", "dog.png") == 1
    assert "the original dog.png: no such file" in run.err
    assert run("--test", "-", "--against", ".", stdin=(pair / "cat.sdz").read_bytes()) == 1
    assert "standard input has no name" in run.err
    assert run("--test", "-", "--against", "cat.png", stdin=(pair / "cat.sdz").read_bytes()) == 0
    (pair / "cat.png").write_bytes(b"no picture")
    assert run("--test", "cat.sdz", "--against", "cat.png") == 1
    assert "does not recognise" in run.err


def test_a_missing_model_is_unavailable(run: Run, pair: Path) -> None:
    container = parse((pair / "cat.sdz").read_bytes())
    container.header = replace(container.header, fingerprint=b"whatever")
    (pair / "cat.sdz").write_bytes(build(container))
    assert run("--test", "cat.sdz") == 0
    assert run("--test", "cat.sdz", "--against", "cat.png") == 4


def test_info_says_it_in_words(run: Run, pair: Path) -> None:
    assert run("--info", "cat.sdz") == 0
    (line,) = [line for line in run.out.splitlines() if "as decoded" in line]
    assert "dB PSNR, MS-SSIM 0." in line
    assert line.endswith("; 100 % of the area is synthesised")
    assert "6 x 6 cells of 32 pixels" in run.out
    assert "error 15, error map" in run.out
    assert run("--info", "--json", "cat.sdz") == 0
    found = json.loads(run.out)
    assert set(found["stored_error"]) == {"psnr", "ms_ssim", "synthesised", "patched", "whole"}
    assert (found["error_map"]["cell"], found["error_map"]["columns"], found["error_map"]["rows"]) == (32, 6, 6)
    levels = np.array(found["error_map"]["levels"])
    assert levels.shape == (6, 6)
    assert levels.min() >= 5


def test_info_of_files_that_say_nothing(run: Run, pair: Path) -> None:
    container = parse((pair / "cat.sdz").read_bytes())
    container.error = container.error_map = None
    (pair / "cat.sdz").write_bytes(build(container))
    assert run("--info", "cat.sdz") == 0
    assert "as decoded" not in run.out
    assert run("--info", "--json", "cat.sdz") == 0
    assert json.loads(run.out)["stored_error"] is json.loads(run.out)["error_map"] is None


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("whole", [False, True])
def test_what_the_guard_makes_is_verified(run: Run, monkeypatch: pytest.MonkeyPatch, mode: str, *, whole: bool) -> None:
    guard_samples.install_detector(monkeypatch)
    image = guard_samples.in_mode(guard_samples.page() if whole else guard_samples.photo(), mode)
    if mode.endswith("A"):
        image.paste((0,) * len(mode), (8, 8, 40, 40))  # colours that are not stored
    image.save("a.png")
    options = [] if whole else ["--payload", "direct"]
    assert run("a.png", "--guard", "--error-map", *options) == 0
    assert run("--test", "a.sdz", "--against", "a.png") == 0
    with Image.open("a.sdz") as again:
        assert again.info["payload"] == ("pixels" if whole else "direct")
        assert bool(again.info["patches"]) != whole
