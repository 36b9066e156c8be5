"""The trained prior in whole numbers: the file that `pillow_sdz.payloads.scalar.prior` reads, written and read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from pillow_sdz.payloads.scalar.prior import (
    CONTEXT_BITS,
    HIDDEN_BITS,
    LARGEST_WEIGHT,
    SCALE_START,
    WEIGHT_BITS,
)
from tools.train.prior import SCALE_START as FLOAT_START
from tools.train.prior import UNIT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tools.train.prior import LatentPrior

SUM_BITS: Final = HIDDEN_BITS + WEIGHT_BITS
"""Fraction bits of the sums of the second and third layers."""

FIRST_UNIT: Final = 256
"""Mean and log2 of the scale of pass 0 are stored in 256ths."""

STEP_UNIT: Final = 512
"""log2 of the quantiser's step comes in 256ths, and networks see half of it."""


def whole(tensor: torch.Tensor, factor: float) -> NDArray[np.int32]:
    """The values times ``factor``, rounded to little-endian int32.

    Raises:
        AssertionError: a value does not fit.
    """
    values = np.rint(tensor.detach().double().numpy() * factor)
    assert np.abs(values).max(initial=0) < 2**31
    return values.astype("<i4")


def prior_bytes(prior: LatentPrior) -> bytes:
    """The file of a prior: its weights in whole numbers, in the order of `pillow_sdz.payloads.scalar.prior`.

    Raises:
        AssertionError: a weight is too large for exact sums.
    """
    assert FLOAT_START * 256 == SCALE_START
    width = prior.shape.shared_width
    arrays = [whole(prior.first, FIRST_UNIT)]
    for network in prior.pass_networks():
        weight = network.context.weight.T
        # the networks in training divide the neighbours' codes by UNIT
        values, step = whole(weight[:-1], 2**CONTEXT_BITS / UNIT), whole(weight[-1:], 2**CONTEXT_BITS / STEP_UNIT)
        arrays += [np.concatenate([values, step]), whole(network.context.bias[None], 2**CONTEXT_BITS)]
        for hidden, out in network.group_layers():
            weight = hidden.weight.T
            shared, own = whole(weight[:width], 2**WEIGHT_BITS), whole(weight[width:], 2**SUM_BITS / UNIT)
            arrays += [np.concatenate([shared, own]), whole(hidden.bias[None], 2**SUM_BITS)]
            arrays += [whole(out.weight.T, 2**WEIGHT_BITS), whole(out.bias[None], 2**SUM_BITS)]
    assert [a.shape for a in arrays] == list(prior.shape.arrays())
    assert all(np.abs(a).max(initial=0) <= LARGEST_WEIGHT for a in arrays if len(a) > 1)
    return b"".join(a.tobytes() for a in arrays)


@torch.no_grad()
def load_prior(prior: LatentPrior, data: bytes) -> None:
    """Undo `prior_bytes`, as exactly as float32 allows, so that training can continue from a model folder.

    Args:
        prior: one of the file's sizes; its weights are replaced.
        data: the bytes of the file.
    """
    sizes, width = list(prior.shape.arrays()), prior.shape.shared_width
    values = np.frombuffer(data, "<i4")
    assert values.nbytes == prior.shape.byte_count
    ends = np.cumsum([rows * columns for rows, columns in sizes])
    arrays = iter([part.reshape(size) for part, size in zip(np.split(values, ends[:-1]), sizes, strict=True)])

    def put(target: torch.Tensor, values: NDArray[np.int32], factor: float) -> None:
        target.copy_(torch.from_numpy(values / factor).to(target).reshape(target.shape))

    put(prior.first, next(arrays), FIRST_UNIT)
    for network in prior.pass_networks():
        context, bias = next(arrays), next(arrays)
        put(network.context.weight[:, :-1], context[:-1].T, 2**CONTEXT_BITS / UNIT)
        put(network.context.weight[:, -1], context[-1], 2**CONTEXT_BITS / STEP_UNIT)
        put(network.context.bias, bias, 2**CONTEXT_BITS)
        for hidden, out in network.group_layers():
            seen, bias = next(arrays), next(arrays)
            put(hidden.weight[:, :width], seen[:width].T, 2**WEIGHT_BITS)
            put(hidden.weight[:, width:], seen[width:].T, 2**SUM_BITS / UNIT)
            put(hidden.bias, bias, 2**SUM_BITS)
            put(out.weight, next(arrays).T, 2**WEIGHT_BITS)
            put(out.bias, next(arrays), 2**SUM_BITS)
