"""The guard with the shipped model and the real detector."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from in_memory import opened, opened_sdz, psnr, saved
from PIL import Image, ImageDraw, ImageFont

from pillow_sdz import add_model
from pillow_sdz.codec import with_model
from pillow_sdz.codec.decode import decode
from pillow_sdz.codec.guard import comparison
from pillow_sdz.models import registry

if TYPE_CHECKING:
    from pathlib import Path

    from fresh import FreshPython

BOARD = (24, 176, 216, 232)
"""Left, top, right and bottom of the board in `sign`, in pixels."""


def lines(image: Image.Image, at: tuple[int, int], text: str, size: int) -> None:
    ImageDraw.Draw(image).text(at, text, fill=(20, 20, 30), font=ImageFont.load_default(size))


@pytest.fixture(scope="session")
def sign(coffee: Image.Image) -> Image.Image:
    """240x240, a cup with a board in front of it."""
    image = coffee.crop((180, 40, 420, 280))
    ImageDraw.Draw(image).rectangle(BOARD, fill=(235, 230, 220))
    lines(image, (32, 180), "Exit 14255 Platform 7\nBakery open 09:30", 18)
    return image


@pytest.fixture(scope="session")
def page() -> Image.Image:
    """280x200, six lines of text."""
    image = Image.new("RGB", (280, 200), "white")
    lines(image, (8, 8), "\n".join(f"{number}. The quick brown fox, {number * 7919}" for number in range(1, 9)), 17)
    return image


def test_a_sign_is_patched_and_nearer_to_the_original(sign: Image.Image) -> None:
    image = opened(saved(sign))
    assert image.info["payload"] == "scalar"
    assert 0.05 < image.info["patched"] < 0.45
    alone = opened(saved(sign, guard=False))
    board, truth = (np.asarray(each.convert("RGB").crop(BOARD)) for each in (image, sign))
    assert psnr(board, truth) > psnr(alone.crop(BOARD), truth) + 3
    assert image.info["psnr"] == pytest.approx(psnr(image, sign), abs=0.1)
    bare = opened_sdz(saved(sign))
    bare.patches = False
    assert psnr(bare.crop(BOARD), truth) < psnr(board, truth) - 3


def test_a_page_is_legible(page: Image.Image) -> None:
    image = opened(saved(page))
    assert image.info["payload"] == "pixels"
    assert psnr(image, page.point(lambda level: min(255, level + 1))) > 25  # or lossless


def test_a_page_is_not_refined_in_vain(page: Image.Image, sign: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    class RefinedError(Exception):
        """Raised in place of refinement."""

    def refuse(*_: object) -> None:
        raise RefinedError

    monkeypatch.setattr(with_model, "refine", refuse)
    assert opened(saved(page)).info["payload"] == "pixels"
    for picture, guard in ((page, False), (sign, True)):
        with pytest.raises(RefinedError):
            saved(picture, guard=guard)


def test_a_photo_is_left_to_the_model(coffee: Image.Image) -> None:
    image = opened(saved(coffee.crop((180, 40, 420, 280))))
    assert image.info["payload"] == "scalar"
    assert image.info["patched"] < 0.05


@pytest.mark.parametrize("size", [900, 1500, 2500, 4000])
def test_target_sizes_are_kept(sign: Image.Image, page: Image.Image, size: int) -> None:
    for picture in (sign, page):
        for error_map in (False, True):
            data = saved(picture, target_size=size, error_map=error_map)
            assert len(data) <= size
            assert len(data) > 0.85 * size or opened(data).info["psnr"] == 100


def test_a_higher_quality_is_nearer_to_the_original(sign: Image.Image) -> None:
    found = [psnr(opened(saved(sign, quality=quality, effort=3)), sign) for quality in (0, 25, 50, 80, 90, 99)]
    assert found == sorted(found)


def test_a_fresh_process_writes_the_same_bytes(sign: Image.Image, tmp_path: Path, fresh_python: FreshPython) -> None:
    """Also the first picture of a process, which ONNX Runtime might decode."""
    sign.save(tmp_path / "sign.png")
    process = fresh_python(
        """
        import hashlib, io, sys
        import pillow_sdz
        from PIL import Image
        stream = io.BytesIO()
        Image.open(sys.argv[1]).save(stream, "SDZ", effort=3, error_map=True)
        print(hashlib.sha256(stream.getvalue()).hexdigest())
        """,
        str(tmp_path / "sign.png"),
    )
    assert process.stdout.strip() == hashlib.sha256(saved(sign, effort=3, error_map=True)).hexdigest()


@pytest.mark.parametrize("options", [{}, {"target_size": 2500}, {"payload": "palette"}])
def test_the_guard_decodes_once_for_what_it_buys(
    sign: Image.Image, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    """For a target size, once more: patches leave less room for the rest."""
    decoded: list[object] = []

    def counted(*arguments: Any) -> Any:
        decoded.append(arguments)
        return decode(*arguments)

    monkeypatch.setattr("pillow_sdz.codec.encode.decode", counted)
    assert opened(saved(sign, effort=3, **options)).info["patches"]
    assert len(decoded) == (2 if "target_size" in options else 1)


def test_models_of_stable_diffusion_are_guarded(
    pipeline_source: Path, models: Path, sign: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their files are patched; pictures are compared by the shipped model."""
    add_model("sd-small", pipeline_source)
    asked: list[str] = []
    real = registry.load

    def load(manifest: Any, *arguments: Any) -> Any:
        asked.append(manifest.name)
        return real(manifest, *arguments)

    monkeypatch.setattr(registry, "load", load)
    image = opened(saved(sign, model="sd-small", payload="palette"))
    assert image.info["model"].startswith("sd-small")
    assert image.info["patches"]
    assert set(asked) == {"sd-small"}
    free = opened(saved(sign, model="sd-small"))  # untrained: AV1 is closer
    assert free.info["payload"] == "pixels"
    monkeypatch.setattr(comparison.Comparison, "pixels_are_closer", lambda *_: False)
    assert opened(saved(sign, model="sd-small", target_size=4000)).info["model"].startswith("sd-small")
