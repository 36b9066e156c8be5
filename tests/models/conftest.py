"""Fixtures of models: a copy that a test may damage, and checkpoints that are added or refused."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from pillow_sdz.cli import main
from pillow_sdz.errors import SdzModelError
from pillow_sdz.models import registry
from pillow_sdz.models.checkpoints.add import add_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PIL import Image

    from pillow_sdz.models.manifest import Manifest
    from pillow_sdz.models.model import Model

    Load = Callable[[Manifest], Model]


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped model in a folder that $PILLOW_SDZ_MODELS names, in place of the shipped ones."""
    folder = tmp_path / "models" / "copy"
    shutil.copytree(registry.find("tiny").folder, folder)
    monkeypatch.setenv(registry.MODELS_VARIABLE, str(tmp_path / "models"))
    monkeypatch.setattr(registry, "SHIPPED", tmp_path / "nothing")
    return folder


def _load_into_torch(manifest: Manifest) -> Model:
    return registry.load(manifest, "cpu", "float32")


@pytest.fixture(params=["torch", "onnx"])
def load(request: pytest.FixtureRequest) -> Load:
    """What loads a model into one runtime, and then into the other; both compute in float32."""
    functions: dict[str, Load] = {"torch": _load_into_torch, "onnx": registry.load_onnx}
    return functions[request.param]


@pytest.fixture
def picture(astronaut: Image.Image) -> Image.Image:
    """A photo of 90x70 pixels: the sides are not multiples of the factor."""
    return astronaut.crop((100, 0, 190, 70))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """``sdz-convert`` in this process: (exit code, standard output, standard error)."""

    def call(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return call


@pytest.fixture
def refused(models: Path) -> Callable[..., SdzModelError]:
    """Checks that ``add_model`` refuses a source and leaves nothing behind; returns the error."""

    def call(source: Path | str, match: str, **options: Any) -> SdzModelError:
        with pytest.raises(SdzModelError, match=match) as caught:
            add_model("sd15", source, **options)
        assert not models.exists() or list(models.iterdir()) == []
        return caught.value

    return call
