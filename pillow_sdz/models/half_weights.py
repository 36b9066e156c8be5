"""Float16 weights in a safetensors file, read without torch and without the package safetensors.

This is for models with graphs (`pillow_sdz.models.graph_files`), whose weights are hashed here and read by ONNX
Runtime. The reader is strict: float16 only, one file, every byte of it in exactly one tensor. `weights` reads the rest.
The format: https://huggingface.co/docs/safetensors (8 bytes with the header's length, a JSON header, the data).
"""

from __future__ import annotations

import hashlib
import json
from math import prod
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from pillow_sdz.errors import SdzModelError, naming_file
from pillow_sdz.limits import is_whole

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

WEIGHTS_NAME: Final = "diffusion_pytorch_model.safetensors"
"""diffusers' name of the file with a network's weights."""

MAX_HEADER_BYTES: Final = 1 << 20
"""Longest header that is read; that of the shipped U-Net has 9 kB."""

MAX_FILE_BYTES: Final = 1 << 30
"""Longest file that is read; models with graphs are small."""

MAX_DIMENSIONS: Final = 8
"""Most dimensions of a tensor; kernels of convolutions have four."""

_LENGTH_BYTES: Final = 8
_METADATA: Final = "__metadata__"


class HalfWeights(NamedTuple):
    """The weights of one file.

    Attributes:
        tensors: name -> values, float16; views of the mapped file.
        places: name -> where in the file the values start.
        layout: SHA-256, in hex, of the header with its length, which fixes these places.
    """

    tensors: dict[str, NDArray[np.float16]]
    places: dict[str, int]
    layout: str


def read_half(path: Path, remedy: str) -> HalfWeights:
    """Read a safetensors file of float16 tensors; ``remedy`` is what errors tell the user to do.

    Raises:
        SdzModelError: the file is missing, damaged, or not of this kind.
    """
    with naming_file(path):
        try:
            return _read(path)
        except (OSError, ValueError, RecursionError) as error:
            raise SdzModelError(f"cannot load the weights: {error}", remedy=remedy) from error


def _read(path: Path) -> HalfWeights:
    size = path.stat().st_size
    if not _LENGTH_BYTES <= size <= MAX_FILE_BYTES:
        raise ValueError(f"the file has {size} bytes")
    data = np.memmap(path, np.uint8, "r")
    length = int.from_bytes(data[:_LENGTH_BYTES].tobytes(), "little")
    start = _LENGTH_BYTES + length
    if length > MAX_HEADER_BYTES or start > size:
        raise ValueError(f"the header has {length} bytes")
    head = data[:start].tobytes()
    header = json.loads(head[_LENGTH_BYTES:], object_pairs_hook=_without_duplicates)
    if not isinstance(header, dict):
        raise ValueError("the header is not a JSON object")
    places = sorted((_place(name, entry), name) for name, entry in header.items() if name != _METADATA)
    body, end, tensors = data[start:], 0, {}
    starts = {name: start + begin for (begin, _), name in places}
    for (begin, after), name in places:
        if begin != end or after > len(body):
            raise ValueError(f"tensor {name[:80]!r} is not where the one before ends, or beyond the end of the file")
        end = after
        tensors[name] = body[begin:after].view("<f2").reshape(header[name]["shape"])
    if end != len(body):
        raise ValueError(f"{len(body) - end} bytes belong to no tensor")
    return HalfWeights(tensors, starts, hashlib.sha256(head).hexdigest())


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("the header names something twice")
    return fields


def _place(name: str, entry: object) -> tuple[int, int]:
    """Where a tensor begins and ends, counted from the start of the data."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"} or entry["dtype"] != "F16":
        raise ValueError(f"tensor {name[:80]!r} is not described as float16")
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise ValueError(f"tensor {name[:80]!r} has no shape or no place")
    begin, end = offsets
    if end - begin != 2 * prod(shape):
        raise ValueError(f"tensor {name[:80]!r} has another size than its shape")
    return begin, end


def _are_sizes(values: object) -> bool:
    return (
        isinstance(values, list)
        and len(values) <= MAX_DIMENSIONS
        and all(is_whole(value, 0, MAX_FILE_BYTES) for value in values)
    )
