"""The layer section of a scalar payload: a step, then whole numbers that the model's prior has coded.

Each value of the latent is so many steps away from what the prior expects; one step holds for the whole picture.
`pillow_sdz.payloads.scalar.coder` finds and codes those numbers; this module frames them, and knows how large the error is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from pillow_sdz import limits
from pillow_sdz.coding.boxes import SCALAR_HEAD, build_box, parse_box
from pillow_sdz.errors import SdzFormatError, SdzLimitError, SdzModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from pillow_sdz.container.header import Header
    from pillow_sdz.payloads.scalar.prior import Prior

STEP_UNIT: Final = 1 / 16
"""The step is counted in sixteenths of a code."""

FIELD: Final = "layer 1"


def read_step(body: bytes, header: Header, *, file: str = "<bytes>") -> int:
    """Read the step of a scalar layer, in microseconds and without the prior.

    Args:
        body: the body of the layer section.
        header: the checked header.
        file: name for error messages.

    Returns:
        The step in sixteenths of a code, 16 to 2048.

    Raises:
        SdzFormatError: the body ends too early, or its step is out of range or contradicts the header's noise.
    """
    step: int = parse_box(SCALAR_HEAD, body, 0, field=f"{FIELD}, step", file=file).step
    if not limits.MIN_STEP <= step <= limits.MAX_STEP:
        raise SdzFormatError(
            "is out of range", file=file, field=f"{FIELD}, step", found=step,
            expected=f"{limits.MIN_STEP} to {limits.MAX_STEP}",
        )  # fmt: skip
    if header.noise != noise_field(step):
        raise SdzFormatError(
            f"contradicts the step {step} of the layer", file=file, field="noise", found=header.noise,
            expected=noise_field(step),
        )  # fmt: skip
    return step


def check_values(count: int, *, file: str | None = None) -> None:
    """Check the number of latent values against `limits.MAX_SCALAR_VALUES`.

    Raises:
        SdzLimitError: there are more.
    """
    if count > limits.MAX_SCALAR_VALUES:
        raise SdzLimitError(
            "the latent is too large for a scalar payload", file=file, field="latent", found=f"{count} values",
            expected=f"at most {limits.MAX_SCALAR_VALUES}",
            remedy="save with payload='palette' or a smaller picture" if file is None else None,
        )  # fmt: skip


def noise_field(step: int) -> int:
    """What the header's noise field says for a step: its rms rounding error in quarters of a code.

    ``step / 16 / sqrt(12) * 4``, rounded; in whole numbers, so that every writer and reader finds the same.

    Args:
        step: in sixteenths of a code, 16 to 2048.

    Returns:
        1 to 148.

    >>> [noise_field(step) for step in (64, 336, 2048)]
    [5, 24, 148]
    """
    return (math.isqrt(step * step // 48) + 1) // 2


def rms_of_rounding(step: int) -> float:
    """The rms error, in codes, of rounding with a step in sixteenths of a code, if errors are spread evenly over it.

    Of values that the prior foresees to less than a step it is smaller.

    >>> round(rms_of_rounding(336), 3)
    6.062
    """
    return step * STEP_UNIT / math.sqrt(12)


def encode_scalar(targets: NDArray[np.float32], step: int, prior: Prior) -> bytes:
    """Write the body of the one layer section of a scalar payload.

    Args:
        targets: shape (h, w, C), codes less 128, not rounded; see `pillow_sdz.payloads.codes.to_targets`.
        step: in sixteenths of a code, 16 to 2048.
        prior: the model's.

    Raises:
        ValueError: the step is out of range.
        SdzLimitError: more values than a scalar payload may have.
    """
    from pillow_sdz.payloads.scalar import coder as scalar_coding

    if not limits.MIN_STEP <= step <= limits.MAX_STEP:
        raise ValueError(f"the format cannot hold a step of {step} sixteenths of a code")
    check_values(targets.size)
    stream = scalar_coding.encode(targets, step, prior)
    return build_box(SCALAR_HEAD, step=step) + stream


def decode_scalar(
    body: bytes, header: Header, prior_lookup: Callable[[], Prior] | None = None, *, file: str = "<bytes>"
) -> NDArray[np.uint8]:
    """Undo `encode_scalar`, up to the rounding.

    Args:
        body: the body of the layer section.
        header: the checked header.
        prior_lookup: gives the prior of the model; None if there is no model. Asked only once the step is checked.
        file: name for error messages.

    Returns:
        The codes, shape (h, w, C).

    Raises:
        SdzFormatError: the body is damaged.
        SdzLimitError: more values than a scalar payload may have.
        SdzModelError: there is no model.
    """
    step = read_step(body, header, file=file)
    check_values(math.prod(header.latent_shape), file=file)
    if prior_lookup is None:
        raise SdzModelError(
            "the layer is coded with the model's prior, and no model is at hand", file=file, field=FIELD,
            found=f"fingerprint {header.fingerprint.hex()}", remedy="install the model with this fingerprint",
        )  # fmt: skip
    prior = prior_lookup()
    from pillow_sdz.payloads.scalar import coder as scalar_coding

    stream = bytes(memoryview(body)[SCALAR_HEAD.sizeof() :])
    return scalar_coding.decode(stream, header.latent_shape, step, prior, file=file, field=f"{FIELD}, values")
