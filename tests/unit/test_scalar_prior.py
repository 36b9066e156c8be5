"""The prior's file, and that its predictions do not depend on how they are computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scalar_samples import PRIOR, SHAPE, prior_file

from pillow_sdz.coding.products import UNTHREADED
from pillow_sdz.errors import SdzModelError
from pillow_sdz.payloads.scalar.prior import LARGEST_WEIGHT, Prior
from pillow_sdz.payloads.scalar.scan import NEIGHBOUR_COUNT

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = UNTHREADED // (NEIGHBOUR_COUNT * SHAPE.channels * SHAPE.shared_width)


def test_prior_files_are_checked() -> None:
    data = prior_file()
    with pytest.raises(SdzModelError, match="size"):
        Prior.from_bytes(data[:-4], SHAPE)
    large = np.frombuffer(data, "<i4").copy()
    large[2 * 4] = -LARGEST_WEIGHT - 1
    with pytest.raises(SdzModelError, match="weights"):
        Prior.from_bytes(large.tobytes(), SHAPE)


@pytest.mark.parametrize("count", [1, BLOCK - 1, BLOCK, 3 * BLOCK + 1, 20_000])
def test_predictions_do_not_depend_on_how_many_are_made_at_once(count: int) -> None:
    rng = np.random.default_rng(count)
    context = rng.integers(-128, 128, (count, NEIGHBOUR_COUNT, SHAPE.channels)).astype(np.int8)
    near, own = context[:, :4].sum(1, dtype=np.int16), context[:, 0].copy()

    def predict(rows: slice) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return PRIOR.predict(1, 1, PRIOR.share(1, context[rows], 40), near[rows], own[rows])

    whole, last = predict(slice(None)), predict(slice(max(0, count - 3), None))
    for ours, theirs in zip(whole, last, strict=True):
        assert len(ours) == count
        assert np.array_equal(ours[max(0, count - 3) :], theirs)
