"""The trained prior in whole numbers: the file that `pillow_sdz.prior` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pillow_sdz.prior import CONTEXT_BITS, HIDDEN_BITS, LARGEST_WEIGHT, SCALE_START, WEIGHT_BITS, PriorShape
from prior import SCALE_START as FLOAT_START
from prior import UNIT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from prior import LatentPrior


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
        total = HIDDEN_BITS + WEIGHT_BITS
        for hidden, out in zip(network.hidden, network.out, strict=True):
            weight = hidden.weight.T
            shared, own = whole(weight[: shape.wide], 2**WEIGHT_BITS), whole(weight[shape.wide :], 2**total / UNIT)
            arrays += [np.concatenate([shared, own]), whole(hidden.bias[None], 2**total)]
            arrays += [whole(out.weight.T, 2**WEIGHT_BITS), whole(out.bias[None], 2**total)]
    assert [a.shape for a in arrays] == list(shape.arrays())
    assert all(np.abs(a).max(initial=0) <= LARGEST_WEIGHT for a in arrays if len(a) > 1)
    return b"".join(a.tobytes() for a in arrays)
