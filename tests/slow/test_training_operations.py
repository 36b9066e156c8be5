"""Operations of a training step: equal to plain autograd, orthogonal, clipped, drawn as asked for, recordable."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tools.train.draws import draw
from tools.train.fast import _RmsNorm, unit_distance
from tools.train.graph import clipped, obstacle
from tools.train.muon import Muon, orthogonal
from tools.train.winograd import FrozenConvolution, _Trained


def test_winograd_and_its_gradients_equal_plain_convolutions() -> None:
    torch.manual_seed(0)
    for height, width in ((8, 8), (5, 7), (1, 3)):
        x = torch.randn(2, 6, height, width).to(memory_format=torch.channels_last).requires_grad_()
        weight = torch.randn(10, 6, 3, 3, requires_grad=True)
        plain = torch.nn.functional.conv2d(x, weight, padding=1)
        upstream = torch.randn_like(plain)
        expected = torch.autograd.grad(plain, (x, weight), upstream)
        ours = _Trained.apply(x, weight)  # type: ignore[no-untyped-call]
        torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-4)
        for a, b in zip(torch.autograd.grad(ours, (x, weight), upstream), expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
        frozen = FrozenConvolution(weight.detach())(x)
        torch.testing.assert_close(torch.autograd.grad(frozen, x, upstream)[0], expected[0], rtol=1e-3, atol=1e-4)


def test_fast_operations_equal_plain_autograd() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 5, 7, 12, requires_grad=True)
    weight, bias = torch.randn(12, requires_grad=True), torch.randn(12, requires_grad=True)
    plain = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * weight + bias
    ours = _RmsNorm.apply(x, weight, bias, 1e-5)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(ours, plain)
    upstream = torch.randn_like(plain)
    for a, b in zip(*(torch.autograd.grad(y, (x, weight, bias), upstream) for y in (ours, plain)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)

    reference, features = torch.rand(2, 6, 4, 5), torch.rand(2, 6, 4, 5, requires_grad=True)
    head = torch.rand(1, 6, 1, 1)
    units = [t / (t.square().sum(1, keepdim=True).sqrt() + 1e-2) for t in (reference, features)]
    plain = ((units[0] - units[1]).square() * head).sum(1).mean((1, 2))
    ours = unit_distance(reference, features, head)
    torch.testing.assert_close(ours, plain)
    scale = torch.tensor([1.0, -2.0])
    grads = [torch.autograd.grad(y, features, scale)[0] for y in (ours, plain)]
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("shape", [(20, 70), (70, 20), (16, 16)])
def test_muon_steps_are_orthogonal(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
    assert values.min() > 0.4
    assert values.max() < 1.3
    weight, gain = torch.nn.Parameter(torch.zeros(shape)), torch.nn.Parameter(torch.zeros(5))
    optimiser = Muon([{"params": [weight, gain], "lr": 0.1}])
    weight.grad, gain.grad = torch.randn(shape), torch.ones(5)
    other = torch.nn.Parameter(torch.zeros(shape))  # of the same shape: each is made orthogonal on its own
    other.grad = 3 * weight.grad.flip(0)
    optimiser.add_param_group({"params": [other], "lr": 0.1})
    optimiser.step()
    together = Muon([{"params": [torch.nn.Parameter(torch.zeros(shape)) for _ in range(2)], "lr": 0.1}])
    for parameter, alone in zip(together.param_groups[0]["params"], (weight, other), strict=True):
        parameter.grad = alone.grad
    together.step()
    for parameter, alone in zip(together.param_groups[0]["params"], (weight, other), strict=True):
        torch.testing.assert_close(parameter.detach(), alone.detach())
    torch.testing.assert_close(gain.detach(), torch.full((5,), -0.1))
    assert 0.01 < float(weight.detach().square().mean().sqrt()) < 0.03


def test_gradients_are_clipped_and_what_is_not_finite_counts_as_nothing() -> None:
    gradients = [torch.tensor([3.0, 0.0]), torch.tensor([[4.0]])]
    assert float(clipped(gradients, 10.0)) == pytest.approx(5)
    assert [g.flatten().tolist() for g in gradients] == [[3, 0], [4]]
    assert float(clipped(gradients, 1.0)) == pytest.approx(5)
    assert float(torch.cat([g.flatten() for g in gradients]).norm()) == pytest.approx(1)
    for worst in (float("nan"), float("inf")):
        gradients = [torch.tensor([3.0, worst]), torch.tensor([[4.0]])]
        assert not float(clipped(gradients, 1.0)) < float("inf")
        assert [g.flatten().tolist() for g in gradients] == [[0, 0], [0]]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, None),
        ({"bottleneck": "rounded"}, "bottleneck is 'rounded', not 'steps'"),
        ({"rate_ramp": [0, 1, 0.5]}, "rate_ramp is set"),
        ({"adversary": {}}, "adversary is set"),
        ({"vgg_turns": True}, "vgg_turns is not false"),
        ({"vgg_turns": True, "losses": {"dists": 1.0}}, None),
        ({"vgg_turns": ["dists"], "losses": {"dists": 1.0}}, "vgg_turns is not false"),
        ({"vgg_crop": 128}, "vgg_crop, 128, is smaller than crop, 256"),
    ],
)
def test_a_graph_says_what_it_cannot_follow(changed: dict[str, Any], reason: str | None) -> None:
    losses = {"lpips_vgg": 2.0, "dists": 1.0}
    stage = {"bottleneck": "steps", "vgg_turns": False, "vgg_crop": 256, "crop": 256, "losses": losses}
    assert obstacle(stage | changed) == reason


def test_draws_are_uniform_and_their_phases_off_the_grid_as_often_as_asked_for() -> None:
    generator = torch.Generator().manual_seed(0)
    stage = {"code_steps": [[2.0, 4.0], [40.0, 50.0]], "shifted": 0.5}
    drawn = [draw(torch.zeros(6, 3, 32, 48), (4, 8), stage, generator) for _ in range(800)]
    assert drawn[0].noise.shape == (6, 4, 4, 6)
    assert not torch.equal(drawn[0].noise, drawn[1].noise)
    noise = torch.stack([each.noise for each in drawn])
    assert 0 <= float(noise.min()) < 0.001 < 0.999 < float(noise.max()) < 1
    steps = torch.stack([each.quantiser_steps for each in drawn])
    fine = (steps >= 2) & (steps <= 4)
    assert (fine | (steps >= 40) & (steps <= 50)).all()
    assert abs(float(fine.float().mean()) - 0.5) < 0.03
    phases = torch.stack([each.phase for each in drawn])
    assert (int(phases.min()), int(phases.max())) == (0, 7)
    assert abs(float((phases != 0).any(1).float().mean()) - 0.5 * 63 / 64) < 0.06
