"""Metrics of networks, with weights made up here: SSIM, LPIPS, DISTS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from pillow_sdz.evaluation import metrics as measures
from pillow_sdz.evaluation import perceptual

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

RANDOM = np.random.default_rng(5)


def test_ssim_of_the_same_and_of_another_picture(astronaut: Image.Image) -> None:
    (metric,), _ = measures.available(["SSIM"])
    image = astronaut.crop((0, 0, 64, 48))
    assert metric.measure(image, image) == pytest.approx(1)
    grey = metric.measure(image, image.convert("L").convert("RGB"))
    assert grey is not None
    assert grey < 1
    assert metric.measure(Image.new("RGB", (10, 40)), Image.new("RGB", (10, 40))) is None


def vgg(folder: Path, width: int = 4) -> None:
    """Weights in VGG16's shape: random ones, narrower, or (as DISTS needs them) of the full width, all zero."""
    random = np.random.default_rng(0)
    arrays: dict[str, ArrayLike] = {}
    inputs, index = 3, 0
    for stage, depth in enumerate(perceptual.VGG_DEPTHS):
        outputs = width or perceptual.VGG_CHANNELS[stage]
        for _ in range(depth):
            shape = outputs, inputs, 3, 3
            arrays[f"conv{index}.weight"] = random.normal(0, 0.2, shape) if width else np.zeros(shape, np.float32)
            arrays[f"conv{index}.bias"] = np.full(outputs, 0.1)
            inputs, index = outputs, index + 1
        arrays[f"lin{stage}.weight"] = np.full((1, outputs, 1, 1), stage + 1.0)
    converted: dict[str, Any] = {name: np.asarray(array, np.float32) for name, array in arrays.items()}
    np.savez(folder / "lpips_vgg.npz", **converted)


def test_lpips_is_the_weighted_distance_of_unit_vectors(tmp_path: Path) -> None:
    vgg(tmp_path)
    network = perceptual.LPIPS("vgg", tmp_path)
    one, other = (measures.tensor(Image.fromarray(RANDOM.integers(0, 256, (32, 32, 3), np.uint8))) for _ in range(2))
    shift, scale = (torch.tensor(each)[:, None, None] for each in (perceptual.LPIPS_SHIFT, perceptual.LPIPS_SCALE))
    scaled = [(x * 2 - 1 - shift) / scale for x in (one, other)]
    expected = 0.0
    for stage, (x, y) in enumerate(zip(*map(network.features, scaled), strict=True), 1):
        x, y = (each[0].numpy().astype(float) for each in (x, y))
        x, y = (each / np.maximum(np.sqrt((each**2).sum(0)), 1e-9) for each in (x, y))
        expected += stage * ((x - y) ** 2).sum(0).mean()
    assert float(network(one, other)) == pytest.approx(expected, rel=1e-4)
    assert float(network(one, one)) == 0


def dists_file(folder: Path, alpha: NDArray[Any], beta: NDArray[Any]) -> None:
    """The end of a file as torch wrote it before version 1.6; what stands before is never read."""
    count = len(alpha).to_bytes(8, "little")
    storages = b"".join(count + np.asarray(each, "<f4").tobytes() for each in (alpha, beta))
    (folder / "dists_alpha_beta.pt").write_bytes(b"\x80\x02cos\nsystem\n" + storages)


def test_dists_weights_are_read_without_unpickling(tmp_path: Path) -> None:
    alpha, beta = RANDOM.random((2, perceptual.DISTS_CHANNELS)).astype(np.float32)
    dists_file(tmp_path, alpha, beta)
    found = perceptual.dists_weights(tmp_path)
    assert (found[0] == alpha).all()
    assert (found[1] == beta).all()
    for data in (b"", b"\x80", (tmp_path / "dists_alpha_beta.pt").read_bytes()[:-4]):
        (tmp_path / "dists_alpha_beta.pt").write_bytes(data)
        with pytest.raises(ValueError, match=r"not the file of DISTS"):
            perceptual.dists_weights(tmp_path)


def test_dists_of_constant_pictures_is_that_of_their_colours(tmp_path: Path) -> None:
    vgg(tmp_path, width=0)
    alpha = np.zeros(perceptual.DISTS_CHANNELS)
    alpha[:3] = 1  # of the pixels themselves, by their means alone
    dists_file(tmp_path, alpha, np.zeros_like(alpha))
    network = perceptual.DISTS(tmp_path)
    one, other = (measures.tensor(Image.new("RGB", (16, 16), (value,) * 3)) for value in (51, 102))
    assert float(network(one, other)) == pytest.approx(1 - (2 * 0.2 * 0.4 + 1e-6) / (0.04 + 0.16 + 1e-6), abs=1e-5)
    assert float(network(one, one)) == pytest.approx(0, abs=1e-6)
