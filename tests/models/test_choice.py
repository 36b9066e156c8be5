"""Which runtime decodes: what was asked for, what is installed, and how much was decoded before."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from pillow_sdz.errors import SdzDependencyError, SdzError, SdzModelError, SdzOptionError
from pillow_sdz.models import choice, registry
from pillow_sdz.models.choice import FIRST_PIXELS, RUNTIME_VARIABLE, choose_runtime
from pillow_sdz.options import DecodeSettings

SMALL = 512 * 512


class World:
    """What is installed and imported, as the choice sees it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.installed = {"torch", "onnxruntime"}
        monkeypatch.setattr(choice, "is_installed", lambda name: name in self.installed)
        monkeypatch.setattr(choice, "_decoded", 0)
        monkeypatch.delitem(sys.modules, "torch", raising=False)
        for variable in (RUNTIME_VARIABLE, "PILLOW_SDZ_DTYPE"):
            monkeypatch.delenv(variable, raising=False)

    def set(self, variable: str, value: str) -> None:
        self._monkeypatch.setenv(variable, value)

    def import_torch(self) -> None:
        self._monkeypatch.setitem(sys.modules, "torch", sys)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    registry.find("tiny")
    return World(monkeypatch)


def chosen(pixels: int = SMALL, *, graphs: bool = True, **settings: str) -> str:
    manifest = registry.find("tiny")
    if not graphs:
        manifest = dataclasses.replace(manifest, graphs=())
    return choose_runtime(manifest, DecodeSettings(**settings), pixels)  # type: ignore[arg-type]


def refused(match: str, **settings: str) -> SdzError:
    with pytest.raises(SdzError, match=match) as caught:
        chosen(**settings)  # type: ignore[arg-type]
    return caught.value


def test_the_first_pictures_need_no_torch(world: World) -> None:
    assert [chosen() for _ in range(6)] == 5 * ["onnx"] + ["torch"]
    assert chosen(FIRST_PIXELS - 5 * SMALL) == "onnx", "a smaller one still fits"
    assert chosen(1) == "torch"


def test_a_large_picture_goes_to_torch_at_once(world: World) -> None:
    assert chosen(FIRST_PIXELS + 1) == "torch"
    assert chosen(FIRST_PIXELS) == "onnx"


def test_torch_where_it_is_imported_already(world: World) -> None:
    assert chosen() == "onnx"
    world.import_torch()
    assert chosen() == "torch"


@pytest.mark.parametrize("settings", [{"device": "cuda"}, {"dtype": "bfloat16"}, {"device": "mps", "dtype": "float16"}])
def test_torch_for_what_only_torch_can_do(world: World, settings: dict[str, str]) -> None:
    assert chosen(**settings) == "torch"  # type: ignore[arg-type]
    assert chosen(device="cpu", dtype="float32") == "onnx"
    assert chosen(graphs=False) == "torch"
    world.set("PILLOW_SDZ_DTYPE", "bfloat16")
    assert chosen() == "torch"
    assert chosen(dtype="float32") == "onnx"


def test_one_of_them_is_enough(world: World) -> None:
    world.installed = {"onnxruntime"}
    assert {chosen(10**9) for _ in range(3)} == {"onnx"}
    world.installed = {"torch"}
    assert chosen() == "torch"


def test_neither_is_installed(world: World) -> None:
    world.installed = set()
    error = refused("decoding the pixels needs torch or onnxruntime")
    assert isinstance(error, SdzDependencyError)
    assert error.remedy == "pip install torch, or pip install onnxruntime, which is smaller"
    assert chosen(graphs=False) == "torch", "the error that follows names torch"


def test_the_option_decides(world: World) -> None:
    assert chosen(runtime="torch") == "torch"
    world.import_torch()
    assert chosen(10**9, runtime="onnx") == "onnx"
    world.set(RUNTIME_VARIABLE, "onnx")
    assert chosen() == "onnx"
    assert chosen(runtime="torch") == "torch"
    world.set(RUNTIME_VARIABLE, "")
    assert chosen() == "torch"
    world.set(RUNTIME_VARIABLE, "jax")
    refused("PILLOW_SDZ_RUNTIME: no such runtime .*'jax'.*expected torch or onnx")


def test_onnx_that_was_asked_for_and_cannot_be_is_an_error(world: World) -> None:
    assert isinstance(refused("device: .* the CPU only .*cuda", runtime="onnx", device="cuda"), SdzOptionError)
    assert isinstance(refused("dtype: .* float32 only .*bfloat16", runtime="onnx", dtype="bfloat16"), SdzOptionError)
    with pytest.raises(SdzModelError, match=r"cannot run model tiny-8, which has no graphs; set runtime='torch'"):
        chosen(graphs=False, runtime="onnx")
    world.installed = {"torch"}
    error = refused("onnxruntime, which is not installed", runtime="onnx")
    assert error.remedy == "pip install onnxruntime"
    world.set(RUNTIME_VARIABLE, "onnx")
    refused("onnxruntime, which is not installed")


def test_a_model_with_half_of_its_graphs_goes_to_torch(world: World) -> None:
    manifest = registry.find("tiny")
    half = dataclasses.replace(manifest, graphs=manifest.graphs[:1])
    assert choose_runtime(half, DecodeSettings(), 1) == "torch"
    alone = dataclasses.replace(half, folder=Path("/nowhere"), graphs=manifest.graphs[1:])
    assert choose_runtime(alone, DecodeSettings(), 1) == "onnx", "there is no U-Net to run"
