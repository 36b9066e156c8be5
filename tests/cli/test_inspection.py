"""--info, --test and --version."""

import json

import numpy as np
import pytest
import toy_codec
from cli_fakes import Run, photo

from pillow_sdz.options import Metadata


@pytest.fixture
def run(capfdbinary, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return Run(capfdbinary, monkeypatch)


@pytest.fixture
def sdz(tmp_path):
    picture = toy_codec.blocks(40, 24)
    alpha = np.full((24, 40), 7, np.uint8)
    metadata = Metadata(icc=b"icc" * 9, exif=b"exif", xmp=b"<xmp/>", text={"prompt": "cat \x1b[31m" + "x" * 300})
    data = toy_codec.encode(picture, alpha, "RGBA", None, metadata, layers=2, unknown=[(0x9F, b"what")])
    (tmp_path / "a.sdz").write_bytes(data)
    return data


def test_info_for_people(run, sdz):
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


def test_info_as_json(run, sdz):
    assert run("-i", "--json", "a.sdz") == 0
    found = json.loads(run.out)
    assert (found["input"], found["status"]) == ("a.sdz", "done")
    assert (found["width"], found["height"], found["mode"], found["bytes"]) == (40, 24, "RGBA", len(sdz))
    assert found["bpp"] == pytest.approx(8 * len(sdz) / 960)
    assert found["latent"] == {"width": 5, "height": 3, "channels": 3}
    assert found["noise"] == 1.5
    assert found["model"] is None
    assert [layer["coding"] for layer in found["layers"]] == ["raw", "raw"]
    assert found["layers"][0]["entries"] >= 2
    assert found["layers"][0]["palette_bytes"] == 3 * found["layers"][0]["entries"]
    assert (found["icc_bytes"], found["exif_bytes"], found["xmp_bytes"]) == (27, 4, 6)
    assert found["text"]["prompt"].startswith("cat \x1b")
    assert found["unknown_sections"] == [{"type": 0x9F, "bytes": 4}]


def test_info_of_direct_codes_and_standard_input(run, tmp_path):
    photo(tmp_path / "a.png")
    assert run("a.png", "--payload", "direct") == 0
    assert run("-i", "-", "--json", stdin=(tmp_path / "a.sdz").read_bytes()) == 0
    found = json.loads(run.out)
    assert found["payload"] == "direct"
    assert found["input"] == "-"


def test_test_passes_and_fails(run, sdz, tmp_path):
    assert run("-t", "a.sdz") == 0
    assert run.err == "a.sdz: ok\n"
    (tmp_path / "b.sdz").write_bytes(sdz[:100] + bytes([sdz[100] ^ 1]) + sdz[101:])
    photo(tmp_path / "c.png")
    assert run("-t", "a.sdz", "b.sdz", "c.png", "d.sdz", "--json") == 1
    states = [json.loads(line)["status"] for line in run.out.splitlines()]
    assert states == ["done", "failed", "failed", "failed"]
    assert "sdz-convert: b.sdz: " in run.err
    assert "1 tested, 3 failed" in run.err


def test_test_finds_what_checksums_do_not(run, sdz, tmp_path):
    from pillow_sdz.container.sections import build, parse

    container = parse(sdz)
    container.layers[1] = container.layers[1][:-1]  # an index plane too short, in a file that is otherwise sound
    (tmp_path / "short.sdz").write_bytes(build(container))
    container = parse(sdz)
    container.alpha = container.alpha[:1]
    (tmp_path / "alpha.sdz").write_bytes(build(container))
    assert run("-i", "short.sdz", "alpha.sdz") == 0
    assert run("-t", "short.sdz", "alpha.sdz") == 1
    assert "short.sdz: layer 2" in run.err
    assert "alpha.sdz: alpha" in run.err


def test_palette_of_a_missing_model_cannot_be_tested(run, sdz, tmp_path):
    from pillow_sdz.container.sections import build, parse
    from pillow_sdz.payloads.palette.layers import decode_layer, encode_layer

    container = parse(sdz)
    layer = decode_layer(container.layers[0], container.header)
    layer.palette_number = 3
    container.layers[0] = encode_layer(layer)
    (tmp_path / "numbered.sdz").write_bytes(build(container))
    assert run("-t", "numbered.sdz") == 4
    assert "numbered.sdz" in run.err
    assert run("-i", "--json", "numbered.sdz") == 0
    assert json.loads(run.out)["layers"][0]["palette_number"] == 3


def test_version(run):
    import PIL

    import pillow_sdz

    assert run("-V") == 0
    for text in (
        f"sdz-convert {pillow_sdz.__version__}",
        "format version 0 (draft)",
        f"Pillow {PIL.__version__}",
        "models: ",
    ):
        assert text in run.out
