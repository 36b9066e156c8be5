"""The benchmark for users: its arithmetic, its searches, and one small run from pictures to report."""

from __future__ import annotations

import csv
import dataclasses
import doctest
import io
import json
import math
import sys
from statistics import fmean

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, features

import compare_sheet
import curves
import peak_memory
import photos
import plots
import promises
import rate_quality
import report
import sheets
import speed
import timing
from photos import Photo
from pillow_sdz import settings
from pillow_sdz.evaluation import codecs as formats
from pillow_sdz.evaluation import metrics
from pillow_sdz.evaluation.codecs import Format
from pillow_sdz.evaluation.metrics import Metric
from pillow_sdz.models import registry

FORMATS = {form.name: form for form in formats.FORMATS}


def picture(width=96, height=80, seed=0):
    """Smooth colours with some grain."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 11 + seed), np.cos(y / 7), np.sin((x + y) / 17)], -1)
    grain = np.random.default_rng(seed).normal(0, 8, (height, width, 3))
    return Image.fromarray((127 + 90 * waves + grain).clip(0, 255).astype(np.uint8))


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "photos"
    (path / "more").mkdir(parents=True)
    picture().save(path / "b.png")
    picture(176, 164, 1).save(path / "more" / "a.png")
    picture(20, 20).save(path / "tiny.png")
    (path / "notes.txt").write_text("not a picture")
    return path


@pytest.fixture
def no_avif(monkeypatch):
    check = features.check
    monkeypatch.setattr(features, "check", lambda name: name != "avif" and check(name))


@pytest.mark.parametrize("module", [curves, report])
def test_examples(module):
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed


# Arithmetic


def test_interpolation_is_linear_in_the_logarithm_and_never_extrapolates():
    curve = [(0.4, 3.0), (0.1, 1.0), (0.2, None), (1.6, 9.0)]
    assert curves.interpolated(curve, 0.1) == 1
    assert curves.interpolated(curve, 0.2) == pytest.approx(2)  # as if the point without a value were not there
    assert curves.interpolated(curve, 0.8) == pytest.approx(6)
    assert curves.interpolated(curve, 1.6) == 9
    assert curves.interpolated(curve, 0.0999) is None
    assert curves.interpolated(curve, 1.61) is None
    assert curves.interpolated([], 1) is None


def test_interpolation_with_two_settings_of_one_rate():
    curve = [(0.1, 1.0), (0.2, 5.0), (0.2, 3.0), (0.4, 7.0)]
    assert curves.interpolated(curve, math.sqrt(0.02)) == pytest.approx(2)
    assert curves.interpolated(curve, math.sqrt(0.08)) == pytest.approx(6)


def test_means_leave_out_what_was_not_measured():
    rows = [
        {"format": "sdz", "quality": 10, "bpp": 0.1, "m": None},
        {"format": "sdz", "quality": 5, "bpp": 1.0, "m": None},
        {"format": "sdz", "quality": 10, "bpp": 0.3, "m": 4.0},
    ]
    assert curves.means(rows, ["bpp", "m"]) == [
        {"format": "sdz", "quality": 10, "pictures": 2, "bpp": 0.2, "m": 4.0},
        {"format": "sdz", "quality": 5, "pictures": 1, "bpp": 1.0, "m": None},
    ]


def test_equal_bytes_reads_the_other_curves_at_the_rate_of_each_rung():
    averages = [
        {"format": "sdz", "quality": 0, "bpp": 0.05, "m": 1.0},
        {"format": "sdz", "quality": 50, "bpp": 0.2, "m": 2.0},
        {"format": "jpeg", "quality": 1, "bpp": 0.1, "m": 10.0},
        {"format": "jpeg", "quality": 9, "bpp": 0.4, "m": 30.0},
    ]
    table = curves.at_equal_bytes(averages, ["m"])
    assert [(r["quality"], r["format"], r["m"]) for r in table] == [
        (0, "sdz", 1.0), (0, "jpeg", None), (50, "sdz", 2.0), (50, "jpeg", pytest.approx(20.0)),
    ]  # fmt: skip
    text = report.equal_bytes(table, {"sdz": ".sdz", "jpeg": "JPEG"}, [Metric("m", True, metrics.psnr)])
    assert "| 50 | 0.200 | JPEG | **20.0000** |" in text
    assert "| 50 | 0.200 | .sdz | 2.0000 |" in text
    assert "| 0 | 0.050 | JPEG | – |" in text


def test_worse_neighbours_are_found_in_both_directions_of_better():
    loss, score = Metric("loss", False, metrics.psnr), Metric("score", True, metrics.psnr)
    values = {
        ("a", 0): (5, 10),
        ("b", 0): (5, 10),
        ("a", 50): (4, 9),
        ("b", 50): (7, 13),
        ("a", 60): (3, 9),
        ("b", 60): (3, 9),
    }
    rows = [
        {"picture": name, "format": "sdz", "quality": quality, "loss": low, "score": high}
        for (name, quality), (low, high) in reversed(values.items())
    ]
    rows.append({"picture": "a", "format": "jpeg", "quality": 55, "loss": 99, "score": 0})
    assert promises.worse_neighbours(rows, [loss, score]) == [
        {"low": 0, "high": 50, "metric": "loss", "by": 0.5, "pictures_worse": 1, "pictures": 2},
        {"low": 50, "high": 60, "metric": "score", "by": 2, "pictures_worse": 1, "pictures": 2},
    ]


@pytest.mark.parametrize("worse", [True, False])
def test_the_report_says_which_neighbours_get_worse(worse):
    metric = Metric("LPIPS-Alex", False, metrics.psnr)
    rows = [
        {"picture": "a", "format": "sdz", "quality": quality, "bpp": quality / 100, "LPIPS-Alex": value}
        for quality, value in ((10, 0.3), (20, 0.4 if worse else 0.2))
    ]
    results = {
        "means": curves.means(rows, ["bpp", "LPIPS-Alex"]),
        "worse_neighbours": promises.worse_neighbours(rows, [metric]),
    }
    text = report.ladder(results, [metric])
    assert ("| 10 | 20 | LPIPS-Alex | 0.1 | 1 of 1 |" in text) == worse
    assert ("No rung is worse than the one below it on LPIPS-Alex." in text) != worse


# Formats and searches


class Steps(Format):
    """A file of known size for each quality."""

    def encode(self, image, quality):
        return bytes(SIZES[quality])


SIZES = [10, 20, 30, 30, 50, 49, 70, 80]


@pytest.mark.parametrize(("size", "quality"), [(9, 0), (10, 0), (29, 1), (30, 3), (49, 3), (50, 5), (70, 6), (1000, 7)])
def test_the_largest_file_not_above_a_size(size, quality):
    found = formats.largest_not_above(Steps("s", "S", "S", (), 0, 7), picture(), size)
    assert (found.quality, len(found.data)) == (quality, SIZES[quality])
    assert len(found.data) <= size or quality == 0


def test_the_search_on_a_real_format():
    image, webp = picture(), FORMATS["webp"]
    size = len(webp.encode(image, 40)) + 1
    found = formats.largest_not_above(webp, image, size)
    assert len(found.data) <= size
    assert found.quality >= 40
    assert found.data == webp.encode(image, found.quality)


def test_what_is_missing_is_skipped_with_a_way_to_install_it(monkeypatch, no_avif):
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    found, skipped = formats.available(["avif", "jxl", "jpeg"], {"model": "tiny"})
    assert [form.name for form in found] == ["sdz", "jpeg"]
    assert found[0].options == {"model": "tiny"}
    assert len(skipped) == 2
    assert "AVIF is not measured" in skipped[0]
    assert "pip install pillow-jxl-plugin" in skipped[1]
    with pytest.raises(ValueError, match="gif"):
        formats.available(["gif"])


def test_every_format_can_be_drawn():
    assert plots.STYLES.keys() == FORMATS.keys()
    assert len({(s["color"]) for s in plots.STYLES.values()}) == len({s["marker"] for s in plots.STYLES.values()}) == 5


# Metrics


def test_psnr():
    black, grey = Image.new("RGB", (4, 4)), Image.new("RGB", (4, 4), (51, 51, 51))
    assert metrics.psnr(black, grey) == pytest.approx(20 * math.log10(5))
    assert metrics.psnr(black, black) == metrics.HIGHEST_PSNR


def test_ms_ssim_leaves_out_small_pictures():
    pytest.importorskip("pytorch_msssim")
    ((metric,), skipped) = metrics.available(["MS-SSIM"])
    assert not skipped
    assert metric.measure(picture(400, 160), picture(400, 160)) is None
    image = picture(161, 161)
    assert metric.measure(image, image) == pytest.approx(1)
    assert metric.measure(image, picture(161, 161, 2)) < 0.9


def test_ssimulacra2():
    pytest.importorskip("ssimulacra2")
    ((metric,), _) = metrics.available(["SSIMULACRA2"])
    image = picture()
    good, bad = (formats.decoded(FORMATS["jpeg"].encode(image, quality)) for quality in (95, 10))
    assert metric.measure(image, bad) < metric.measure(image, good) < 100


def test_missing_packages_and_weights_are_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pytorch_msssim", None)
    monkeypatch.setitem(sys.modules, "ssimulacra2", None)
    found, skipped = metrics.available(metrics.NAMES)
    assert [metric.name for metric in found] == ["PSNR"]
    assert "pip install pytorch-msssim" in "".join(skipped)
    assert "pip install ssimulacra2" in "".join(skipped)
    assert sum("--perceptual" in reason for reason in skipped) == 3
    _, skipped = metrics.available(["DISTS"], tmp_path)
    assert "lpips_vgg.npz" in skipped[0]
    with pytest.raises(ValueError, match="SSIMM"):
        metrics.available(["SSIMM"])


@pytest.fixture
def weights(tmp_path):
    """A folder with a narrow AlexNet of random weights."""
    random, arrays, inputs = np.random.default_rng(0), {}, 3
    for index, side in enumerate((11, 5, 3, 3, 3)):
        arrays[f"conv{index}.weight"] = random.normal(0, 0.1, (4, inputs, side, side))
        arrays[f"conv{index}.bias"] = np.full(4, 0.1)
        arrays[f"lin{index}.weight"] = np.ones((1, 4, 1, 1))
        inputs = 4
    path = tmp_path / "weights"
    path.mkdir()
    np.savez(path / "lpips_alex.npz", **arrays)
    return path


def test_a_network_metric(weights):
    found, skipped = metrics.available(["LPIPS-Alex", "LPIPS-VGG"], weights)
    assert [metric.name for metric in found] == ["LPIPS-Alex"]
    assert len(skipped) == 1
    image = picture()
    assert found[0].measure(image, image) == 0
    assert found[0].measure(image, picture(seed=3)) > 0


# Pictures and sheets


def test_pictures_come_in_order_upright_and_without_metadata(folder):
    names = [path.relative_to(folder).as_posix() for path in photos.files([folder])]
    assert names == ["b.png", "more/a.png", "tiny.png"]
    image, exif = picture(96, 64), Image.Exif()
    exif[0x0112] = 6  # turned
    image.save(folder / "turned.jpg", exif=exif, comment=b"hello")
    photo = photos.load(folder / "turned.jpg", folder, 48)
    assert (photo.name, photo.image.size, photo.image.info, photo.scaled) == ("turned.jpg", (32, 48), {}, True)
    assert not photos.load(folder / "b.png", folder, 96).scaled


def test_transparent_parts_become_white():
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    assert [photos.plain(image).getpixel((x, 0)) for x in (0, 1)] == [(255, 0, 0), (255, 255, 255)]


def test_a_sheet_has_every_piece_and_no_file_is_above_the_sdz():
    image = picture(176, 164)
    pieces = sheets.equal_bytes(image, FORMATS["sdz"], [FORMATS["webp"], FORMATS["jpeg"]], 40)
    size = len(FORMATS["sdz"].encode(image, 40))
    captions = list(pieces)
    assert captions[0] == "original"
    assert captions[1] == f".sdz, {8 * size / (176 * 164):.3f} bpp, {size:,} bytes"
    for caption in captions[2:]:
        count = int(caption.split(" bytes")[0].rsplit(" ", 1)[1].replace(",", ""))
        assert (count > size) == caption.endswith("x the bytes")
    rows = sheets.wrapped(pieces)
    assert [len(row) for row in rows] == [2, 2]
    whole = sheets.sheet(rows)
    assert whole.size == (2 * 176, 2 * (164 + sheets.CAPTION))
    assert whole.crop((0, sheets.CAPTION, 176, sheets.CAPTION + 164)).tobytes() == image.tobytes()


def test_compare_sheet(tmp_path):
    picture().save(tmp_path / "a.png")
    arguments = [str(tmp_path / "a.png"), "-o", str(tmp_path / "sheet.png"), "--formats", "webp", "--quality", "0"]
    arguments += ["--crop", "0,0,40,30", "--scale", "2"]
    result = CliRunner().invoke(compare_sheet.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (3 * 80, 60 + sheets.CAPTION)


# target_size, speed, memory


def test_target_sizes_are_checked():
    photo = Photo("a", picture())
    rows = promises.target_sizes([photo], [0.01, 0.5], {"model": "tiny"})
    assert [row["target"] for row in rows] == [9, 480]
    assert rows[0]["bytes"] is None  # no .sdz is so small
    assert 0 < rows[1]["bytes"] <= 480
    assert rows[1]["below_percent"] == pytest.approx(100 * (1 - rows[1]["bytes"] / 480))
    summary = promises.target_summary(rows)
    assert [(row["refused"], row["too_large"]) for row in summary] == [(1, 0), (0, 0)]
    assert "No file is larger" in report.targets(summary)


def test_a_broken_promise_shows(monkeypatch):
    monkeypatch.setattr(promises, "saved", lambda *_arguments, target_size, **_options: bytes(target_size + 1))
    rows = promises.target_sizes([Photo("a", picture())], [0.5], {})
    assert not rows[0]["kept"]
    assert "**1 files are larger" in report.targets(promises.target_summary(rows))


def test_operations_are_counted_as_computed_and_as_defined():
    model, photo = registry.load(registry.find("tiny"), "cpu"), Photo("a", picture())
    computed, defined = speed.flops(model, photo), speed.flops(speed.unchanged(model), photo)
    for name in ("encode", "decode"):
        assert 0 < computed[name] <= defined[name]
    first = model.vae.encoder.conv_in.conv.weight
    assert defined["encode"] > 2 * 96 * 80 * first.numel()  # the first layer's own


def test_peak_memory_is_that_of_the_process_alone():
    before = timing.peak_memory()
    if before is None:
        pytest.skip("this system does not say")
    block = np.ones(200 << 20, np.uint8)
    assert timing.peak_memory() >= 200
    found = peak_memory.measure(FORMATS["jpeg"], picture(), 20)
    assert block.all()
    assert found.keys() == {"encode", "decode"}
    assert all(5 < value < 200 for value in (peak_memory.base(picture()), *found.values()))


# The whole


def run(folder, output, *more):
    arguments = [str(folder), "-o", str(output), "--formats", "jpeg,webp,avif", "--quality", "40,0"]
    arguments += ["--curve", "jpeg=30,5", "--curve", "webp=10", "--curve", "avif=20", "--repeat", "1", *more]
    return CliRunner().invoke(rate_quality.main, arguments, catch_exceptions=False)


def check_files(folder, output, names):
    """What every run must leave, and that its files agree; returns results.json."""
    results = json.loads((output / "results.json").read_text())
    assert [entry["name"] for entry in results["pictures"]] == ["b.png", "more/a.png"]
    settings = {"sdz": [0, 40], "jpeg": [5, 30], "webp": [10], "avif": [20]}
    expected = [(form, quality) for form in names for quality in settings[form]]
    assert [(row["format"], row["quality"]) for row in results["rows"]] == 2 * expected
    assert [(row["format"], row["quality"]) for row in results["means"]] == expected
    for row in results["rows"]:
        with Image.open(folder / row["picture"]) as image:
            data = FORMATS[row["format"]].encode(image, row["quality"])
            assert row["bytes"] == len(data)
            assert row["bpp"] == pytest.approx(8 * len(data) / (image.width * image.height))
            assert row["PSNR"] == pytest.approx(metrics.psnr(image, formats.decoded(data)))
    for row in results["means"]:
        same = [r for r in results["rows"] if (r["format"], r["quality"]) == (row["format"], row["quality"])]
        assert row["PSNR"] == pytest.approx(fmean(r["PSNR"] for r in same))
    with (output / "means.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [{k: "" if v is None else str(v) for k, v in row.items()} for row in results["means"]] == lines
    with Image.open(output / "curves.png") as image:
        assert image.format == "PNG"
        assert len(np.unique(np.asarray(image.convert("L")))) > 20  # not an empty page
    assert results["at_sdz_bpp"][0]["PSNR"] == results["means"][0]["PSNR"]
    text = (output / "report.md").read_text()
    for row in results["at_sdz_bpp"]:
        assert f"| {row['quality']} | {row['bpp']:.3f} | {FORMATS[row['format']].label} |" in text
    return results


def test_a_run(folder, tmp_path, weights):
    if not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    output = tmp_path / "out"
    done = run(
        folder, output, "--perceptual", str(weights), "--metrics", "LPIPS-Alex,PSNR", "--targets", "0.5", "--timed", "1"
    )
    assert done.exit_code == 0, done.output
    assert "tiny.png is skipped" in done.output
    results = check_files(folder, output, ["sdz", "jpeg", "webp", "avif"])
    assert all(row["LPIPS-Alex"] > 0 for row in results["rows"])
    assert len(results["target_size"]) == 2
    timed = {row["format"]: row for row in results["speed"]["formats"]}
    assert list(timed) == ["sdz", "jpeg", "webp", "avif", "avif-default"]
    assert results["speed"]["ratios"]["avif"]["decode"] == pytest.approx(
        timed["sdz"]["decode_s_per_mp"] / timed["avif"]["decode_s_per_mp"]
    )
    assert timed["sdz"]["encode_peak_mib"] is None or timed["sdz"]["encode_peak_mib"] > timed["jpeg"]["encode_peak_mib"]
    assert 0 < results["speed"]["arithmetic"]["decode_executed_share"] < 1
    with Image.open(output / "sheets" / "more" / "a.png.png") as sheet:
        assert sheet.size == (2 * 176, 2 * (164 + sheets.CAPTION))
    assert (output / "sheets" / "b.png.png").exists()


def test_a_run_without_avif(folder, tmp_path, no_avif):
    output = tmp_path / "out"
    done = run(
        folder, output, "--metrics", "PSNR", "--targets", "", "--timed", "0", "--sheets", "1", "--axis", "linear"
    )
    assert done.exit_code == 0, done.output
    assert "AVIF is not measured" in done.stderr
    results = check_files(folder, output, ["sdz", "jpeg", "webp"])
    assert results["speed"] is None
    assert any("AVIF" in reason for reason in results["skipped"])
    assert [path.name for path in (output / "sheets").rglob("*.png")] == ["b.png.png"]


def test_a_file_above_its_target_fails_the_run(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(promises, "saved", lambda *_arguments, target_size, **_options: bytes(target_size + 1))
    more = ["--metrics", "PSNR", "--targets", "0.3", "--timed", "0", "--sheets", "0", "--limit", "1"]
    done = run(folder, tmp_path / "out", *more)
    assert done.exit_code == 1
    assert "larger than its target_size" in done.stderr


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (["--metrics", "SSIMM"], "SSIMM"),
        (["--quality", "50,101"], "0 to 100"),
        (["--quality", "high"], "separated by commas"),
        (["--curve", "gif=1"], "gif=1"),
        (["--formats", "gif"], "gif"),
    ],
)
def test_wrong_options_are_named(folder, tmp_path, more, problem):
    done = run(folder, tmp_path / "out", *more)
    assert done.exit_code == 2
    assert problem in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_empty_folder_is_an_error(tmp_path):
    (tmp_path / "none").mkdir()
    done = run(tmp_path / "none", tmp_path / "out", "--metrics", "PSNR")
    assert done.exit_code == 1
    assert "no pictures" in done.stderr


def test_decoded_is_always_rgb():
    buffer = io.BytesIO()
    Image.new("L", (3, 2), 7).save(buffer, "PNG")
    assert formats.decoded(buffer.getvalue()).mode == "RGB"


def test_a_large_checkpoint_is_measured_beside_the_shipped_model(monkeypatch):
    """The command as it stands, with a checkpoint in miniature."""
    import sd_checkpoints

    import bench_stable_diffusion as bench

    monkeypatch.setenv("PILLOW_SDZ_MODELS", "")  # the command sets it; this puts it back
    monkeypatch.setattr(bench, "VAE", sd_checkpoints.VAE)
    monkeypatch.setattr(bench, "UNET", {**sd_checkpoints.UNET, "cross_attention_dim": 32})
    small = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    monkeypatch.setattr(bench, "TEXT", {**bench.TEXT, **small})
    result = CliRunner().invoke(bench.main, ["--side", "128"], catch_exceptions=False)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("128x128 pixels")
    assert lines[1].split() == ["tiny", "full-size", "ratio"]
    rows = [line.rsplit(maxsplit=3) for line in lines[2:8]]
    for label, shipped, large, ratio in rows:
        a, b = (float(text.replace(",", "")) for text in (shipped, large))
        assert a > 0, label
        assert float(ratio) == pytest.approx(b / a, rel=0.2, abs=0.06)
    assert [row[0].split(",")[0] for row in rows] == ["encode"] * 3 + ["decode"] * 3
    assert all(int(text.replace(",", "")) > 200 for text in lines[8].split()[-2:])


def test_the_large_checkpoint_is_measured_in_the_number_type_asked_for(tmp_path, monkeypatch):
    import bench_stable_diffusion as bench

    seen = []
    monkeypatch.setattr(settings.decode, "dtype", None)
    monkeypatch.setattr(bench, "seconds", lambda _, __: seen.append(settings.decode.dtype) or 1.0)
    (tmp_path / "a.sdz").write_bytes(b"")
    bench.work("decode", "tiny", 64, "float16", None, tmp_path / "a.sdz")
    assert seen == ["float16"] * 2


def test_a_conditioned_unet_is_rebuilt_for_counting_operations_too():
    from pillow_sdz.models.diffusion.denoise import Conditioned

    model = registry.load(registry.find("tiny"), "cpu")
    conditioned = dataclasses.replace(model, unet=Conditioned(model.unet, None, None))
    photo = Photo("a", picture())
    assert speed.flops(speed.unchanged(conditioned), photo) == speed.flops(speed.unchanged(model), photo)
