"""Finding models, refusing damaged ones, and leaving the host's torch state alone."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from pillow_sdz.errors import SdzModelError, SdzOptionError
from pillow_sdz.models import registry
from pillow_sdz.models.fingerprint import fingerprint
from pillow_sdz.models.manifest import read_manifest
from pillow_sdz.models.runtime import decoding_dtype, isolated

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped model in a folder that $PILLOW_SDZ_MODELS names, in place of the shipped ones."""
    folder = tmp_path / "models" / "copy"
    shutil.copytree(registry.find("tiny").folder, folder)
    monkeypatch.setenv(registry.VARIABLE, str(tmp_path / "models"))
    monkeypatch.setattr(registry, "SHIPPED", tmp_path / "nothing")
    return folder


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "model.json"
    fields = json.loads(path.read_text())
    change(fields)
    path.write_text(json.dumps(fields))


def test_names_and_fingerprints_find_models() -> None:
    newest = registry.find("tiny")
    assert newest.version == max(m.version for m in registry.installed() if m.name == "tiny")
    assert registry.find(newest.full_name) is newest
    assert registry.find_by_fingerprint(newest.short_fingerprint) is newest
    assert registry.describe(newest.short_fingerprint) == newest.full_name
    assert registry.describe(bytes(8)) is None


def test_missing_models_are_named_with_the_way_out() -> None:
    with pytest.raises(
        SdzModelError, match=r"no such model \(found tinny, expected one of .*tiny-8.*PILLOW_SDZ_MODELS"
    ):
        registry.find("tinny")
    with pytest.raises(SdzModelError, match=r"not installed \(found 0000000000000000, expected one of .*tiny-8"):
        registry.find_by_fingerprint(bytes(8))


def test_shipped_weights_stay_small() -> None:
    size = sum(path.stat().st_size for path in registry.SHIPPED.rglob("*") if path.is_file())
    assert size <= 25_000_000


def test_a_changed_byte_in_the_weights_is_refused(copy: Path) -> None:
    path = copy / "unet" / "diffusion_pytorch_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    with pytest.raises(SdzModelError, match="weights of model tiny-8 are not those of its manifest"):
        registry.load(registry.find("tiny"), "cpu")


@pytest.mark.parametrize("part", ["vae", "unet"])
def test_missing_or_broken_weights_are_refused(copy: Path, part: str) -> None:
    path = copy / part / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(SdzModelError, match="cannot load the weights"):
        registry.load(registry.find("tiny"), "cpu")
    path.unlink()
    with pytest.raises(SdzModelError, match="cannot load the weights"):
        registry.load(registry.find("tiny"), "cpu")


def test_a_pickle_is_never_loaded(copy: Path) -> None:
    weights = copy / "vae" / "diffusion_pytorch_model.safetensors"
    torch.save({"a": torch.ones(1)}, weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(SdzModelError, match="cannot load the weights"):
        registry.load(registry.find("tiny"), "cpu")


def test_the_shipped_configurations_are_checked(copy: Path) -> None:
    config = copy / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace("0.012", "0.013"))
    with pytest.raises(SdzModelError, match=r"scheduler_config\.json: SHA-256: the configuration is not the one"):
        registry.load(registry.find("tiny"), "cpu")


def test_unknown_networks_are_refused(copy: Path) -> None:
    config = copy / "vae" / "config.json"
    config.write_text(config.read_text().replace("AutoencoderDC", "os.system"))
    with pytest.raises(
        SdzModelError, match=r"_class_name: unknown network \(found os.system, expected AutoencoderDC or"
    ):
        registry.load(registry.find("tiny"), "cpu")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", "zip"), ("name", "../up"), ("version", 0), ("version", True), ("fingerprint", "12"),
        ("latent_scaling", 0), ("steps", 256), ("preview_matrix", [[1, 2, 3]]),
        ("preview_matrix", None), ("codes", []), ("context", None), ("training_data", None), ("training_data", 7),
        ("empty_prompt", int("1" * 64)),
    ],
)  # fmt: skip
def test_wrong_manifest_fields_are_named(copy: Path, field: str, value: object) -> None:
    edit(copy, lambda fields: fields.update({field: value}))
    with pytest.raises(SdzModelError, match=f"model.json: .*{field}"):
        registry.find("tiny")


def test_palettes_must_be_a_list(copy: Path) -> None:
    for value in (None, 3):
        edit(copy, lambda fields, value=value: fields["codes"].update(palettes=value))
        with pytest.raises(SdzModelError, match=r"codes\.palettes: wrong field .*expected a list"):
            registry.find("tiny")


@pytest.mark.parametrize("text", ["", "{", "[]", "nul", "[" * 100_000])
def test_manifests_that_are_not_json_objects(copy: Path, text: str) -> None:
    (copy / "model.json").write_text(text)
    with pytest.raises(SdzModelError, match=r"model\.json"):
        registry.find("tiny")


def test_palettes_of_a_model_are_checked(copy: Path) -> None:
    data = bytes(range(64))
    (copy / "palettes").mkdir()
    (copy / "palettes" / "7.u8").write_bytes(data)
    listed = {"number": 7, "entries": 8, "sha256": hashlib.sha256(data).hexdigest()}
    edit(copy, lambda fields: fields["codes"].update(palettes=[listed]))
    manifest = read_manifest(copy)
    np.testing.assert_array_equal(manifest.palette(7), np.frombuffer(data, np.uint8).reshape(8, 8))
    with pytest.raises(SdzModelError, match=r"no such palette \(found 8, expected 7\)"):
        manifest.palette(8)
    (copy / "palettes" / "7.u8").write_bytes(data[:-1] + b"x")
    with pytest.raises(SdzModelError, match="SHA-256"):
        manifest.palette(7)
    (copy / "palettes" / "7.u8").unlink()
    with pytest.raises(SdzModelError, match="cannot read a palette"):
        manifest.palette(7)


def test_loading_and_working_leave_torch_as_it_was() -> None:
    manifest = registry.find("tiny")
    before, threads = torch.get_rng_state(), torch.get_num_threads()
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


def test_isolated_restores_after_an_error() -> None:
    threads = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), isolated():
        torch.set_num_threads(1)
        raise ZeroDivisionError
    assert torch.is_grad_enabled()
    assert torch.get_num_threads() == threads


def test_what_the_host_has_set_does_not_reach_inside() -> None:
    with torch.autocast("cpu", torch.bfloat16), torch.device("meta"):
        with isolated():
            product = torch.ones(2, 2) @ torch.ones(2, 2)
        assert torch.is_autocast_enabled("cpu")
        assert torch.get_default_device().type == "meta"
    assert (product.device.type, product.dtype) == ("cpu", torch.float32)


def test_numbers_that_the_host_draws_meanwhile_are_not_drawn_again() -> None:
    with isolated():
        inside = torch.rand(4)  # as another thread would
    assert not torch.equal(torch.rand(4), inside)


def test_the_last_of_overlapping_pictures_puts_the_number_type_back() -> None:
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


def test_a_model_that_took_another_ones_place_is_loaded(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_loaded", {})
    first = registry.load(registry.find("tiny"), "cpu")
    assert registry.load(registry.find("tiny"), "cpu") is first
    shutil.rmtree(copy / "unet")  # the same folder, another model
    parts = {f"vae.{n}": t for n, t in load_file(copy / "vae" / "diffusion_pytorch_model.safetensors").items()}
    edit(copy, lambda fields: fields.update(fingerprint=fingerprint(parts, first.manifest.codes), configs={}))
    os.utime(copy / "model.json", ns=(1, 1))
    second = registry.load(registry.find("tiny"), "cpu")
    assert second.unet is None
    assert list(registry._loaded.values()) == [second]


def test_a_model_that_is_removed_while_others_are_looked_for(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(registry, "_manifest", gone)
    assert list(registry.installed()) == []


def test_pixels_that_are_not_numbers_are_an_error_and_not_black() -> None:
    model = registry.load(registry.find("tiny"), "cpu")
    with pytest.raises(SdzModelError, match=r"pixels: model tiny-8 gives values that are not numbers"):
        model.decode(np.full((2, 2, 8), np.nan, np.float32), 16, 16)


def test_threads_share_one_model() -> None:
    registry._loaded.clear()
    manifest, found = registry.find("tiny"), []
    threads = [threading.Thread(target=lambda: found.append(registry.load(manifest, "cpu"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(model) for model in found}) == 1


def test_devices_and_number_types_are_checked() -> None:
    manifest = registry.find("tiny")
    with pytest.raises(SdzOptionError, match="device: torch cannot use this device"):
        registry.load(manifest, "toaster")
    with pytest.raises(SdzOptionError, match="dtype: no such number type"):
        registry.load(manifest, "cpu", "int4")


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
def test_files_decode_in_the_number_type_that_the_processor_is_made_for(
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
    Image.new("RGB", (16, 16), "olive").save(file, "SDZ")
    Image.open(file).load()
    assert loaded == [None, expected], "encoding is float32 everywhere"


def test_the_processor_chooses_its_number_type_beside_an_accelerator_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PILLOW_SDZ_DTYPE")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert decoding_dtype("cpu") == "bfloat16"
    assert decoding_dtype("meta") == "float32"


def test_an_unknown_number_type_in_the_environment_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), "olive").save(file, "SDZ")
    monkeypatch.setenv("PILLOW_SDZ_DTYPE", "int4")
    with pytest.raises(SdzOptionError, match="dtype: no such number type"):
        Image.open(file).load()


def test_a_forked_child_decodes(fresh_python: Callable[..., Any]) -> None:
    """A child of a process that has used torch's threads must neither hang nor differ."""
    process = fresh_python(
        """
        import os, numpy as np
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
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        os._exit(0)
        """,
        check=False,
    )
    assert process.stdout.strip().endswith("0"), process.stderr
