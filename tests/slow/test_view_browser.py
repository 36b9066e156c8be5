"""The page of ``sdz-convert view`` in a browser: what it shows, and when; its keys; phones; hostile names and texts."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import toy_model
from chromium import box_of, launched
from playwright.sync_api import expect
from toy_files import direct_file_of, file_of
from viewing import Client, Gate, served

from pillow_sdz.cli.viewer import decoder
from pillow_sdz.cli.viewer.redirect import redirect_to
from pillow_sdz.cli.viewer.shown_file import ShownFile, read
from pillow_sdz.container.metadata import Metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page
    from toy_model import Toy

    from pillow_sdz.cli.sources import Source

    Visit = Callable[..., Page]

VECTORS = Path(__file__).parents[1] / "vectors" / "v0-tiny-8"
HOSTILE = "<img src=x onerror=alert(1)> & <script>alert(2)</script>"
BUSY = 60_000  # milliseconds: a busy machine is no failure


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as chromium:
        yield chromium


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Open the page of a server; what it asks for elsewhere or complains of is a failure."""
    contexts: list[Any] = []
    problems: list[str] = []
    requests: list[str] = []
    homes: list[str] = []
    expect.set_options(timeout=BUSY)

    def open_page(client: Client, *, ends: bool = False, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | options)
        context.set_default_timeout(BUSY)
        contexts.append(context)
        homes.append(client.viewer.url)
        page = context.new_page()
        page.on(
            "console", lambda message: None if ends and "net::ERR" in message.text else problems.append(message.text)
        )
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(dialog.message))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(client.viewer.url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not problems
    assert [url for url in requests if not url.startswith((*homes, "data:"))] == []


@pytest.fixture
def album(tmp_path: Path) -> list[Path]:
    """Golden files: one with patches and its error, one with EXIF and alpha; and a damaged copy between them."""
    paths = [tmp_path / name for name in (f"{HOSTILE.replace('/', '')}.sdz", "damaged.sdz", "alpha.sdz")]
    shutil.copy(VECTORS / "error" / "file.sdz", paths[0])
    data = paths[0].read_bytes()
    paths[1].write_bytes(data[:800] + bytes([data[800] ^ 1]) + data[801:])
    shutil.copy(VECTORS / "alpha" / "file.sdz", paths[2])
    return paths


def natural_size(page: Page, name: str) -> list[int]:
    size: list[int] = page.locator(f"#{name}").evaluate("each => [each.naturalWidth, each.naturalHeight]")
    return size


def test_the_preview_comes_first_then_the_picture(
    visit: Visit, tmp_path: Path, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(toy, monkeypatch)
    path = tmp_path / "cat.sdz"
    path.write_bytes(file_of(toy_model.blocks(400, 240), metadata=Metadata(text={"Title": "A <b>cat</b>"})))
    with served(path) as client:
        page = visit(client)
        preview, picture, state = page.locator("#preview-picture"), page.locator("#picture"), page.locator("#state")
        expect(preview).to_be_visible()
        expect(picture).to_be_hidden()
        expect(state).to_have_text("Preview. Decoding …")
        assert natural_size(page, "preview-picture") == [50, 30]
        assert box_of(preview)["width"] == 400, "as large as the picture will be"
        expect(page.get_by_role("button", name="Preview")).to_be_disabled()
        gate.open(1)
        expect(state).to_have_text("Preview. Decoding: 1 of 4 parts.")
        gate.open()
        expect(picture).to_be_visible()
        expect(preview).to_be_hidden()
        expect(state).to_contain_text("Decoded in")
        expect(picture).to_have_attribute("alt", "A <b>cat</b> (picture)")
        assert natural_size(page, "picture") == [400, 240]
        assert page.title() == "cat.sdz" or page.title().endswith("/cat.sdz")
        page.keyboard.press("v")
        expect(preview).to_be_visible()
        expect(picture).to_be_hidden()
        expect(page.get_by_role("button", name="Preview")).to_have_attribute("aria-pressed", "true")


@pytest.mark.usefixtures("toy")
def test_the_file_that_a_browser_is_told_to_open_leads_to_the_page(browser: Browser, path: Path) -> None:
    with served(path) as client, redirect_to(client.viewer.url) as address:
        page = browser.new_page()
        page.goto(address)
        expect(page.locator("#state")).to_contain_text("Decoded in", timeout=BUSY)
        assert page.url == client.viewer.url + "#1"
        page.close()


def test_a_file_that_changes_before_it_is_decoded(
    visit: Visit, tmp_path: Path, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cat.sdz"
    path.write_bytes(file_of(toy_model.blocks(40, 24)))

    def change_and_read(source: Source) -> ShownFile:
        path.write_bytes(file_of(toy_model.blocks(80, 48)))
        return read(source)

    monkeypatch.setattr(decoder, "read", change_and_read)
    with served(path) as client:
        page = visit(client)
        expect(page.locator("#state")).to_contain_text("Decoded in")
        expect(page.locator("#scale")).to_contain_text("80 × 48")
        assert natural_size(page, "picture") == [80, 48]


def test_facts_patches_error_and_the_next_file(visit: Visit, album: list[Path]) -> None:
    with served(*album) as client:
        page = visit(client)
        about, state = page.locator("#about"), page.locator("#state")
        for text in ("200 x 170, RGB", "2,497 bytes, 0.588 bits per pixel", "tiny-8", "24.2 dB", "0.943", "23.1"):
            expect(about.get_by_text(text).first).to_be_visible()
        expect(about.locator(".key")).to_have_text("97 % synthesised3 % patched")
        rows = about.locator(".parts tr")
        assert sum(int(each.split()[-2].replace(",", "")) for each in rows.all_inner_texts()) == 2497
        expect(page.locator("h1")).to_contain_text("onerror")
        expect(state).to_contain_text("Decoded in")

        outlines, error_map, without = page.locator("#outlines"), page.locator("#error-picture"), "#without-picture"
        expect(outlines).to_be_hidden()
        page.keyboard.press("p")
        expect(outlines).to_be_visible()
        rectangle = outlines.locator("rect").first
        assert outlines.locator("g").count() == 1
        ((left, top, width, height),) = client.json("0")["patches"]
        box, sheet = box_of(rectangle), box_of(page.locator("#sheet"))
        half = 1.75  # of the line's width
        assert box["x"] - sheet["x"] + half == left
        assert box["y"] - sheet["y"] + half == top
        assert (box["width"] - 2 * half, box["height"] - 2 * half) == (width, height)
        page.keyboard.press("e")
        expect(error_map).to_be_visible()
        assert natural_size(page, "error-picture") == [7, 6]
        assert box_of(error_map)["width"] == 7 * 32
        page.keyboard.press("w")
        expect(page.locator(without)).to_be_visible()
        expect(page.locator("#picture")).to_be_hidden()
        expect(state).to_contain_text("Without patches")

        page.keyboard.press("ArrowRight")
        expect(page.locator("#problem")).to_contain_text("checksum is wrong")
        expect(page.locator("#files")).to_have_value("1")
        expect(page.get_by_role("button", name="Error map")).to_be_disabled()
        page.keyboard.press("n")
        expect(page.locator("#problem")).to_be_hidden()
        expect(state).to_contain_text("Decoded in")
        expect(page.locator("#sheet")).to_have_class("alpha")
        assert page.url.endswith("#3")
        expect(page.get_by_role("button", name="Next file")).to_be_disabled()
        page.reload()
        expect(page.locator("#files")).to_have_value("2")
        page.locator("#files").select_option("0")
        page.locator("#files").blur()
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#files")).to_have_value("0")


def test_sizes_and_keys(visit: Visit, tmp_path: Path, toy: Toy) -> None:
    path = tmp_path / "wide.sdz"
    path.write_bytes(direct_file_of(toy_model.blocks(2400, 1600)))
    with served(path) as client:
        page = visit(client, device_scale_factor=2)
        sheet, stage, scale = page.locator("#sheet"), page.locator("#stage"), page.locator("#scale")
        expect(page.locator("#state")).to_contain_text("Decoded in")
        room = box_of(stage)
        assert box_of(sheet)["width"] == pytest.approx(min(room["width"], room["height"] * 1.5), abs=1)
        page.keyboard.press("1")
        expect(scale).to_contain_text("· 100 %")
        assert box_of(sheet)["width"] == 1200, "a pixel of the picture for each of the screen"
        page.keyboard.press("+")
        expect(sheet).to_have_class("pixels")
        assert box_of(sheet)["width"] == 2400
        before = stage.evaluate("each => each.scrollLeft")
        page.keyboard.press("ArrowRight")
        assert stage.evaluate("each => each.scrollLeft") > before, "arrows move what is larger than the window"
        page.mouse.move(300, 300)
        page.mouse.down()
        page.mouse.move(200, 250, steps=3)
        page.mouse.up()
        assert stage.evaluate("each => each.scrollLeft") == pytest.approx(before + 80 + 100, abs=2)
        for key in ("-", "-", "-"):
            page.keyboard.press(key)
        expect(scale).to_contain_text("· 25 %")
        stage.dblclick()
        expect(page.get_by_role("button", name="Fit")).to_have_attribute("aria-pressed", "true")
        page.keyboard.press("?")
        dialog = page.get_by_role("dialog", name="Keys")
        expect(dialog).to_be_visible()
        page.keyboard.press("1")
        expect(page.get_by_role("button", name="Fit")).to_have_attribute("aria-pressed", "true")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phones(visit: Visit, album: list[Path], scheme: str) -> None:
    long = album[0].with_name("a-name-that-is-much-longer-than-the-screen-of-a-phone-is-wide" * 3 + ".sdz")
    shutil.copy(VECTORS / "metadata" / "file.sdz", long)
    with served(*album, long, decode=False) as client:
        page = visit(client, viewport={"width": 390, "height": 844}, color_scheme=scheme, has_touch=True)
        expect(page.locator("#state")).to_contain_text("--no-decode")
        for number in range(4):
            page.locator("#files").select_option(str(number))
            expect(page.locator("#about *, #problem:visible").first).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
        for button in page.get_by_role("button").all():
            assert box_of(button)["height"] >= 36
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (np.mean([int(part) for part in dark[4:-1].split(",")]) < 100) == (scheme == "dark")


def test_the_end_of_the_program_is_said(visit: Visit, path: Path, toy: Toy) -> None:
    with served(path) as client:
        page = visit(client, ends=True)
        expect(page.locator("#state")).to_contain_text("Decoded in")
        expect(page.locator("#lost")).to_be_hidden()
        client.viewer.stopped = True
        client.viewer.decoder.stop()
        client.viewer.shutdown()
        expect(page.locator("#lost")).to_be_visible()
        expect(page.locator("#picture")).to_be_visible()
