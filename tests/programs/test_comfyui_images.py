"""Save SDZ (IMAGE) and Load SDZ (IMAGE): pictures, alpha, orientation, and the workflow in the file."""

from __future__ import annotations

import json
import mimetypes
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import toy_model
from comfyui_pack import RefusedError, loaded
from PIL import Image

import pillow_sdz
from pillow_sdz.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from comfyui_pack import Pack
    from numpy.typing import NDArray

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture
def pack(tmp_path: Path) -> Iterator[Pack]:
    with loaded(tmp_path / "comfyui") as pack:
        yield pack


@pytest.fixture
def rgb() -> NDArray[np.uint8]:
    """Three pictures that the toy model keeps, (3, 16, 24, 3)."""
    return np.stack([toy_model.blocks(24, 16, seed) for seed in range(3)])


def tensor(levels: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(levels.astype(np.float32) / np.float32(255))


def save(pack: Pack, images: torch.Tensor, **change: Any) -> list[Path]:
    inputs = {"images": images, "filename_prefix": "photo", "model": "tiny", "quality": 50, **change}
    return pack.saved(pack.run("SdzSaveImage", **inputs))


def load(pack: Pack, name: str) -> tuple[NDArray[np.uint8], torch.Tensor]:
    image, mask = pack.run("SdzLoadImage", file=name).args
    assert image.dtype == mask.dtype == torch.float32
    return (image * 255).round().to(torch.uint8).numpy(), mask


def test_a_batch_there_and_back(pack: Pack, rgb: NDArray[np.uint8]) -> None:
    paths = save(pack, tensor(rgb))
    assert [path.name for path in paths] == ["photo_00001_.sdz", "photo_00002_.sdz", "photo_00003_.sdz"]
    for path, each in zip(paths, rgb, strict=True):
        image, mask = load(pack, f"{path.name} [output]")
        np.testing.assert_array_equal(image, each[None])
        assert mask.shape == (1, 64, 64)
        assert not mask.any()


def test_alpha_becomes_a_mask(pack: Pack, rgb: NDArray[np.uint8]) -> None:
    alpha = np.arange(16 * 24, dtype=np.uint16).reshape(1, 16, 24, 1).astype(np.uint8)
    (path,) = save(pack, tensor(np.concatenate([rgb[:1], alpha], 3)))
    with Image.open(path) as image:
        assert image.mode == "RGBA"
    _, mask = load(pack, "photo_00001_.sdz [output]")
    torch.testing.assert_close(mask, 1 - tensor(alpha[..., 0]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_every_mode_upright(pack: Pack, rgb: NDArray[np.uint8], mode: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    picture = Image.fromarray(rgb[0]).convert(mode)
    pillow_sdz.write(picture, pack.base / "input" / "a.sdz", exif=exif)
    image, mask = load(pack, "a.sdz")
    with Image.open(pack.base / "input" / "a.sdz") as stored:
        expected = np.asarray(stored.convert("RGB").transpose(Image.Transpose.ROTATE_270))
    assert image.shape == (1, 24, 16, 3)
    np.testing.assert_array_equal(image[0], expected)
    assert mask.shape == ((1, 24, 16) if "A" in mode else (1, 64, 64))


def test_a_picture_whose_exif_is_damaged_is_as_it_was_stored(pack: Pack, rgb: NDArray[np.uint8]) -> None:
    pillow_sdz.write(Image.fromarray(rgb[0]), pack.base / "input" / "a.sdz", exif=b"Exif\0\0no EXIF at all")
    image, _ = load(pack, "a.sdz")
    np.testing.assert_array_equal(image[0], rgb[0])


def test_values_are_rounded_and_limited(pack: Pack) -> None:
    values = torch.tensor([-3.0, 0.4999 / 255, 0.5001 / 255, 200.5001 / 255, 7.0, torch.nan])
    images = values.repeat_interleave(8)[None, None, :, None].expand(1, 8, 48, 3)
    save(pack, images)
    image, _ = load(pack, "photo_00001_.sdz [output]")
    assert image[0, 0, ::8, 0].tolist() == [0, 0, 1, 201, 255, 0]


def test_grey_images(pack: Pack, rgb: NDArray[np.uint8]) -> None:
    (path,) = save(pack, tensor(rgb[:1, :, :, :1]))
    with Image.open(path) as image:
        assert image.mode == "L"


@pytest.mark.parametrize("shape", [(1, 8, 8, 2), (8, 8, 3), (0, 8, 8, 3)])
def test_other_shapes_are_refused(pack: Pack, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="the IMAGE has the shape"):
        save(pack, torch.zeros(shape))
    assert not list(pack.base.rglob("*.sdz"))


def test_quality_or_size(pack: Pack, rgb: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []
    real = pillow_sdz.write

    def write(image: Image.Image, path: Path, **options: Any) -> None:
        given.append(options)
        real(image, path, **options)

    monkeypatch.setattr(pillow_sdz, "write", write)
    save(pack, tensor(rgb[:1]))
    save(pack, tensor(rgb[:1]), target_size=3000)
    same = {"model": "tiny", "text": {}}
    assert given == [same | {"quality": 50}, same | {"target_size": 3000}]
    with pytest.raises(OSError, match=r"photo_00003_\.sdz: target_size: the picture does not fit"):
        save(pack, tensor(rgb[:1]), target_size=9)
    with pytest.raises(RefusedError, match="out of range"):
        save(pack, tensor(rgb[:1]), quality=101)


def test_the_workflow_is_kept_and_small(pack: Pack, rgb: NDArray[np.uint8]) -> None:
    nodes = {str(k): {"class_type": "KSampler", "inputs": {"seed": k, "text": "größe ☃"}} for k in range(200)}
    workflow = {"nodes": list(nodes.values()), "version": 0.4}
    inputs = {"images": tensor(rgb[:1]), "filename_prefix": "a", "model": "tiny", "quality": 50}
    (bare,) = pack.saved(pack.run("SdzSaveImage", **inputs))
    (full,) = pack.saved(pack.run("SdzSaveImage", **inputs, prompt=nodes, pnginfo={"workflow": workflow}))
    with Image.open(full) as image:
        texts = [image.info[key] for key in ("prompt", "workflow")]
    assert [json.loads(text) for text in texts] == [nodes, workflow]
    assert full.stat().st_size - bare.stat().st_size < sum(map(len, texts)) / 8
    pack.args.disable_metadata = True
    (without,) = pack.saved(pack.run("SdzSaveImage", **inputs, prompt=nodes, pnginfo={"workflow": workflow}))
    assert without.read_bytes() == bare.read_bytes()


def test_a_png_made_of_the_file_has_the_workflow(pack: Pack, rgb: NDArray[np.uint8], tmp_path: Path) -> None:
    """The front end reads it from there: from the texts ``prompt`` and ``workflow``."""
    inputs = {"images": tensor(rgb[:1]), "filename_prefix": "a", "model": "tiny", "quality": 50}
    output = pack.run("SdzSaveImage", **inputs, prompt={"1": {"inputs": {}}}, pnginfo={"workflow": {"nodes": []}})
    (path,) = pack.saved(output)
    with pytest.raises(SystemExit) as end:
        main([str(path), "-o", str(tmp_path / "a.png")])
    assert not end.value.code
    with Image.open(tmp_path / "a.png") as image:
        assert json.loads(image.info["prompt"]) == {"1": {"inputs": {}}}
        assert json.loads(image.info["workflow"]) == {"nodes": []}
    assert b"tEXtworkflow\0" in (tmp_path / "a.png").read_bytes(), "uncompressed, as the front end expects"


def test_models_that_are_offered(pack: Pack) -> None:
    options = pack.options("SdzSaveImage", "model")
    assert (options["options"], options["default"]) == (["other", "tiny"], "tiny")


def test_comfyui_s_own_nodes_see_a_picture(pack: Pack) -> None:
    """They list the files of the input folder whose media type is that of pictures."""
    assert pack.nodes
    assert mimetypes.guess_type("a.sdz", strict=False)[0] == "image/x-sdz"
