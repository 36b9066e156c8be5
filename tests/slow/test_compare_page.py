"""``sdz-convert compare``: what the page of a report holds, and that it loads nothing from elsewhere."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from compare_report import HOSTILE
from PIL import Image

from pillow_sdz.evaluation import metrics as measures

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def document(compare_report: Path) -> Any:
    return json.loads((compare_report / "compare.json").read_bytes())


@pytest.fixture(scope="module")
def html(compare_report: Path) -> str:
    return (compare_report / "compare.html").read_text(encoding="utf-8")


class Page(HTMLParser):
    """What a page has: texts, and everything that a browser might load or run."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.loads: list[str | None] = []
        self.handlers: list[str] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        for name, value in attributes:
            if name in ("src", "srcset", "data", "poster", "background") or (name == "href" and tag != "a"):
                self.loads.append(value)
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_loads_nothing(html: str) -> None:
    page = Page(html)
    assert len(page.loads) > 40
    assert all(value is not None and value.startswith("data:") for value in page.loads)
    assert not page.handlers
    assert not re.search(r"@import|url\(", html)
    assert {tag for tag, _ in page.tags} & {"iframe", "object", "embed", "base", "form"} == set()
    assert "default-src 'none'" in html


def test_a_hostile_name_stays_a_name(html: str) -> None:
    page = Page(html)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert HOSTILE in "".join(page.text)
    assert "<script>document" not in html


def test_every_stage_is_on_the_page(html: str, document: Any) -> None:
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


def test_pictures_on_the_page_are_the_stages(html: str, document: Any, astronaut: Image.Image) -> None:
    card = html.split('data-stage="original"')[1]
    found = re.search(r'src="data:image/webp;base64,([^"]+)"', card)
    assert found is not None
    with Image.open(io.BytesIO(base64.b64decode(found[1]))) as image:
        assert image.size == (192, 128)
        assert measures.psnr(astronaut.crop((120, 0, 312, 128)), image.convert("RGB")) > 30
