"""Finding models, and refusing damaged ones."""

from __future__ import annotations

import io
import os
import shutil
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from model_folders import edit_manifest
from PIL import Image
from safetensors.torch import load_file, save_file

from pillow_sdz.errors import SdzModelError, SdzOptionError
from pillow_sdz.models import registry
from pillow_sdz.models.configuration import read_config
from pillow_sdz.models.fingerprint import Decoding, decoding_tensors, digest_of, encoder_tensors, fingerprint
from pillow_sdz.models.half_weights import WEIGHTS_NAME

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from pillow_sdz.models.manifest import Manifest
    from pillow_sdz.models.model import Model

    Load = Callable[[Manifest], Model]


def test_names_and_fingerprints_find_models() -> None:
    newest = registry.find("tiny")
    assert newest.version == max(m.version for m in registry.installed() if m.name == "tiny")
    assert registry.find(newest.full_name) is newest
    assert registry.find_by_fingerprint(newest.short_fingerprint) is newest
    assert registry.name_of(newest.short_fingerprint) == newest.full_name
    assert registry.name_of(bytes(8)) is None


def test_errors_for_missing_models_say_how_to_add_them() -> None:
    with pytest.raises(
        SdzModelError, match=r"no such model \(found tinny, expected one of .*tiny-8.*PILLOW_SDZ_MODELS"
    ):
        registry.find("tinny")
    with pytest.raises(SdzModelError, match=r"not installed \(found 0000000000000000, expected one of .*tiny-8"):
        registry.find_by_fingerprint(bytes(8))


def test_finding_and_describing_models_imports_no_torch(fresh_python: Callable[..., Any]) -> None:
    fresh_python(
        """
        import sys
        import pillow_sdz.cli.models
        import pillow_sdz.models.checkpoints.add
        import pillow_sdz.models.checkpoints.single_file
        import pillow_sdz.models.loading
        from pillow_sdz.models import model_data, registry
        model_data.prior(registry.find("tiny"))
        heavy = {"torch", "diffusers", "safetensors", "transformers", "huggingface_hub"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
        """
    )


def test_shipped_weights_stay_small() -> None:
    size = sum(path.stat().st_size for path in registry.SHIPPED.rglob("*") if path.is_file())
    assert size <= 25_000_000


def test_a_changed_byte_in_the_weights_is_refused(copy: Path, load: Load) -> None:
    path = copy / "unet" / "diffusion_pytorch_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    with pytest.raises(SdzModelError, match="model tiny-8: the model is not the one of its manifest"):
        load(registry.find("tiny"))


def without_encoder(folder: Path) -> None:
    """Delete the encoder's weights from a model's folder."""
    path = folder / "vae" / WEIGHTS_NAME
    save_file({name: t for name, t in load_file(path).items() if not name.startswith("encoder.")}, path)


def opened(file: io.BytesIO) -> NDArray[np.int64]:
    with Image.open(file) as image:
        return np.array(image).astype(np.int64)


def test_a_model_without_its_encoder_opens_files_and_says_so_when_asked_to_save(
    copy: Path, picture: Image.Image
) -> None:
    file = io.BytesIO()
    picture.save(file, "SDZ")
    before = opened(file)
    without_encoder(copy)
    os.utime(copy / "model.json", ns=(1, 1))  # so that the model is loaded again
    assert np.array_equal(opened(file), before)
    with pytest.raises(SdzModelError, match=r"encoder: model tiny-\d has no encoder: it opens files, but cannot save"):
        picture.save(io.BytesIO(), "SDZ")


def test_models_that_differ_in_the_encoder_alone_are_one_to_a_file(
    copy: Path, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = copy / "vae" / WEIGHTS_NAME
    tensors = load_file(path)
    tensors["encoder.conv_out.bias"] += 0.5
    save_file(tensors, path)
    edit_manifest(copy, lambda fields: fields.update(encoder=digest_of(encoder_tensors(tensors))))
    file = io.BytesIO()
    picture.save(file, "SDZ")
    theirs = opened(file)
    monkeypatch.undo()  # only the shipped model is left
    assert registry.find("tiny").folder != copy
    assert np.array_equal(opened(file), theirs)


def test_an_encoder_other_than_the_manifests_is_refused(copy: Path) -> None:
    path = copy / "vae" / WEIGHTS_NAME
    tensors = load_file(path)
    tensors["encoder.conv_out.bias"] += 0.5
    save_file(tensors, path)
    with pytest.raises(SdzModelError, match=r"encoder: model tiny-\d: the encoder is not the one of its manifest"):
        registry.load(registry.find("tiny"), "cpu")


def test_half_an_encoder_is_refused(copy: Path) -> None:
    path = copy / "vae" / WEIGHTS_NAME
    tensors = load_file(path)
    del tensors["encoder.conv_out.bias"]
    save_file(tensors, path)
    with pytest.raises(SdzModelError, match=r"encoder\.conv_out\.bias: cannot load the weights: a tensor is missing"):
        registry.load(registry.find("tiny"), "cpu")


@pytest.mark.parametrize("field", ["latent_scaling", "latent_shift"])
def test_numbers_of_the_manifest_that_change_pixels_are_checked(copy: Path, field: str, load: Load) -> None:
    edit_manifest(copy, lambda fields: fields.update({field: 3.0}))
    with pytest.raises(SdzModelError, match=r"fingerprint: model tiny-\d: the model is not the one of its manifest"):
        load(registry.find("tiny"))


def test_float32_weights_give_the_pixels_of_float16_ones(copy: Path) -> None:
    model = registry.load(registry.find("tiny"), "cpu")
    latents = np.random.default_rng(0).normal(size=(4, 4, 8)).astype(np.float32)
    before = model.decode(latents, 32, 32)
    for part in ("vae", "unet"):
        path = copy / part / WEIGHTS_NAME
        save_file({name: t.float() * (1 + 2**-13) for name, t in load_file(path).items()}, path)
    edit_manifest(copy, lambda fields: fields.pop("encoder"))
    again = registry.load(registry.find("tiny"), "cpu")
    assert again is not model
    assert np.array_equal(again.decode(latents, 32, 32), before)


@pytest.mark.parametrize("part", ["vae", "unet"])
def test_missing_or_broken_weights_are_refused(copy: Path, part: str, load: Load) -> None:
    path = copy / part / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(SdzModelError, match="cannot load the weights"):
        load(registry.find("tiny"))
    path.unlink()
    with pytest.raises(SdzModelError, match="cannot load the weights"):
        load(registry.find("tiny"))


def test_a_pickle_is_never_loaded(copy: Path) -> None:
    weights = copy / "vae" / "diffusion_pytorch_model.safetensors"
    torch.save({"a": torch.ones(1)}, weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(SdzModelError, match="cannot load the weights"):
        registry.load(registry.find("tiny"), "cpu")


def test_the_shipped_configurations_are_checked(copy: Path, load: Load) -> None:
    config = copy / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace("0.012", "0.013"))
    with pytest.raises(SdzModelError, match=r"scheduler_config\.json: SHA-256: the configuration is not the one"):
        load(registry.find("tiny"))


def test_unknown_networks_are_refused(copy: Path) -> None:
    config = copy / "vae" / "config.json"
    config.write_text(config.read_text().replace("AutoencoderDC", "os.system"))
    with pytest.raises(
        SdzModelError, match=r"_class_name: unknown network \(found os.system, expected AutoencoderDC or"
    ):
        registry.load(registry.find("tiny"), "cpu")


def test_a_model_that_replaced_another_in_its_folder_is_loaded(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_loaded", {})
    first = registry.load(registry.find("tiny"), "cpu")
    assert registry.load(registry.find("tiny"), "cpu") is first
    shutil.rmtree(copy / "unet")  # the same folder, another model
    parts = decoding_tensors(load_file(copy / "vae" / WEIGHTS_NAME), None)
    decoding = Decoding(first.manifest.codes, read_config(copy / "vae" / "config.json"))
    edit_manifest(copy, lambda fields: fields.update(fingerprint=fingerprint(parts, decoding), configs={}))
    os.utime(copy / "model.json", ns=(1, 1))
    second = registry.load(registry.find("tiny"), "cpu")
    assert second.unet is None
    assert list(registry._loaded.values()) == [second]


def test_a_model_that_is_removed_during_the_search_is_skipped(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(registry, "_manifest", gone)
    assert list(registry.installed()) == []


def test_pixels_that_are_not_numbers_are_an_error_and_not_black(load: Load) -> None:
    model = load(registry.find("tiny"))
    with pytest.raises(SdzModelError, match=r"pixels: model tiny-8 gives values that are not numbers"):
        model.decode(np.full((2, 2, 8), np.nan, np.float32), 16, 16)


def test_threads_share_one_model(load: Load) -> None:
    registry._loaded.clear()
    manifest = registry.find("tiny")
    found: list[Model] = []
    threads = [threading.Thread(target=lambda: found.append(load(manifest))) for _ in range(6)]
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
