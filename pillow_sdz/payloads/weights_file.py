"""The files of a model's integer networks (prior, preview networks): int32 values, little-endian, array after array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.errors import SdzModelError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

VALUE_BYTES: Final = 4
"""Bytes of a value."""


def byte_count(shapes: Iterable[tuple[int, int]]) -> int:
    """Size in bytes of a file with arrays of these shapes (rows, columns)."""
    return VALUE_BYTES * sum(rows * columns for rows, columns in shapes)


def read_arrays(data: bytes, shapes: Iterable[tuple[int, int]], subject: str) -> list[NDArray[np.int32]]:
    """The arrays of a file.

    Args:
        data: the file.
        shapes: rows and columns of each array, in the order of the file.
        subject: start of the error message, with its verb.

    Raises:
        SdzModelError: the file has another size.
    """
    shapes = list(shapes)
    if len(data) != (expected := byte_count(shapes)):
        raise SdzModelError(
            f"{subject} another size than the model's manifest says", field="size",
            found=f"{len(data)} bytes", expected=f"{expected} bytes", remedy="install the model again",
        )  # fmt: skip
    arrays, offset = [], 0
    for rows, columns in shapes:
        arrays.append(np.frombuffer(data, "<i4", rows * columns, offset).reshape(rows, columns))
        offset += VALUE_BYTES * rows * columns
    return arrays
