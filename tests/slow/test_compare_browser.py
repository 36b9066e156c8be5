"""``sdz-convert compare``: the page of a report in a browser without a network."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from browsers import launched
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from playwright.sync_api import Browser, Locator, Page

    OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as chromium:
        yield chromium


@pytest.fixture
def opened(browser: Browser, compare_report: Path) -> Iterator[OpenPage]:
    """Open the page without a network, on a laptop; what it asks for or complains of is a failure."""
    contexts: list[Any] = []
    problems: list[str] = []
    requests: list[str] = []

    def open_page(**options: Any) -> Page:
        defaults: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, "offline": True}
        context = browser.new_context(**defaults | options)
        context.set_default_timeout(180_000)  # a busy machine is no failure
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(dialog.message))
        page.on("request", lambda request: requests.append(request.url))
        page.goto((compare_report / "compare.html").as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not problems
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []


def box_of(locator: Locator) -> Any:
    """Where a part of the page is, in pixels."""
    box = locator.bounding_box()
    assert box is not None
    return box


def shown(locator: Locator) -> NDArray[np.int64]:
    """A screenshot of a part of the page, as numbers."""
    with Image.open(io.BytesIO(locator.screenshot(animations="disabled"))) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_the_slider_moves_from_one_stage_to_the_other(opened: OpenPage) -> None:
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
        seen[value] = shown(canvas)
    width = seen[0].shape[1]
    third = slice(12, width // 3)
    assert np.abs(seen[0][:, third] - seen[1000][:, third]).mean() > 4
    assert (seen[500][:, third] == seen[1000][:, third]).all()  # left of the line: the left picture
    right = slice(2 * width // 3, width - 12)
    assert (seen[500][:, right] == seen[0][:, right]).all()
    box = box_of(canvas)
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.3)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.3, steps=4)
    page.mouse.up()
    assert 150 < int(slider.input_value()) < 350
    slider.press("ArrowRight")


def test_flip_crops_and_comparing_from_a_card(opened: OpenPage) -> None:
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
def test_the_page_fits_phones_and_laptops(opened: OpenPage, width: int) -> None:
    page = opened(viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert box_of(page.locator(".canvas").first)["width"] > 0.7 * min(width, 900)


def test_dark_and_light(opened: OpenPage) -> None:
    for scheme, dark in (("dark", True), ("light", False)):
        page = opened(color_scheme=scheme)
        whole = shown(page.locator(".top"))
        assert (np.median(whole) < 100) == dark
        colours = page.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        ink, paper = (np.mean([int(part) for part in re.findall(r"\d+", each)[:3]]) for each in colours)
        assert abs(ink - paper) > 150
