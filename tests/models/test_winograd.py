"""Winograd's convolutions equal direct ones within rounding, at any size and layout."""

from __future__ import annotations

import copy

import pytest
import torch

from pillow_sdz.models.networks.winograd import FEWEST_CHANNELS, use_winograd


@pytest.mark.parametrize("size", [(1, 1), (3, 9), (4, 4), (17, 6), (32, 24)])
@pytest.mark.parametrize("bias", [True, False])
def test_equals_direct_convolution(size: tuple[int, int], bias: bool) -> None:
    torch.manual_seed(1)
    direct = torch.nn.Conv2d(FEWEST_CHANNELS, FEWEST_CHANNELS + 3, 3, padding=1, bias=bias)
    fast = copy.deepcopy(direct)
    assert use_winograd(fast) == 1
    x = torch.randn(2, FEWEST_CHANNELS, *size)
    with torch.inference_mode():
        for layout in (torch.contiguous_format, torch.channels_last):
            result = fast(x.to(memory_format=layout))
            torch.testing.assert_close(result, direct(x), rtol=1e-4, atol=1e-4)


def test_other_convolutions_are_left_alone() -> None:
    n = FEWEST_CHANNELS
    others = torch.nn.Sequential(
        torch.nn.Conv2d(n - 1, n, 3, padding=1),
        torch.nn.Conv2d(n, n, 3),
        torch.nn.Conv2d(n, n, 3, padding=1, stride=2),
        torch.nn.Conv2d(n, n, 3, padding=1, groups=2),
        torch.nn.Conv2d(n, n, 3, padding=1, padding_mode="reflect"),
        torch.nn.Conv2d(n, n, 1),
    )
    assert use_winograd(others) == 0
