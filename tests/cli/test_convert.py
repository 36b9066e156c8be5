"""Conversions in both directions with the toy model: pixels, modes, attributes, streams, links, previews."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import numpy as np
import pytest
import toy_model
from cli_fakes import Run, photo
from PIL import Image
from toy_files import file_of


def test_line_per_file_and_summary(run: Run, tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    photo(tmp_path / "b.png")
    assert run("a.png") == 0
    size = (tmp_path / "a.sdz").stat().st_size
    line = f"a.png -> a.sdz  {size:,} bytes  {8 * size / 960:.2f} bpp  0."
    assert run.err.startswith(line)
    assert run.err.count("\n") == 1
    assert run.out == ""
    assert run("a.png", "b.png", "--force") == 0
    assert run.err.splitlines()[-1].startswith("2 converted; ")


def test_round_trip_through_files(run: Run, tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    assert run("a.png") == 0
    assert run("a.sdz", "-o", "back.png") == 0
    with Image.open("a.sdz") as sdz, Image.open("back.png") as back:
        assert back.size == (40, 24)
        assert back.tobytes() == sdz.tobytes()
        assert back.mode == "RGB"


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "avif", "tif", "bmp", "gif", "qoi", "ppm", "jp2"])
def test_every_mode_into_common_formats(run: Run, tmp_path: Path, mode: str, suffix: str) -> None:
    photo(tmp_path / "a.png", mode=mode)
    assert run("a.png") == 0
    assert run("a.sdz", "-o", f"back.{suffix}") == 0, run.err
    with Image.open(f"back.{suffix}") as back:
        back.load()
        assert back.size == (40, 24)
        if suffix in ("png", "tif"):
            assert back.mode == mode
        if suffix in ("jpg", "ppm"):
            assert back.mode == mode.removesuffix("A")
            assert ("laid on white" in run.err) == (mode in ("LA", "RGBA"))


def test_flattening_lays_on_white(run: Run, tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert run("a.png") == 0
    assert run("a.sdz", "-o", "a.ppm") == 0
    with Image.open("a.ppm") as back:
        assert back.getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("suffix", ["pcx", "mpo"])
def test_alpha_is_laid_on_white_where_a_format_refuses_it(run: Run, tmp_path: Path, suffix: str) -> None:
    photo(tmp_path / "a.png", mode="RGBA")
    assert run("a.png") == 0
    assert run("a.sdz", "-o", f"b.{suffix}") == 0
    assert "laid on white" in run.err
    with Image.open(f"b.{suffix}") as back:
        assert back.mode == "RGB"


def test_time_and_mode_are_kept_unless_not_wanted(run: Run, tmp_path: Path) -> None:
    photo(tmp_path / "a.png").chmod(0o640)
    os.utime(tmp_path / "a.png", (10**9, 10**9 + 5))
    assert run("a.png") == 0
    assert run("a.sdz", "-o", "b.png") == 0
    for name in ("a.sdz", "b.png"):
        kept = (tmp_path / name).stat()
        assert (kept.st_mtime, stat.S_IMODE(kept.st_mode)) == (10**9 + 5, 0o640)
    assert run("a.png", "-o", "new.sdz", "--no-preserve") == 0
    new = (tmp_path / "new.sdz").stat()
    assert new.st_mtime > 1.5e9
    assert stat.S_IMODE(new.st_mode) & 0o600 == 0o600


def test_animation_keeps_its_first_frame_and_says_so(run: Run, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "green", "blue")]
    for name in ("a.gif", "b.webp"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        assert run(name) == 0
        assert f"{name}: note: only the first of 3 frames is kept" in run.err
        with Image.open((tmp_path / name).with_suffix(".sdz")) as sdz:
            red, green, blue = np.asarray(sdz.convert("RGB"))[3, 3].tolist()
            assert red > 200
            assert max(green, blue) < 60


def test_streams(run: Run, tmp_path: Path) -> None:
    data = photo(tmp_path / "a.png").read_bytes()
    assert run("-", stdin=data) == 0
    sdz = run.raw
    assert sdz.startswith(b"\x89SDZ")
    assert run("a.png", "-o", "-") == 0
    assert run.raw == sdz
    assert run("-", "-f", "webp", stdin=sdz) == 0
    with Image.open(io.BytesIO(run.raw)) as back:
        assert back.format == "WEBP"
    assert run("-", "-o", "named.png", stdin=sdz) == 0
    assert (tmp_path / "named.png").exists()
    assert "- -> named.png" in run.err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_device_as_output(run: Run, tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    photo(tmp_path / "b.png")
    assert run("a.png", "-o", "/dev/null") == 0
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    os.mkfifo(tmp_path / "pipe")
    pid = os.fork()
    if pid == 0:
        (tmp_path / "pipe").write_bytes((tmp_path / "a.png").read_bytes())
        os._exit(0)
    assert run("pipe", "-o", "c.sdz") == 0
    os.waitpid(pid, 0)
    assert (tmp_path / "c.sdz").exists()


def test_force_replaces_a_link_not_what_it_points_to(run: Run, tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "a.sdz").symlink_to("precious")
    assert run("a.png") == 1
    assert run("a.png", "--force") == 0
    assert not (tmp_path / "a.sdz").is_symlink()
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_link_as_input_is_followed(run: Run, tmp_path: Path) -> None:
    photo(tmp_path / "a.png").rename(tmp_path / "real")
    (tmp_path / "a.png").symlink_to("real")
    assert run("a.png") == 0
    assert (tmp_path / "a.sdz").exists()


def test_preview(run: Run, tmp_path: Path) -> None:
    picture = Image.new("RGB", (100, 60), (10, 200, 30))
    picture.paste((240, 20, 90), (48, 0, 100, 60))
    picture.save(tmp_path / "a.png")
    assert run("a.png") == 0
    assert run("a.sdz", "--preview") == 0
    with Image.open("a.preview.png") as small:
        assert small.size == (13, 8)
        assert small.getpixel((1, 4)) == (10, 200, 30)
        assert small.getpixel((11, 4)) == (240, 20, 90)
    (tmp_path / "no.sdz").write_bytes(file_of(toy_model.blocks(16, 16), preview=False))
    assert run("no.sdz", "--preview") == 1
    assert "no.sdz: no preview" in run.err
