"""Refinement of latents: its distances, its gradients, and the files that it leads to."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from ssimulacra2 import ssimulacra2 as published

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models import model_data, registry
from pillow_sdz.models.networks.autoencoder_blocks import RMSNorm, averaged
from pillow_sdz.models.progress import listener
from pillow_sdz.models.runtime import isolated
from pillow_sdz.options import SaveOptions
from pillow_sdz.payloads.codes import to_latents, to_targets
from pillow_sdz.payloads.scalar import encoder as coder
from pillow_sdz.payloads.scalar.payload import ScalarLoop
from pillow_sdz.refinement import refine as refinement
from pillow_sdz.refinement.objective import Objective
from pillow_sdz.refinement.refine import refine
from pillow_sdz.refinement.schedule import SCHEDULES, Schedule
from pillow_sdz.refinement.structure import blurred, statistics, structure_distance, to_linear, to_xyb

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from pillow_sdz.models.torch_model import TorchModel

STEP = 432
"""Step of the quantiser in sixteenths of a code: the default's."""


@pytest.fixture(scope="module")
def model() -> TorchModel:
    return registry.load(registry.find("tiny"), "cpu", "float32")


@pytest.fixture(scope="module")
def photo(astronaut: Image.Image) -> Image.Image:
    return astronaut.crop((150, 20, 278, 132))


@pytest.fixture(scope="module")
def loop(model: TorchModel) -> ScalarLoop:
    return ScalarLoop(STEP, model_data.prior(model.manifest))


@pytest.fixture(scope="module")
def targets(model: TorchModel, photo: Image.Image) -> NDArray[np.float32]:
    return to_targets(model.encode(np.array(photo)), model.manifest.codes.step)


def saved(picture: Image.Image, **options: Any) -> bytes:
    """A file of the model alone."""
    file = io.BytesIO()
    picture.save(file, "SDZ", guard=False, **options)
    return file.getvalue()


def tensor(pixels: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float() / 255


def objective_of(model: TorchModel, photo: Image.Image, targets: NDArray[np.float32], loop: ScalarLoop) -> float:
    codes, _ = loop.quantise(targets)
    rows = np.ascontiguousarray(to_latents(codes, model.manifest.codes.step))
    latents = torch.from_numpy(rows).permute(2, 0, 1)[None]
    with torch.no_grad():
        original = tensor(np.array(photo))
        return float(
            Objective(model, original, Schedule(1))(model.reconstruct(latents, loop.noise * model.manifest.codes.step))
        )


def test_colours_are_those_of_ssimulacra2() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
    linear = published.srgb_to_linear(pixels)
    expected = published.make_positive_xyb(published.linear_rgb_to_xyb(linear.transpose(1, 0, 2)).transpose(0, 1, 2))
    ours = to_xyb(to_linear(tensor(pixels)))[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(to_linear(tensor(pixels))[0].permute(1, 2, 0).numpy(), linear, atol=1e-6)
    constants = np.array([0.42, 0.01, 0.55])  # added so that no value is negative; SSIM hardly depends on them
    np.testing.assert_allclose(ours, expected.reshape(ours.shape) - constants, atol=1e-5)


def test_the_window_keeps_constants_and_spreads_a_point() -> None:
    assert torch.allclose(blurred(torch.full((1, 1, 20, 30), 0.7)), torch.tensor(0.7))
    point = torch.zeros(1, 1, 21, 21)
    point[0, 0, 10, 10] = 1
    spread = blurred(point)[0, 0]
    assert torch.allclose(spread, spread.T)
    assert float(spread.sum()) == pytest.approx(1, abs=1e-5)
    assert float(spread[10, 11] / spread[10, 10]) == pytest.approx(np.exp(-1 / 4.5), rel=1e-5)
    assert spread[10, 4] == 0


def test_structure_orders_pictures_as_a_viewer_would(photo: Image.Image) -> None:
    original = tensor(np.array(photo))
    seen = statistics(original)
    assert float(structure_distance(seen, seen)) < 0.01, "what the fourth root adds to zero"
    noisy = (original + 0.02 * torch.randn(original.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    distances = [
        float(structure_distance(seen, statistics(each)))
        for each in (noisy, torch.nn.functional.avg_pool2d(original, 9, 1, 4), original.flip(3))
    ]
    assert distances == sorted(distances)
    assert distances[0] < 0.1 < distances[2]


def test_pictures_smaller_than_the_window_have_no_structure() -> None:
    assert statistics(torch.rand(1, 3, 8, 8)) == []
    assert float(structure_distance([], [])) == 0


def test_the_gradient_of_normalisation_is_that_of_autograd() -> None:
    torch.manual_seed(0)
    norm = RMSNorm(5)
    with torch.no_grad():
        norm.weight.normal_()
        norm.bias.normal_()
    norm.requires_grad_(False)
    x, h = torch.randn(2, 2, 5, 3, 4).unbind()
    with torch.no_grad():
        expected = norm.added_to(x, h.clone()), norm(h.clone())
    h.requires_grad_()
    assert torch.allclose(norm.added_to(x, h), expected[0], atol=1e-6)
    assert torch.allclose(norm(h), expected[1], atol=1e-6)

    def plain(h: torch.Tensor) -> torch.Tensor:
        return h * torch.rsqrt(h.square().mean(1, keepdim=True) + norm.eps) * norm.weight[:, None, None]

    given = torch.randn(2, 5, 3, 4)
    (found,) = torch.autograd.grad(norm(h), h, given)
    (wanted,) = torch.autograd.grad(plain(h), h, given)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_reconstructing_gives_what_decoding_gives(
    model: TorchModel, targets: NDArray[np.float32], loop: ScalarLoop
) -> None:
    step = model.manifest.codes.step
    latents = to_latents(loop.quantise(targets)[0], step)
    expected = model.decode(model.denoise(latents, loop.noise * step, 1), *(8 * side for side in latents.shape[:2]))
    with isolated(gradients=True):
        rows = torch.from_numpy(latents).permute(2, 0, 1)[None].requires_grad_()
        picture = model.reconstruct(rows, loop.noise * step)
        (gradient,) = torch.autograd.grad(picture.square().mean(), rows)
    found = (picture.detach()[0].permute(1, 2, 0).numpy() * 255).round().clip(0, 255)
    assert np.abs(found - expected).max() <= 1
    assert bool(gradient.any())


def test_activations_end_in_the_latent(model: TorchModel, photo: Image.Image) -> None:
    network: Any = model.vae
    picture = tensor(np.array(photo))
    with torch.no_grad():
        seen = model.activations(picture, 99)
        assert [each.shape[1] for each in seen] == [48, 96, 96, 192, 192]
        latent = network.encoder(picture * 2 - 1)
        again = network.encoder.conv_out(seen[-1]) + averaged(seen[-1], seen[-1].shape[1] // 8)
    torch.testing.assert_close(again, latent, atol=1e-4, rtol=1e-4)
    assert len(model.activations(picture, 2)) == 2


def test_slopes_are_those_of_the_information_content(targets: NDArray[np.float32], loop: ScalarLoop) -> None:
    codes, slopes = loop.quantise(targets)
    assert np.array_equal(codes, coder.quantise(targets, STEP, loop.prior))
    later = np.zeros(targets.shape, bool)
    later[1::2, ::2, 6:] = True  # values of the last pass and group, which move no other value's mean
    _, before = coder.levels_and_bits(targets, STEP, loop.prior)
    move = np.where(later, np.sign(slopes) * STEP / 16, 0).astype(np.float32)
    _, after = coder.levels_and_bits((targets + move).clip(-128, 127), STEP, loop.prior)
    assert np.array_equal(before[~later], after[~later])
    assert (after - before)[later].mean() > 0.5, "a whole step away from the mean costs bits"
    assert (after - before)[later].sum() > 0.5 * (np.abs(slopes) * STEP / 16)[later].sum()


def test_refining_brings_the_picture_closer(
    model: TorchModel, photo: Image.Image, targets: NDArray[np.float32], loop: ScalarLoop
) -> None:
    seen: list[tuple[str, int, int]] = []
    token = listener.set(lambda *done: seen.append(done))
    try:
        refined = refine(model, np.array(photo), targets, loop, Schedule(3, 0.06))
    finally:
        listener.reset(token)
    assert seen == [("refining", 1, 3), ("refining", 2, 3), ("refining", 3, 3)]
    assert refined.dtype == np.float32
    before, after = (objective_of(model, photo, each, loop) for each in (targets, refined))
    assert after < 0.97 * before
    assert np.array_equal(refined, refine(model, np.array(photo), targets, loop, Schedule(3, 0.06)))


def test_gradients_that_are_not_numbers_are_an_error(
    model: TorchModel,
    photo: Image.Image,
    targets: NDArray[np.float32],
    loop: ScalarLoop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refinement, "_gradient", lambda *_: np.full(targets.shape, np.nan, np.float32))
    with pytest.raises(SdzModelError, match=r"latent: model tiny-\d gives gradients that are not numbers"):
        refine(model, np.array(photo), targets, loop, Schedule(1))


def test_tiles_refine_as_the_whole_picture_does(
    model: TorchModel,
    photo: Image.Image,
    targets: NDArray[np.float32],
    loop: ScalarLoop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rgb = np.array(photo)
    whole = refinement._gradient(model, rgb, targets, loop, Schedule(1), 0)
    monkeypatch.setattr(refinement, "CORE", 64)
    tiled = refinement._gradient(model, rgb, targets, loop, Schedule(1), 0)
    assert np.corrcoef(whole.ravel(), tiled.ravel())[0, 1] > 0.8  # fewer scales of structure fit into a small tile


def test_low_effort_does_not_refine_and_high_effort_does(photo: Image.Image) -> None:
    plain = saved(photo, effort=0)
    assert [schedule.steps for schedule in SCHEDULES[:4]] == [0] * 4
    assert saved(photo, effort=3) == plain
    assert saved(photo) == saved(photo, effort=4) != plain
    assert saved(photo, effort=5) != saved(photo)
    assert SaveOptions().effort == 4


def test_efforts_take_ever_more_steps() -> None:
    assert len(SCHEDULES) == 10
    steps = [schedule.steps for schedule in SCHEDULES]
    assert steps == sorted(steps)
    assert len(set(steps[3:])) == 7


def test_target_sizes_are_kept(photo: Image.Image) -> None:
    for effort in (4, 6):
        size = len(saved(photo, target_size=600, effort=effort))
        assert 560 <= size <= 600


def test_a_higher_quality_takes_more_bytes(photo: Image.Image) -> None:
    sizes = [len(saved(photo, quality=quality)) for quality in range(0, 101, 20)]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("options", [{"payload": "direct"}, {"colors": 32}, {"quality": 100}])
def test_other_payloads_are_not_refined(
    photo: Image.Image, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("refined")

    monkeypatch.setattr("pillow_sdz.codec.with_model.refine", refused)
    assert saved(photo, effort=9, **options)
