"""The training losses: what each sees, and what it ignores; and the adversary."""

from __future__ import annotations

import pytest
import torch

from pillow_sdz.refinement.texture import YCBCR, spectra, spectrum_distance
from tools.train.adversary import Adversary
from tools.train.losses import PictureLoss


def test_lpips_alex_looks_where_a_phase_says() -> None:
    seen: list[torch.Tensor] = []

    class Recorder(torch.nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            seen.extend((a, b))
            return torch.zeros(len(a))

    loss = PictureLoss({"l1": 1.0}, None)
    loss.networks["lpips_alex"] = Recorder()
    original, decoded = torch.rand(2, 2, 3, 40, 48)
    for phase, window in ((None, (...,)), (torch.tensor([3, 7]), (..., slice(3, 36), slice(7, 48)))):
        seen.clear()
        loss(original, decoded, 0, torch.Generator(), phase)
        assert torch.equal(seen[0], original[window])
        assert torch.equal(seen[1], decoded[window])


def test_a_tint_counts_where_grain_does_not() -> None:
    loss = PictureLoss({"tint": 1.0}, None)
    plain = torch.full((1, 3, 64, 64), 0.5)
    grain = 0.1 * torch.randn(plain.shape, generator=torch.Generator().manual_seed(0))
    tint = torch.tensor([0.02, 0.0, 0.02])[:, None, None]
    of_grain, of_tint = (
        float(loss(plain, plain + change, 0, torch.Generator())[0]) for change in (grain, tint.expand_as(plain))
    )
    assert of_tint == pytest.approx(0.02 * 2 / 3, rel=1e-3)
    assert of_grain < of_tint


def test_lpips_vgg_and_dists_look_in_turns_or_both_or_as_listed() -> None:
    class Half(torch.nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return (a - b).abs().mean((1, 2, 3))

    a, b = torch.zeros(2, 3, 32, 32), torch.full((2, 3, 32, 32), 0.5)
    listed = ["lpips_vgg", "lpips_vgg", "dists"]
    for turns, expected in ((True, [0.5, 1.0] * 2), (False, [1.5] * 4), (listed, [0.5, 0.5, 1.0, 0.5])):
        loss = PictureLoss({"l1": 0.0}, None, 16, 1)
        loss.weights |= {"lpips_vgg": 1.0, "dists": 2.0}
        loss.networks = torch.nn.ModuleDict({"lpips_vgg": Half(), "dists": Half()})
        loss.turns = turns
        assert [float(loss(a, b, step, torch.Generator())[0]) for step in range(4)] == expected
    with pytest.raises(SystemExit, match="vgg_turns names lpips_vgg, lpips_vgg, dists"):
        PictureLoss({"l1": 1.0}, None, turns=listed)


def test_the_spectrum_loss_tells_a_weave_from_texture_and_not_two_samples_of_one_texture() -> None:
    generator = torch.Generator().manual_seed(0)

    def texture() -> torch.Tensor:
        grain = torch.randn(2, 1, 128, 128, generator=generator)
        return 0.5 + 0.2 * torch.nn.functional.avg_pool2d(grain, 2, 1, 1)[..., 1:, 1:]

    one, other = (texture().expand(-1, 3, -1, -1) for _ in range(2))
    wave = (torch.arange(128) * (torch.pi / 2)).cos()
    weave = (0.5 + 0.2 * wave[:, None] * wave).expand(2, 3, -1, -1)
    assert abs(float(weave.std() / one.std()) - 1) < 0.1, "as strong as the texture"
    same, blurred, woven = (
        float(spectrum_distance(one, b)) for b in (other, torch.nn.functional.avg_pool2d(one, 3, 1, 1), weave)
    )
    assert float(spectrum_distance(one, one)) == 0
    assert same < 0.4 < blurred < woven
    tint = 0.1 * torch.randn(2, 1, 128, 128, generator=generator)
    tinted = one + tint * torch.tensor([0.0, -0.114, 0.587])[:, None, None]
    assert torch.allclose(spectra(tinted, 32)[:, 0], spectra(one, 32)[:, 0], atol=1e-3), "luma is as it was"
    assert float(spectrum_distance(one, tinted)) > 1

    white = spectra((0.05 * torch.randn(1, 3, 256, 256, generator=generator)).clamp(-1, 1), 16)
    expected = 0.05**2 * torch.tensor(YCBCR).square().sum(1)
    middle = white.reshape(*white.shape[:2], 16, 9, *white.shape[3:])[:, :, 4:12, 2:7].exp().mean((0, 2, 3, 4, 5))
    assert ((middle / expected - 1).abs() < 0.25).all(), "power is a variance"
    bent = other.clone().requires_grad_()
    spectrum_distance(one, bent).backward()  # type: ignore[no-untyped-call]
    assert bent.grad is not None
    assert bent.grad.isfinite().all()


def opponent(alone: int = 0) -> Adversary:
    torch.manual_seed(0)
    return Adversary(4, {"share": 0.1, "alone": alone, "learning_rate": 2e-3}, "cpu")


def test_an_adversary_learns_to_tell_decoded_pictures_from_photos_and_pushes_them_there() -> None:
    generator = torch.Generator().manual_seed(1)
    photos = torch.rand(4, 3, 32, 32, generator=generator)
    decoded, latents = torch.full_like(photos, 0.5), torch.zeros(4, 4, 4, 4)
    adversary = opponent(alone=30)
    others = torch.randn(photos.shape, generator=generator)
    for _ in range(30):
        terms = adversary.learn(photos, decoded, latents)
    assert terms["told"] > 0.2
    assert not adversary.gradient(decoded, latents, others).any(), "it has no say while it learns alone"
    adversary.learn(photos, decoded, latents)
    gradient = adversary.gradient(decoded, latents, others)
    assert float(gradient.norm() / others.norm()) == pytest.approx(0.1, rel=1e-4)
    with torch.no_grad():
        before, after = (adversary.network(p, latents).mean() for p in (decoded, decoded - 0.01 * gradient))
    assert after > before


def test_an_adversary_goes_on_from_its_state() -> None:
    generator = torch.Generator().manual_seed(2)
    photos, decoded = torch.rand(2, 2, 3, 32, 32, generator=generator)
    latents = torch.zeros(2, 4, 4, 4)
    first, second = opponent(), opponent()
    for _ in range(3):
        first.learn(photos, decoded, latents)
    second.restore({name: tensor.clone() for name, tensor in first.state().items()})
    assert first.step == second.step == 3
    assert first.learn(photos, decoded, latents) == second.learn(photos, decoded, latents)
    for one, other in zip(first.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(one, other)
