"""``sdz-convert compare``, from photos to page, sheet and JSON, and the page in a browser without a network."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from cli_fakes import Run, environment, names_in, photo
from PIL import Image

from pillow_sdz.cli import compare as command_module
from pillow_sdz.cli import outputs
from pillow_sdz.evaluation import metrics as measures

HOSTILE = "\"><script>document.title='owned'<!--.png"
OUTPUTS = ["compare.html", "compare.json", "compare.png"]
RIVALS = ["jpeg", "webp", "avif", "jxl"]
STAGES = [
    "original", "autoencoder", "resized", "codes", "sdz-without-unet", "sdz", "palette-without-unet", "palette",
    "img2img-png", "img2img-jpeg", *RIVALS,
]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory, astronaut, chelsea):
    """A folder with two photos, and the report of them."""
    folder = tmp_path_factory.mktemp("compare")
    (folder / "in" / "more").mkdir(parents=True)
    astronaut.crop((120, 0, 312, 128)).save(folder / "in" / HOSTILE)
    cat = chelsea.crop((100, 60, 221, 157))
    cat.putalpha(Image.linear_gradient("L").resize(cat.size))
    cat.save(folder / "in" / "more" / "cat.webp", lossless=True)
    before = [path.read_bytes() for path in sorted((folder / "in").rglob("*.*"))]
    code = command_module.command.main(
        [str(folder / "in"), "-o", str(folder / "out"), "--quiet"], standalone_mode=False
    )
    assert code == 0
    assert [path.read_bytes() for path in sorted((folder / "in").rglob("*.*"))] == before
    return folder


@pytest.fixture(scope="module")
def document(made):
    return json.loads((made / "out" / "compare.json").read_bytes())


@pytest.fixture(scope="module")
def html(made):
    return (made / "out" / "compare.html").read_text(encoding="utf-8")


@pytest.fixture
def run(capfdbinary, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return Run(capfdbinary, monkeypatch, real=True)


# Numbers


def test_three_files_and_nothing_else(made):
    assert names_in(made / "out") == OUTPUTS


def test_json_has_every_stage_and_only_numbers(document):
    assert document["version"] == 1
    assert document["model"]["name"].startswith("tiny-")
    assert re.fullmatch(r"[0-9a-f]{16}", document["model"]["fingerprint"])
    assert document["options"] == {"model": "tiny", "quality": 50, "strength": 0.3}
    metrics = {each["name"]: each["larger_is_better"] for each in document["metrics"]}
    assert metrics == {"SSIMULACRA2": True, "MS-SSIM": True, "SSIM": True, "PSNR": True}
    one, other = document["pictures"]
    assert one["name"].endswith(HOSTILE)
    assert (one["width"], one["height"], other["width"], other["height"]) == (192, 128, 121, 97)
    assert "alpha" in "".join(other["notes"])
    for picture in (one, other):
        pixels = picture["width"] * picture["height"]
        found = [stage["stage"] for stage in picture["stages"]]
        assert found == [key for key in STAGES if key not in picture["left_out"]]
        assert set(picture["left_out"]) <= set(RIVALS)
        for stage in picture["stages"]:
            assert stage["bytes"] == stage["stored"][0]["bytes"] > 0
            for each in [stage, *stage["stored"]]:
                assert each["bpp"] == pytest.approx(8 * each["bytes"] / pixels)
            if stage["stage"] == "original":
                assert stage["metrics"] == {}
                continue
            assert set(stage["metrics"]) == set(metrics)
            assert stage["metrics"]["MS-SSIM"] is None  # both are too small for it
            assert 5 < stage["metrics"]["PSNR"] < 60
            assert stage["metrics"]["SSIM"] < 1


def test_sizes_are_those_of_what_they_name(document, astronaut):
    picture = document["pictures"][0]
    stages = {stage["stage"]: stage for stage in picture["stages"]}
    values = 24 * 16 * len(picture["channels"])
    assert stages["original"]["bytes"] == 192 * 128 * 3
    assert stages["autoencoder"]["bytes"] == 4 * values
    assert [each["as"] for each in stages["codes"]["stored"]] == ["8-bit codes, raw", "lossless WebP", "deflated"]
    assert stages["codes"]["bytes"] == values
    file = io.BytesIO()
    image = astronaut.crop((120, 0, 312, 128))
    image.save(file, "SDZ")
    assert stages["sdz"]["bytes"] == stages["sdz-without-unet"]["bytes"] == len(file.getvalue())
    for steps, key in ((None, "sdz"), (0, "sdz-without-unet")):
        with Image.open(file) as back:
            back.steps = steps
            assert stages[key]["metrics"]["PSNR"] == pytest.approx(measures.psnr(image, back))
    file = io.BytesIO()
    image.save(file, "SDZ", colors=256)
    assert stages["palette"]["bytes"] == len(file.getvalue())


def test_no_rival_is_larger_than_the_sdz(document):
    for picture in document["pictures"]:
        stages = {stage["stage"]: stage for stage in picture["stages"]}
        rivals = [key for key in RIVALS if key in stages]
        assert "webp" in rivals
        assert "jpeg" in rivals or "no JPEG of at most" in picture["left_out"]["jpeg"]
        for key in rivals:
            assert stages[key]["bytes"] <= stages["sdz"]["bytes"]
        assert stages["img2img-png"]["bytes"] > 10 * stages["sdz"]["bytes"]
        assert stages["img2img-jpeg"]["bytes"] > stages["sdz"]["bytes"]


def test_channels_are_explained(document):
    for picture in document["pictures"]:
        stages = {stage["stage"]: stage for stage in picture["stages"]}
        assert [channel["number"] for channel in picture["channels"]] == list(range(1, len(picture["channels"]) + 1))
        assert all(channel["sentence"].endswith(".") for channel in picture["channels"])
        assert 0 < sum(channel["bpp"] for channel in picture["channels"]) < stages["sdz"]["bpp"]


# The page


class Page(HTMLParser):
    """What a page has: texts, and everything that a browser might load or run."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.loads, self.handlers, self.text = [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        for name, value in attributes:
            if name in ("src", "srcset", "data", "poster", "background") or (name == "href" and tag != "a"):
                self.loads.append(value)
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_loads_nothing(html):
    page = Page(html)
    assert len(page.loads) > 40
    assert all(value.startswith("data:") for value in page.loads)
    assert not page.handlers
    assert not re.search(r"@import|url\(", html)
    assert {tag for tag, _ in page.tags} & {"iframe", "object", "embed", "base", "form"} == set()
    assert "default-src 'none'" in html


def test_a_hostile_name_stays_a_name(html):
    page = Page(html)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert HOSTILE in "".join(page.text)
    assert "<script>document" not in html


def test_every_stage_is_on_the_page(html, document):
    page = Page(html)
    for number, picture in enumerate(document["pictures"], 1):
        article = Page(html.split(f'id="p{number}">')[1].split("</article>")[0])
        keys = [stage["stage"] for stage in picture["stages"]]
        assert [each["data-stage"] for tag, each in article.tags if tag == "div" and "data-stage" in each] == keys
        assert [each["data-row"] for tag, each in article.tags if tag == "tr" and "data-row" in each] == keys
        assert [each["value"] for tag, each in article.tags if tag == "option"] == keys * 2
        text = " ".join("".join(article.text).split())
        for stage in picture["stages"]:
            assert stage["title"] in text
            for each in stage["stored"]:
                assert f"{each['bytes']:,}" in text
        for channel in picture["channels"]:
            assert channel["sentence"] in text
        for reason in picture["left_out"].values():
            assert reason in text
    assert "2 pictures, on average" in " ".join(page.text)


def test_pictures_on_the_page_are_the_stages(html, document, astronaut):
    card = html.split('data-stage="original"')[1]
    data = re.search(r'src="data:image/webp;base64,([^"]+)"', card)[1]
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.size == (192, 128)
        assert measures.psnr(astronaut.crop((120, 0, 312, 128)), image.convert("RGB")) > 30


def test_the_sheet_is_a_picture_of_everything(made):
    with Image.open(made / "out" / "compare.png") as sheet:
        sheet.load()
        assert sheet.format == "PNG"
        assert min(sheet.size) > 1000
        assert np.asarray(sheet).std() > 20


# In a browser


BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.fail(
            "this test needs Chromium: apt-get install chromium-headless-shell (Debian) or chromium,"
            " or name one by the variable CHROMIUM"
        )
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, made):
    """Open the page without a network, on a laptop; what it asks for or complains of is a failure."""
    contexts, problems, requests = [], [], []

    def open_page(**options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, "offline": True} | options)
        context.set_default_timeout(180_000)  # a busy machine is no failure
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(dialog.message))
        page.on("request", lambda request: requests.append(request.url))
        page.goto((made / "out" / "compare.html").as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not problems
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []


def shown(page, locator):
    """A screenshot of a part of the page, as numbers."""
    with Image.open(io.BytesIO(locator.screenshot(animations="disabled"))) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_the_slider_moves_from_one_stage_to_the_other(opened):
    page = opened()
    assert page.title() == "2 pictures: stage by stage"
    assert all(page.eval_on_selector_all("img", "all => all.map(each => each.complete && each.naturalWidth > 0)"))
    viewer = page.locator("[data-viewer]").first
    canvas, slider = viewer.locator(".canvas"), viewer.locator("input")
    viewer.locator("[data-side=right]").select_option("resized")  # looks unlike the original
    assert "The latent made smaller" in viewer.locator("[data-fact=right]").inner_text()
    seen = {}
    for value in (0, 500, 1000):
        slider.fill(str(value))
        seen[value] = shown(page, canvas)
    width = seen[0].shape[1]
    third = slice(12, width // 3)
    assert np.abs(seen[0][:, third] - seen[1000][:, third]).mean() > 4
    assert (seen[500][:, third] == seen[1000][:, third]).all()  # left of the line: the left picture
    right = slice(2 * width // 3, width - 12)
    assert (seen[500][:, right] == seen[0][:, right]).all()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.3)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.3, steps=4)
    page.mouse.up()
    assert 150 < int(slider.input_value()) < 350
    slider.press("ArrowRight")


def test_flip_crops_and_comparing_from_a_card(opened):
    page = opened()
    viewer = page.locator("[data-viewer]").first
    over = viewer.locator(".over")
    viewer.get_by_role("button", name="Flip", exact=True).click()
    assert over.evaluate("each => getComputedStyle(each).visibility") == "hidden"
    viewer.locator(".turn").click()
    assert over.evaluate("each => getComputedStyle(each).visibility") == "visible"
    assert viewer.locator(".frames b").count() == 3
    assert not viewer.locator(".frames").is_visible()
    viewer.get_by_role("button", name="Crops").click()
    assert viewer.locator(".frames").is_visible()
    viewer.get_by_role("button", name="Slide").click()
    page.locator("article").first.locator("[data-show=webp]").click()
    assert viewer.locator("[data-side=left]").input_value() == "sdz"
    assert viewer.locator("[data-side=right]").input_value() == "webp"
    assert viewer.locator(".under").get_attribute("src") == (
        page.locator("article").first.locator("[data-stage=webp] img").get_attribute("src")
    )


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_fits_phones_and_laptops(opened, width):
    page = opened(viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".canvas").first.bounding_box()["width"] > 0.7 * min(width, 900)


def test_dark_and_light(opened):
    for scheme, dark in (("dark", True), ("light", False)):
        page = opened(color_scheme=scheme)
        whole = shown(page, page.locator(".top"))
        assert (np.median(whole) < 100) == dark
        colours = page.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        ink, paper = (np.mean([int(part) for part in re.findall(r"\d+", each)[:3]]) for each in colours)
        assert abs(ink - paper) > 150


# The command


def test_help_imports_nothing_large(tmp_path):
    code = """
import sys
from pillow_sdz.cli import main
try:
    main(["compare", "--help"])
except SystemExit as end:
    assert not end.code
    assert not {"torch", "jinja2", "matplotlib"} & set(sys.modules)
"""
    process = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=60, check=True
    )
    assert "--perceptual" in process.stdout


def test_outputs_that_exist_are_refused(run, tmp_path):
    photo(tmp_path / "a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "compare.png").write_bytes(b"mine")
    assert run("compare", "a.png", "-o", "out") == 1
    assert "compare.png exists" in run.err
    assert "--force" in run.err
    assert names_in(tmp_path / "out") == ["compare.png"]
    (tmp_path / "file").write_bytes(b"")
    assert run("compare", "a.png", "-o", "file") == 2
    (tmp_path / "out" / "compare.png").unlink()
    (tmp_path / "out" / "compare.html").mkdir()
    assert run("compare", "a.png", "-o", "out", "--force") == 1
    assert "is a directory" in run.err


def test_force_replaces_and_a_broken_photo_does_not_stop_the_others(run, tmp_path):
    photo(tmp_path / "a.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "compare.png").write_bytes(b"mine")
    (tmp_path / "out" / "other.txt").write_bytes(b"theirs")
    assert run("compare", "broken.png", "a.png", "missing.png", "-o", "out", "--force", "-q", "100") == 1
    assert "broken.png" in run.err
    assert "missing.png: no such file" in run.err
    assert names_in(tmp_path / "out") == [*OUTPUTS, "other.txt"]
    document = json.loads((tmp_path / "out" / "compare.json").read_bytes())
    assert [picture["name"] for picture in document["pictures"]] == ["a.png"]
    stages = {stage["stage"]: stage for stage in document["pictures"][0]["stages"]}
    assert stages["sdz"]["details"]["payload"] == "direct"  # no noise, so no U-Net, and that is said
    assert "sdz-without-unet" not in stages
    assert "sdz with U-Net" in document["pictures"][0]["left_out"]


def test_nothing_to_compare(run, tmp_path):
    (tmp_path / "empty").mkdir()
    assert run("compare", "empty") == 3
    assert run("compare") == 2
    photo(tmp_path / "a.png")
    assert run("a.png") == 0, run.err
    assert run("compare", "a.sdz", "-o", "out") == 1
    assert "is an .sdz" in run.err
    assert run("compare", "a.png", "--model", "tinny", "-o", "out") == 4
    assert "tinny" in run.err
    assert run("compare", "a.png", "--device", "toaster") == 2
    assert run("compare", "a.png", "--strength", "0") == 2
    assert run("compare", "a.png", "--max-pixels", "10", "-o", "out") == 1
    assert "--max-pixels" in run.err
    assert not (tmp_path / "out").exists()


def test_missing_packages_and_weights(run, tmp_path, monkeypatch):
    photo(tmp_path / "a.png")
    (tmp_path / "weights").mkdir()
    assert run("compare", "a.png", "--perceptual", "weights") == 4
    assert "lpips_alex.npz" in run.err
    (tmp_path / "weights" / "lpips_alex.npz").write_bytes(b"not an archive")
    assert run("compare", "a.png", "--perceptual", "weights") == 4
    assert "cannot be read" in run.err
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert run("compare", "a.png") == 4
    assert "pip install 'pillow-sdz[compare]'" in run.err
    assert names_in(tmp_path) == ["a.png", "weights"]


def test_a_full_disk_leaves_nothing(run, tmp_path, monkeypatch):
    photo(tmp_path / "a.png")
    write, calls = outputs.Outputs.write, []

    def full(self, target, data, like=None):
        calls.append(target.name)
        if target.name == "compare.html":
            raise outputs.WriteError("cannot write: no space left")
        return write(self, target, data, like)

    monkeypatch.setattr(outputs.Outputs, "write", full)
    assert run("compare", "a.png", "-o", "out") == 1
    assert "no space left" in run.err
    assert calls == ["compare.json", "compare.png", "compare.html"]
    assert names_in(tmp_path / "out") == []
