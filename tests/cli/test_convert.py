"""Conversions in both directions with the toy codec: pixels, modes, metadata, attributes, streams, damaged input."""

import io
import json
import os
import stat
from pathlib import Path

import pytest
import toy_codec
from cli_fakes import Run, names_in, photo
from PIL import Image, ImageCms, PngImagePlugin

from pillow_sdz.errors import SdzModelError
from pillow_sdz.options import Metadata

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<?xpacket begin='\xef\xbb\xbf'?><x:xmpmeta xmlns:x='adobe:ns:meta/'/><?xpacket end='w'?>"


@pytest.fixture
def run(capfdbinary, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return Run(capfdbinary, monkeypatch)


def exif(orientation=6):
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x010F] = "Camera"
    return tags.tobytes()


def test_line_per_file_and_summary(run, tmp_path):
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


def test_round_trip_through_files(run, tmp_path):
    photo(tmp_path / "a.png")
    assert run("a.png") == 0
    assert run("a.sdz", "-o", "back.png") == 0
    with Image.open("a.sdz") as sdz, Image.open("back.png") as back:
        assert back.size == (40, 24)
        assert back.tobytes() == sdz.tobytes()
        assert back.mode == "RGB"


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "avif", "tif", "bmp", "gif", "qoi", "ppm", "jp2"])
def test_every_mode_into_common_formats(run, tmp_path, mode, suffix):
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


def test_flattening_lays_on_white(run, tmp_path):
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert run("a.png") == 0
    assert run("a.sdz", "-o", "a.ppm") == 0
    with Image.open("a.ppm") as back:
        assert back.getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tif"])
def test_metadata_there_and_back(run, tmp_path, suffix):
    photo(tmp_path / "a.jpg", exif=exif(), icc_profile=ICC, xmp=XMP)
    assert run("a.jpg") == 0
    with Image.open("a.sdz") as sdz:
        assert sdz.size == (40, 24)  # not turned
        assert dict(sdz.getexif()) == {0x0112: 6, 0x010F: "Camera"}
        assert sdz.info["icc_profile"] == ICC
        assert sdz.info["xmp"] == XMP
    assert run("a.sdz", "-o", f"back.{suffix}") == 0
    assert "not kept" not in run.err
    with Image.open(f"back.{suffix}") as back:
        tags = back.getexif()
        assert tags[0x010F] == "Camera"
        assert tags[0x0112] == 6
        back.load()
        assert back.size == ((24, 40) if suffix == "tif" else (40, 24))  # Pillow turns TIFFs when it loads them
        assert back.info["icc_profile"] == ICC
        assert back.info["xmp"] == XMP


def test_text_survives_in_png_and_its_loss_elsewhere_is_said(run, tmp_path):
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("prompt", "a cat \u00e9")
    chunks.add_itxt("parameters", "\u732b" * 2000)
    photo(tmp_path / "a.png", pnginfo=chunks)
    assert run("a.png") == 0
    assert run("a.sdz", "-o", "back.png") == 0
    with Image.open("back.png") as back:
        assert back.text == {"prompt": "a cat \u00e9", "parameters": "\u732b" * 2000}
    assert run("a.sdz", "-o", "back.jpg") == 0
    assert "text not kept: JPEG has no place for it" in run.err
    assert run("a.sdz", "-o", "back.jpg", "--force", "--strip", "text") == 0
    assert "not kept" not in run.err


def test_text_that_png_cannot_hold_is_said_and_the_rest_kept(run, tmp_path):
    text = {"ok": "x" * 3_000_000, "k" * 80: "long key", "\u732b": "cat", " a": "space"}
    metadata = Metadata(text=text, xmp=b"\xff\xfe<\0")
    (tmp_path / "a.sdz").write_bytes(toy_codec.encode(toy_codec.blocks(16, 16), None, "RGB", None, metadata))
    assert run("a.sdz") == 0
    assert run.err.count("not kept: PNG keywords") == 3
    assert "xmp not kept: it is not UTF-8" in run.err
    with Image.open("a.png") as back:
        assert back.text == {"ok": "x" * 3_000_000}


def test_sdz_again_in_another_size_keeps_metadata(run, tmp_path):
    photo(tmp_path / "a.jpg", exif=exif(), icc_profile=ICC, xmp=XMP, comment=b"hello")
    assert run("a.jpg") == 0
    assert run("a.sdz", "-o", "b.sdz", "--payload", "direct") == 0
    with Image.open("a.sdz") as a, Image.open("b.sdz") as b:
        assert (a.info["payload"], b.info["payload"]) == ("palette", "direct")
        for key in ("exif", "icc_profile", "xmp", "comment"):
            assert a.info[key] == b.info[key]
        assert set(a.info) == set(b.info)


@pytest.mark.parametrize("kind", ["exif", "icc", "xmp", "text", "all"])
def test_strip_in_both_directions(run, tmp_path, kind):
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("prompt", "cat")
    chunks.add_itxt("XML:com.adobe.xmp", XMP.decode())
    photo(tmp_path / "a.png", pnginfo=chunks, exif=exif(), icc_profile=ICC)
    assert run("a.png") == 0
    assert run("a.png", "-o", "stripped.sdz", "--strip", kind) == 0
    assert run("a.sdz", "-o", "stripped.png", "--strip", kind) == 0
    keys = {"exif": "exif", "icc": "icc_profile", "xmp": "xmp", "text": "prompt"}
    gone = set(keys) if kind == "all" else {kind}
    for name in ("stripped.sdz", "stripped.png"):
        with Image.open(name) as picture:
            picture.load()
            assert {k for k, key in keys.items() if key not in picture.info} == gone, name


@pytest.mark.parametrize("suffix", ["jpg", "gif", "jp2", "mpo"])
def test_a_comment_is_kept_where_the_format_has_a_place_for_it_unless_stripped(run, tmp_path, suffix):
    photo(tmp_path / "a.jpg", comment="a cat on a mat")
    assert run("a.jpg") == 0
    assert run("a.sdz", "-o", f"kept.{suffix}") == 0
    assert "not kept" not in run.err
    assert b"a cat on a mat" in (tmp_path / f"kept.{suffix}").read_bytes()
    for kind in ("text", "all"):
        assert run("a.sdz", "-o", f"{kind}.{suffix}", "--strip", kind) == 0
        assert b"a cat on a mat" not in (tmp_path / f"{kind}.{suffix}").read_bytes()


@pytest.mark.parametrize(
    ("suffix", "lost"), [("sgi", "exif, icc, xmp, text"), ("dib", "exif, icc, xmp, text"), ("mpo", "text")]
)
def test_a_note_says_what_a_format_cannot_hold(run, tmp_path, suffix, lost):
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("prompt", "cat")
    chunks.add_itxt("XML:com.adobe.xmp", XMP.decode())
    photo(tmp_path / "a.png", pnginfo=chunks, exif=exif(), icc_profile=ICC)
    assert run("a.png") == 0
    assert run("a.sdz", "-o", f"b.{suffix}") == 0
    assert f"{lost} not kept" in run.err


@pytest.mark.parametrize("suffix", ["pcx", "mpo"])
def test_alpha_is_laid_on_white_where_a_format_refuses_it(run, tmp_path, suffix):
    photo(tmp_path / "a.png", mode="RGBA")
    assert run("a.png") == 0
    assert run("a.sdz", "-o", f"b.{suffix}") == 0
    assert "laid on white" in run.err
    with Image.open(f"b.{suffix}") as back:
        assert back.mode == "RGB"


def test_tiff_tags_that_describe_the_picture_are_kept(run, tmp_path):
    tags = Image.Exif()
    tags[0x0110] = "Model 1"
    tags[0x8298] = "me"
    tags[0x0112] = 6
    tags.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    photo(tmp_path / "a.tif", exif=tags.tobytes())
    assert run("a.tif") == 0
    with Image.open("a.sdz") as sdz, Image.open("a.tif") as tif:
        tif.load()
        assert sdz.size == tif.size == (24, 40)  # Pillow turns TIFFs itself
        found = sdz.getexif()
        assert (found[0x0110], found[0x8298]) == ("Model 1", "me")
        assert found.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
        assert 0x0112 not in found
        assert 0x0111 not in found  # StripOffsets


def test_stale_sizes_in_exif_do_not_damage_a_tiff(run, tmp_path):
    tags = Image.Exif()
    tags[0x0100], tags[0x0101], tags[0x0103] = 4000, 3000, 6
    tags.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    photo(tmp_path / "a.png", exif=tags)
    assert run("a.png") == 0
    assert run("a.sdz", "-o", "b.tif") == 0
    with Image.open("b.tif") as back:
        back.load()
        assert back.size == (40, 24)
        assert back.getexif().get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"


def test_time_and_mode_are_kept_unless_not_wanted(run, tmp_path):
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


def test_animation_keeps_its_first_frame_and_says_so(run, tmp_path):
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "green", "blue")]
    for name in ("a.gif", "b.webp"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        assert run(name) == 0
        assert f"{name}: note: only the first of 3 frames is kept" in run.err
        with Image.open((tmp_path / name).with_suffix(".sdz")) as sdz:
            red, green, blue = sdz.convert("RGB").getpixel((3, 3))
            assert red > 200
            assert max(green, blue) < 60


def test_options_reach_the_encoder(run, tmp_path, monkeypatch):
    import pillow_sdz

    seen = []

    def encode(rgb, alpha, mode, options, metadata):
        seen.append(options)
        return toy_codec.encode(rgb, alpha, mode, options, metadata)

    monkeypatch.setattr(pillow_sdz.codec.encode, "encode", encode)
    photo(tmp_path / "a.png")
    assert run("a.png", "--colors", "64,16", "--model", "other-2", "--steps", "3", "--effort", "9") == 0
    assert run("a.png", "--target-size", "5KiB", "--force") == 0
    assert run("a.png", "-q", "7", "--payload", "palette", "--force") == 0
    assert run("a.png", "--force") == 0
    first, second, third, default = seen
    assert (first.colors, first.model, first.steps, first.effort) == ((64, 16), "other-2", 3, 9)
    assert second.target_size == 5120
    assert (third.quality, third.payload) == (7, "palette")
    assert (default.quality, default.colors, default.steps, default.effort) == (50, None, None, 4)


def test_options_reach_the_decoder_and_do_not_stay(run, tmp_path, monkeypatch):
    import pillow_sdz

    seen = []

    def decode(container, **keywords):
        seen.append(keywords)
        return toy_codec.decode(container, **keywords)

    monkeypatch.setattr(pillow_sdz.codec.decode, "decode", decode)
    photo(tmp_path / "a.png")
    assert run("a.png") == 0
    limit = Image.MAX_IMAGE_PIXELS
    assert run("a.sdz", "-o", "b.png", "--steps", "0", "--device", "cpu", "--tile", "128") == 0
    assert (seen[0]["steps"], seen[0]["device"], seen[0]["tile"]) == (0, "cpu", 128)
    decode = pillow_sdz.options.decode
    assert (decode.steps, decode.device, decode.tile_size) == (None, None, None)
    assert limit == Image.MAX_IMAGE_PIXELS


def test_encoding_options_without_an_sdz_to_write_are_pointed_out(run, tmp_path):
    photo(tmp_path / "a.png")
    assert run("a.png") == 0
    assert run("a.sdz", "-o", "b.jpg", "-q", "90", "--effort", "1") == 0
    assert "no .sdz is written here, so --quality, --effort has no effect" in run.err


def test_streams(run, tmp_path):
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
def test_device_as_output(run, tmp_path):
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


def test_force_replaces_a_link_not_what_it_points_to(run, tmp_path):
    photo(tmp_path / "a.png")
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "a.sdz").symlink_to("precious")
    assert run("a.png") == 1
    assert run("a.png", "--force") == 0
    assert not (tmp_path / "a.sdz").is_symlink()
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_link_as_input_is_followed(run, tmp_path):
    photo(tmp_path / "a.png").rename(tmp_path / "real")
    (tmp_path / "a.png").symlink_to("real")
    assert run("a.png") == 0
    assert (tmp_path / "a.sdz").exists()


def test_failed_encoder_leaves_the_old_file(run, tmp_path, monkeypatch):
    import pillow_sdz

    photo(tmp_path / "a.png")
    (tmp_path / "a.sdz").write_bytes(b"old")

    def encode(*_):
        raise RuntimeError("broken")

    monkeypatch.setattr(pillow_sdz.codec.encode, "encode", encode)
    assert run("a.png", "--force") == 1
    assert "a.png: cannot be converted: RuntimeError: broken" in run.err
    assert "Traceback" not in run.err
    assert names_in(tmp_path) == ["a.png", "a.sdz"]
    assert (tmp_path / "a.sdz").read_bytes() == b"old"
    assert run("a.png", "--force", "-v") == 1
    assert "Traceback" in run.err


def test_damaged_inputs_name_the_file_and_the_others_are_done(run, tmp_path):
    photo(tmp_path / "good.png")
    photo(tmp_path / "a.png")
    assert run("a.png") == 0
    data = (tmp_path / "a.sdz").read_bytes()
    (tmp_path / "cut.sdz").write_bytes(data[:-9])
    (tmp_path / "flipped.sdz").write_bytes(data[:60] + bytes([data[60] ^ 4]) + data[61:])
    (tmp_path / "newer.sdz").write_bytes(data[:8] + b"\x09" + data[9:])
    (tmp_path / "text.png").write_text("no picture")
    png = (tmp_path / "a.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(png[: len(png) // 2])
    names = ["cut.sdz", "flipped.sdz", "newer.sdz", "text.png", "cut.png", "good.png"]
    assert run(*names, "--json", "-o", "out/") == 1
    records = {record["input"]: record for record in map(json.loads, run.out.splitlines())}
    assert [records[name]["status"] for name in names] == ["failed"] * 5 + ["done"]
    for name in names[:3]:
        assert records[name]["error"].startswith(f"{name}: ")
    assert "newer pillow_sdz" in records["newer.sdz"]["error"]
    assert "does not recognise" in records["text.png"]["error"]
    assert "truncated" in records["cut.png"]["error"]
    assert "1 converted, 5 failed" in run.err
    assert names_in(tmp_path / "out") == ["good.sdz"]


def test_pixel_limit(run, tmp_path):
    photo(tmp_path / "a.png")
    assert run("a.png", "--max-pixels", "959") == 1
    assert "--max-pixels" in run.err
    assert run("a.png", "--max-pixels", "960") == 0
    assert run("a.sdz", "--max-pixels", "959", "-o", "b.png") == 1
    assert "959" in run.err
    assert not (tmp_path / "b.png").exists()


def test_metadata_too_long_for_jpeg_name_the_way_out(run, tmp_path):
    tags = Image.Exif()
    tags[0x010E] = "long" * 20_000
    photo(tmp_path / "a.png", exif=tags)
    assert run("a.png") == 0
    assert run("a.sdz", "-o", "b.jpg") == 1
    assert "--strip exif leaves it out" in run.err
    assert run("a.sdz", "-o", "b.jpg", "--strip", "exif") == 0


def test_preview(run, tmp_path):
    picture = Image.new("RGB", (100, 60), (10, 200, 30))
    picture.paste((240, 20, 90), (48, 0, 100, 60))
    picture.save(tmp_path / "a.png")
    assert run("a.png") == 0
    assert run("a.sdz", "--preview") == 0
    with Image.open("a.preview.png") as small:
        assert small.size == (13, 8)
        assert small.getpixel((1, 4)) == (10, 200, 30)
        assert small.getpixel((11, 4)) == (240, 20, 90)
    (tmp_path / "no.sdz").write_bytes(toy_codec.encode(toy_codec.blocks(16, 16), None, "RGB", preview=False))
    assert run("no.sdz", "--preview") == 1
    assert "no.sdz: the file holds no preview" in run.err


def test_missing_model_ends_with_its_own_code(run, tmp_path, monkeypatch):
    import pillow_sdz

    def fail(*_, **__):
        raise SdzModelError("no such model", field="model", found="x")

    for name in ("a.png", "b.png", "c.png"):
        photo(tmp_path / name)
    assert run("c.png") == 0
    monkeypatch.setattr(pillow_sdz.codec.encode, "encode", fail)
    assert run("a.png", "b.png") == 4
    assert "1 failed, 1 not done" in run.err  # the next would fail in the same way
    monkeypatch.setattr(pillow_sdz.codec.decode, "decode", fail)
    assert run("c.sdz", "a.png", "-o", "out/") == 4
    assert "2 failed" in run.err  # another file may have another model
