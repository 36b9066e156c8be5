"""Models from Stable Diffusion's checkpoints in all their layouts; a fresh process decodes pictures with them."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sd_checkpoints as sd
from PIL import Image
from safetensors.torch import load_file, save_file

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models import registry
from pillow_sdz.models.checkpoints.add import add_model, remove_model
from pillow_sdz.models.checkpoints.checkpoint import NETWORK_STEM, TEXT_ENCODER_STEM

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


OPEN = """
import sys
from PIL import Image
import pillow_sdz

with Image.open(sys.argv[1]) as image:
    image.load()
    image.save(sys.argv[2])
names = [name for name in sys.modules if name.partition(".")[0] == "transformers"]
assert not names, names
assert "diffusers" in sys.modules
"""


@pytest.mark.slow
def test_a_pipeline_end_to_end(
    pipeline: Path,
    models: Path,
    tmp_path: Path,
    run: Callable[..., Any],
    fresh_python: Callable[..., Any],
    picture: Image.Image,
) -> None:
    code, out, err = run("models", "add", "sd15", pipeline)
    assert code == 0, err
    shutil.rmtree(pipeline)
    manifest = registry.find("sd15")
    assert manifest.short_fingerprint.hex() in out
    assert manifest.folder.parent == models
    file = tmp_path / "a.sdz"
    picture.save(file, model="sd15")
    with Image.open(file) as image:
        assert image.info["model"] == "sd15-1"
        assert image.info["steps"] == 2
        here = np.asarray(image)
    fresh_python(OPEN, str(file), str(tmp_path / "a.png"))
    there = np.asarray(Image.open(tmp_path / "a.png"))
    assert there.shape == (70, 90, 3)
    assert np.abs(here.astype(int) - there).max() <= 1


def sharded(folder: Path, _tmp: Path) -> Path:
    for part, stem in (("vae", NETWORK_STEM), ("unet", NETWORK_STEM), ("text_encoder", TEXT_ENCODER_STEM)):
        sd.shard(folder / part, stem)
    return folder


def fp16(folder: Path, _tmp: Path) -> Path:
    for part, stem in (("vae", NETWORK_STEM), ("unet", NETWORK_STEM), ("text_encoder", TEXT_ENCODER_STEM)):
        sd.halve(folder / part, stem)
    return folder


def sharded_fp16(folder: Path, _tmp: Path) -> Path:
    sd.shard(folder / "unet", NETWORK_STEM, ".fp16")
    return folder


def old_names(folder: Path, _tmp: Path) -> Path:
    path = folder / "vae" / f"{NETWORK_STEM}.safetensors"
    renamed = {}
    for name, tensor in sd.reload(path).items():
        for old, new in (("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0")):
            name = name.replace(f".{new}.", f".{old}.")
        renamed[name] = tensor
    assert any(".proj_attn." in name for name in renamed)
    save_file(renamed, path)
    return folder


def single(folder: Path, tmp: Path) -> Path:
    return sd.write_single_file(tmp / "one.safetensors", folder)


@pytest.mark.parametrize("layout", [sharded, fp16, sharded_fp16, old_names, single])
def test_every_layout_gives_the_same_model(
    layout: Callable[[Path, Path], Path], pipeline: Path, models: Path, tmp_path: Path, picture: Image.Image
) -> None:
    expected, _ = add_model("first", pipeline)
    file = tmp_path / "a.sdz"
    picture.save(file, model="first", colors=16)
    pixels = np.asarray(Image.open(file)).astype(int)
    configs = shutil.copytree(pipeline, tmp_path / "configs") if layout is single else None
    prediction = "epsilon" if layout is single else None
    remove_model("first")
    found, notes = add_model("second", layout(pipeline, tmp_path), config=configs, prediction=prediction)
    assert found.fingerprint == expected.fingerprint
    assert found.preview_matrix == expected.preview_matrix
    assert not notes
    with Image.open(file) as image:
        assert image.info["model"] == "second-1"
        assert np.abs(np.asarray(image) - pixels).max() <= 2  # an fp16 text encoder gives a slightly other embedding


def test_autoencoders_alone(
    pipeline: Path, models: Path, tmp_path: Path, picture: Image.Image, run: Callable[..., Any]
) -> None:
    sd.make_tiny_vae().save_pretrained(tmp_path / "taesd")
    bare = tmp_path / "bare.safetensors"
    save_file(sd.original_vae(load_file(pipeline / "vae" / f"{NETWORK_STEM}.safetensors")), bare)
    sources: dict[str, list[object]] = {
        "vae": [pipeline / "vae"],
        "part": [pipeline, "--vae-only"],
        "bare": [bare, "--config", pipeline],
        "taesd": [tmp_path / "taesd"],
    }
    found = {}
    for name, words in sources.items():
        code, out, err = run("models", "add", name, *words)
        assert code == 0, err
        assert "skips the U-Net" in out
        manifest = registry.find(name)
        assert (manifest.denoise_steps, manifest.codes.channels) == (0, 4)
        assert not (manifest.folder / "unet").exists()
        picture.save(tmp_path / "a.sdz", model=name)
        with Image.open(tmp_path / "a.sdz") as image:
            assert np.asarray(image).std() > 1
        found[name] = manifest
        remove_model(name)
    assert len({found[name].fingerprint for name in ("vae", "part", "bare")}) == 1
    assert found["taesd"].codes.step == pytest.approx(0.18215**2)
    assert found["vae"].codes.step == 0.18215


def test_list_show_and_remove(pipeline: Path, models: Path, run: Callable[..., Any]) -> None:
    run("models", "add", "sd15", pipeline, "--vae-only")
    fingerprint = registry.find("sd15").fingerprint
    code, out, _ = run("models", "list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["sd15-1", "tiny-8"]
    assert fingerprint[:16] in out
    _, out, _ = run("models", "show", "sd15", "--json")
    about = json.loads(out)
    assert about["fingerprint"] == fingerprint
    assert (about["source"], about["unet"], about["step"]) == (str(pipeline), False, 0.18215)
    _, out, _ = run("models", "show", "tiny")
    assert "unet: yes" in out
    code, out, _ = run("models", "remove", "sd15")
    assert code == 0
    assert list(models.iterdir()) == []
    for name in ("sd15", "tiny", "../models"):
        code, _, err = run("models", "remove", name)
        assert code == 4
        assert "no such model was added" in err
    assert registry.find("tiny")
    assert run("models", "show", "sd15")[0] == 4


def test_errors_for_files_of_a_removed_model_say_how_to_add_it(
    pipeline: Path, models: Path, tmp_path: Path, picture: Image.Image
) -> None:
    manifest, _ = add_model("sd15", pipeline, vae_only=True)
    file = tmp_path / "a.sdz"
    picture.save(file, model="sd15")
    remove_model("sd15")
    expected = rf"a\.sdz: .*not installed \(found {manifest.fingerprint[:16]}.*sdz-convert models add NAME SOURCE"
    with Image.open(file) as image, pytest.raises(SdzModelError, match=expected):
        image.load()
    with pytest.raises(SdzModelError, match=r"no such model \(found sd15.*sdz-convert models add"):
        picture.save(file, model="sd15")


def test_hidden_folders_are_not_found(pipeline: Path, models: Path) -> None:
    manifest, _ = add_model("sd15", pipeline, vae_only=True)
    manifest.folder.rename(models / ".sd15.0123")
    assert [model.name for model in registry.installed()] == ["tiny"]


def test_a_removal_deletes_leftovers_and_keeps_targets_of_links(pipeline: Path, models: Path, tmp_path: Path) -> None:
    manifest, _ = add_model("sd15", pipeline, vae_only=True)
    (models / ".sd15-1.0123abcd.removed").mkdir()  # of one that was interrupted
    elsewhere = tmp_path / "elsewhere"
    manifest.folder.rename(elsewhere)
    manifest.folder.symlink_to(elsewhere)
    remove_model("sd15")
    assert list(models.iterdir()) == []
    assert (elsewhere / "model.json").is_file(), "what a link points to stays"
