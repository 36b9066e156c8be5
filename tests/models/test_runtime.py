"""The number type of each device; and torch's global state, which is restored for the host program."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from pillow_sdz.errors import SdzOptionError
from pillow_sdz.models import registry
from pillow_sdz.models.runtime import decoding_dtype, isolated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def threads() -> Iterator[int]:
    """Torch with more than one thread, so that a change to one is seen; the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield 3
    torch.set_num_threads(before)


def test_loading_and_decoding_restore_torchs_state(threads: int) -> None:
    manifest = registry.find("tiny")
    before = torch.get_rng_state()
    registry._loaded.clear()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode():
            model = registry.load(manifest, "cpu")
            latents = model.encode(np.zeros((16, 16, 3), np.uint8))
        model.decode(model.denoise(latents, 0.1, 1), 16, 16)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_isolated_restores_after_an_error(threads: int) -> None:
    with pytest.raises(ZeroDivisionError), isolated():
        torch.set_num_threads(1)
        raise ZeroDivisionError
    assert torch.is_grad_enabled()
    assert torch.get_num_threads() == threads


def test_one_more_team_of_threads_exists_within_a_block_so_that_openmp_waits_briefly(threads: int) -> None:
    def others() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("pillow_sdz")]

    with isolated():
        assert others() == ["pillow_sdz short waits"]
    assert others() == []
    torch.set_num_threads(1)
    with isolated():
        assert others() == []  # a single thread waits for no other


def test_the_hosts_autocast_and_default_device_have_no_effect_inside() -> None:
    with torch.autocast("cpu", torch.bfloat16), torch.device("meta"):
        with isolated():
            product = torch.ones(2, 2) @ torch.ones(2, 2)
        assert torch.is_autocast_enabled("cpu")
        assert torch.get_default_device().type == "meta"
    assert (product.device.type, product.dtype) == ("cpu", torch.float32)


def test_the_random_state_is_not_reset_on_exit() -> None:
    with isolated():
        inside = torch.rand(4)  # as another thread would
    assert not torch.equal(torch.rand(4), inside)


def test_the_last_thread_to_leave_restores_the_default_dtype() -> None:
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with isolated():
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=other)
    torch.set_default_dtype(torch.float64)
    try:
        with isolated():
            thread.start()
            assert entered.wait(60)
        assert torch.get_default_dtype() == torch.float32
        leave.set()
        thread.join()
        assert torch.get_default_dtype() == torch.float64
    finally:
        leave.set()
        torch.set_default_dtype(torch.float32)


def test_bfloat16_is_close_to_float32() -> None:
    manifest = registry.find("tiny")
    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    latents = registry.load(manifest, "cpu").encode(picture)
    ours, theirs = (
        registry.load(manifest, "cpu", dtype).decode(latents, 128, 128) for dtype in ("float32", "bfloat16")
    )
    assert 0 < np.abs(ours.astype(int) - theirs).mean() < 3


@pytest.mark.parametrize(
    ("named", "capabilities", "expected"),
    [
        (None, {}, "float32"),
        (None, {"avx512_bf16": False, "amx_bf16": True}, "bfloat16"),
        (None, {"avx512_bf16": True}, "bfloat16"),
        ("float32", {"avx512_bf16": True}, "float32"),
        ("bfloat16", {}, "bfloat16"),
    ],
)
def test_files_decode_in_the_number_type_that_is_fastest_on_the_processor(
    monkeypatch: pytest.MonkeyPatch, named: str | None, capabilities: dict[str, bool], expected: str
) -> None:
    monkeypatch.delenv("PILLOW_SDZ_DTYPE")
    if named:
        monkeypatch.setenv("PILLOW_SDZ_DTYPE", named)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    loaded: list[str | None] = []
    load = registry.load

    def spy(manifest: Any, device: str | None = None, dtype: str | None = None) -> Any:
        loaded.append(dtype)
        return load(manifest, device, "float32")

    monkeypatch.setattr(registry, "load", spy)
    file = io.BytesIO()
    Image.new("RGB", (16, 16), "olive").save(file, "SDZ", guard=False)
    assert set(loaded) == {expected}, "the encoder starts in the number type in which its latent is refined"
    loaded.clear()
    for options in ({"effort": 3}, {"quality": 100}, {"colors": 2}):
        Image.new("RGB", (16, 16), "olive").save(io.BytesIO(), "SDZ", guard=False, **options)
    assert loaded == [None, None, None], "where nothing is refined, it is float32"
    loaded.clear()
    Image.open(file).load()
    assert loaded == [expected]


def test_the_cpus_number_type_does_not_depend_on_accelerators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PILLOW_SDZ_DTYPE")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert decoding_dtype("cpu") == "bfloat16"
    assert decoding_dtype("meta") == "float32"


def test_an_unknown_number_type_in_the_environment_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), "olive").save(file, "SDZ", guard=False)
    monkeypatch.setenv("PILLOW_SDZ_DTYPE", "int4")
    with pytest.raises(SdzOptionError, match="PILLOW_SDZ_DTYPE: no such number type"):
        Image.open(file).load()


@pytest.mark.slow
def test_a_forked_child_decodes(fresh_python: Callable[..., Any]) -> None:
    """A child of a process that has used torch's threads must neither hang nor differ."""
    process = fresh_python(
        """
        import os, numpy as np
        os.environ["OMP_NUM_THREADS"] = "2"
        from pillow_sdz.models import registry
        model = registry.load(registry.find("tiny"), "cpu")
        latents = model.encode(np.full((256, 256, 3), 90, np.uint8))
        parent = model.decode(latents, 256, 256)
        child = os.fork()
        if child == 0:
            again = model.decode(model.encode(np.full((256, 256, 3), 90, np.uint8)), 256, 256)
            os._exit(0 if np.abs(again.astype(int) - parent).max() <= 1 else 3)
        import threading
        threading.Timer(60, lambda: os.kill(child, 9)).start()
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        os._exit(0)
        """,
        check=False,
    )
    assert process.stdout.strip().endswith("0"), process.stderr
