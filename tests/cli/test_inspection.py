"""--info, --test and --version."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import PIL
import pytest
import toy_model
from cli_fakes import Run, photo
from toy_files import file_of

import pillow_sdz
from pillow_sdz.container.metadata import Metadata
from pillow_sdz.container.sections import build, parse

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def sdz(tmp_path: Path) -> bytes:
    picture = toy_model.blocks(40, 24)
    alpha = np.full((24, 40), 7, np.uint8)
    metadata = Metadata(icc=b"icc" * 9, exif=b"exif", xmp=b"<xmp/>", text={"prompt": "cat \x1b[31m" + "x" * 300})
    data = file_of(picture, alpha, "RGBA", metadata=metadata, layers=2, unknown=[(0x9F, b"what")])
    (tmp_path / "a.sdz").write_bytes(data)
    return data


def test_info_for_people(run: Run, sdz: bytes) -> None:
    assert run("--info", "a.sdz") == 0
    for text in (
        "a.sdz:\n",
        "40 x 24, RGBA",
        b"toycodec".hex(),
        "layer 2",
        "entries",
        "icc",
        "27 bytes",
        "0x9f",
    ):
        assert text in run.out
    assert "\x1b" not in run.out
    assert "cat \\u001b[31mxxx" in run.out
    assert run.err == ""


def test_info_as_json(run: Run, sdz: bytes) -> None:
    assert run("-i", "--json", "a.sdz") == 0
    found = json.loads(run.out)
    assert (found["input"], found["status"]) == ("a.sdz", "done")
    assert (found["width"], found["height"], found["mode"], found["bytes"]) == (40, 24, "RGBA", len(sdz))
    assert found["bpp"] == pytest.approx(8 * len(sdz) / 960)
    assert found["latent"] == {"width": 5, "height": 3, "channels": 3}
    assert found["noise"] == 1.5
    assert found["model"] == "tiny-99"
    assert found["denoise_steps"] == found["steps"] == 1
    assert [layer["coding"] for layer in found["layers"]] == ["raw", "raw"]
    assert found["layers"][0]["entries"] >= 2
    assert found["layers"][0]["palette_bytes"] == 3 * found["layers"][0]["entries"]
    assert (found["icc_bytes"], found["exif_bytes"], found["xmp_bytes"]) == (27, 4, 6)
    assert found["text"]["prompt"].startswith("cat \x1b")
    assert found["unknown_sections"] == [{"type": 0x9F, "bytes": 4}]


def test_info_of_direct_codes_and_standard_input(run: Run, tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    assert run("a.png", "--payload", "direct") == 0
    assert run("-i", "-", "--json", stdin=(tmp_path / "a.sdz").read_bytes()) == 0
    found = json.loads(run.out)
    assert found["payload"] == "direct"
    assert found["input"] == "-"


def test_test_passes_and_fails(run: Run, sdz: bytes, tmp_path: Path) -> None:
    assert run("-t", "a.sdz") == 0
    assert run.err == "a.sdz: ok\n"
    (tmp_path / "b.sdz").write_bytes(sdz[:100] + bytes([sdz[100] ^ 1]) + sdz[101:])
    photo(tmp_path / "c.png")
    assert run("-t", "a.sdz", "b.sdz", "c.png", "d.sdz", "--json") == 1
    states = [json.loads(line)["status"] for line in run.out.splitlines()]
    assert states == ["done", "failed", "failed", "failed"]
    assert "sdz-convert: b.sdz: " in run.err
    assert "1 tested, 3 failed" in run.err


def test_test_finds_what_checksums_do_not(run: Run, sdz: bytes, tmp_path: Path) -> None:
    container = parse(sdz)
    container.layers[1] = container.layers[1][:-1]  # an index plane too short, in a file that is otherwise sound
    (tmp_path / "short.sdz").write_bytes(build(container))
    container = parse(sdz)
    assert container.alpha is not None
    container.alpha = container.alpha[:1]
    (tmp_path / "alpha.sdz").write_bytes(build(container))
    assert run("-i", "short.sdz", "alpha.sdz") == 0
    assert run("-t", "short.sdz", "alpha.sdz") == 1
    assert "short.sdz: layer 2" in run.err
    assert "alpha.sdz: alpha" in run.err


def test_a_reserved_palette_coding_is_that_of_a_newer_file(run: Run, sdz: bytes, tmp_path: Path) -> None:
    container = parse(sdz)
    head, body = container.layers[0][:3], container.layers[0][3:]
    container.layers[0] = head[:2] + bytes([0xF0 | head[2] & 0x0F]) + body
    (tmp_path / "newer.sdz").write_bytes(build(container))
    for action in ("-t", "-i"):
        assert run(action, "newer.sdz") == 1
        assert "newer.sdz: layer 1, palette coding: the file needs a newer pillow_sdz" in run.err


def test_info_of_an_unknown_model(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.sdz").write_bytes(file_of(toy_model.blocks(40, 24), fingerprint=b"whatever"))
    assert run("-i", "a.sdz") == 0
    assert f"not installed (fingerprint {b'whatever'.hex()})" in run.out
    assert run("-i", "--json", "a.sdz") == 0
    assert json.loads(run.out)["model"] is None
    assert run("-t", "a.sdz") == 0, "palettes need no model"


def test_version(run: Run) -> None:
    assert run("-V") == 0
    for text in (
        f"sdz-convert {pillow_sdz.__version__}",
        "format version 0 (draft)",
        f"Pillow {PIL.__version__}",
        "models: ",
    ):
        assert text in run.out
