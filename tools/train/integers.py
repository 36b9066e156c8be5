"""The trained prior in whole numbers, the file that `pillow_sdz.payloads.scalar.prior` reads, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pillow_sdz.payloads.scalar.prior import (
    CONTEXT_BITS,
    HIDDEN_BITS,
    LARGEST_WEIGHT,
    SCALE_START,
    WEIGHT_BITS,
    PriorShape,
)
from prior import SCALE_START as FLOAT_START
from prior import UNIT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from prior import LatentPrior

_TOTAL = HIDDEN_BITS + WEIGHT_BITS


def prior_bytes(prior: LatentPrior, shape: PriorShape) -> bytes:
    """Round the weights of a prior to whole numbers, array after array as `PriorShape.arrays` lists them."""
    assert FLOAT_START * 256 == SCALE_START

    def whole(tensor: Any, factor: float) -> NDArray[np.int32]:
        values = np.rint(tensor.detach().double().numpy() * factor)
        assert np.abs(values).max(initial=0) < 2**31
        return values.astype("<i4")

    arrays = [whole(prior.first, 256)]
    for network in prior.networks:
        weight = network.context.weight.T
        # neighbours' codes are divided by UNIT; the step's logarithm comes in 256ths and is halved
        values, step = whole(weight[:-1], 2**CONTEXT_BITS / UNIT), whole(weight[-1:], 2**CONTEXT_BITS / 512)
        arrays += [np.concatenate([values, step]), whole(network.context.bias[None], 2**CONTEXT_BITS)]
        for hidden, out in zip(network.hidden, network.out, strict=True):
            weight = hidden.weight.T
            shared, own = whole(weight[: shape.wide], 2**WEIGHT_BITS), whole(weight[shape.wide :], 2**_TOTAL / UNIT)
            arrays += [np.concatenate([shared, own]), whole(hidden.bias[None], 2**_TOTAL)]
            arrays += [whole(out.weight.T, 2**WEIGHT_BITS), whole(out.bias[None], 2**_TOTAL)]
    assert [a.shape for a in arrays] == list(shape.arrays())
    assert all(np.abs(a).max(initial=0) <= LARGEST_WEIGHT for a in arrays if len(a) > 1)
    return b"".join(a.tobytes() for a in arrays)


@torch.no_grad()
def load_prior(prior: LatentPrior, data: bytes, shape: PriorShape) -> None:
    """Undo `prior_bytes`, as exactly as float32 allows; training can then go on from a model folder."""
    sizes = list(shape.arrays())
    whole = np.frombuffer(data, "<i4")
    assert len(whole) == sum(rows * columns for rows, columns in sizes)
    ends = np.cumsum([rows * columns for rows, columns in sizes])
    arrays = iter([part.reshape(size) for part, size in zip(np.split(whole, ends[:-1]), sizes, strict=True)])

    def put(target: torch.Tensor, values: NDArray[np.generic], factor: float) -> None:
        target.copy_(torch.from_numpy(values / factor).to(target).reshape(target.shape))

    put(prior.first, next(arrays), 256)
    for network in prior.networks:
        context, bias = next(arrays), next(arrays)
        put(network.context.weight[:, :-1], context[:-1].T, 2**CONTEXT_BITS / UNIT)
        put(network.context.weight[:, -1], context[-1], 2**CONTEXT_BITS / 512)
        put(network.context.bias, bias, 2**CONTEXT_BITS)
        for hidden, out in zip(network.hidden, network.out, strict=True):
            seen, bias = next(arrays), next(arrays)
            put(hidden.weight[:, : shape.wide], seen[: shape.wide].T, 2**WEIGHT_BITS)
            put(hidden.weight[:, shape.wide :], seen[shape.wide :].T, 2**_TOTAL / UNIT)
            put(hidden.bias, bias, 2**_TOTAL)
            put(out.weight, next(arrays).T, 2**WEIGHT_BITS)
            put(out.bias, next(arrays), 2**_TOTAL)
