"""The encoding guard's calls into the package, all in one place: when modules move, only this file changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from toy_model import UNGUARDED

import pillow_sdz  # noqa: F401  registers the format
from pillow_sdz.codec import with_model
from pillow_sdz.codec.file import read
from pillow_sdz.codec.preview import decode_preview
from pillow_sdz.coding import bitpack, fixed_point, range_coder, rans
from pillow_sdz.coding import deflate as deflating
from pillow_sdz.coding.planes import encode_alpha, encode_planes
from pillow_sdz.container.header import Header, header_bytes
from pillow_sdz.container.metadata import METADATA_SECTIONS, encode_text
from pillow_sdz.container.metadata_codings import encode_blob
from pillow_sdz.container.sections import Container, build, parse
from pillow_sdz.errors import naming_file
from pillow_sdz.models import model_data, registry
from pillow_sdz.options import saving
from pillow_sdz.payloads.direct.payload import encode_direct
from pillow_sdz.payloads.palette import context_index_coder, index_codings, libimagequant, palette_coder, quantise
from pillow_sdz.payloads.palette import rate_control as palette_rate_control
from pillow_sdz.payloads.palette.layers import Layer, encode_layer
from pillow_sdz.payloads.palette.payload import PalettePlan
from pillow_sdz.payloads.preview_matrix import preview
from pillow_sdz.payloads.protocol import Latent, Plan
from pillow_sdz.payloads.scalar import encoder as scalar_coder
from pillow_sdz.payloads.scalar import rate_control as scalar_rate_control
from pillow_sdz.payloads.scalar import tables as frequencies
from pillow_sdz.payloads.scalar.payload import PAYLOAD as SCALAR
from pillow_sdz.payloads.scalar.payload import ScalarPlan, noise_field
from pillow_sdz.payloads.scalar.prior import Prior, PriorShape
from pillow_sdz.payloads.scalar.scan import scan as passes
from pillow_sdz.plugin import save_keywords
from pillow_sdz.refinement.schedule import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pytest
    from numpy.typing import NDArray
    from PIL import Image

    Bytes = NDArray[np.uint8]
    Indices = NDArray[np.uint16]

__all__ = [
    "Container",
    "Header",
    "PalettePlan",
    "Plan",
    "Prior",
    "ScalarPlan",
    "encode_alpha",
    "encode_blob",
    "encode_direct",
    "encode_planes",
]

# Coders ---------------------------------------------------------------------------------------------------------------


def pack_bits(indices: Indices, bits: int) -> bytes:
    return bitpack.pack(indices, bits)


def deflate(data: bytes, effort: int) -> bytes:
    return deflating.deflate(data, effort)


def range_code(batches: Sequence[tuple[list[int], list[int], list[int]]]) -> bytes:
    """Batches of lows, highs and totals."""
    coder = range_coder.RangeEncoder()
    for lows, highs, totals in batches:
        coder.put(lows, highs, totals)
    return coder.finish()


def ans_code(lanes: int, batches: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> bytes:
    """Batches of table numbers and symbols."""
    coder = rans.AnsEncoder(lanes, frequencies.tables())
    for table, symbol in batches:
        coder.put(table, symbol)
    return b"".join(coder.finish())


def ans_lanes(symbols: int) -> int:
    return rans.lanes_for(symbols)


def frequency_tables() -> dict[str, NDArray[np.int64]]:
    tables = frequencies.tables()
    slots = np.frombuffer(tables.slots, np.uint8).astype(np.int64)
    return {"frequency": tables.frequency, "start": tables.start, "slots": slots, "reach": tables.reach}


def fixed_point_tables(samples: NDArray[np.int32]) -> dict[str, NDArray[np.int64]]:
    """The tables of logarithms and powers, and logarithms of some numbers."""
    found = {
        "logarithms": fixed_point.logarithms(),
        "powers": fixed_point.powers(),
        "logarithm": fixed_point.logarithm(samples),
    }
    return {name: values.astype(np.int64) for name, values in found.items()}


# The scalar payload ---------------------------------------------------------------------------------------------------


def prior_arrays(channels: int, groups: int, wide: int, deep: int) -> Iterator[tuple[int, int]]:
    """Rows and columns of the arrays of a prior's file."""
    return PriorShape(channels, groups, wide, deep).arrays()


def prior(data: bytes, channels: int, groups: int, wide: int, deep: int) -> Prior:
    return Prior.from_bytes(data, PriorShape(channels, groups, wide, deep))


def shipped_prior() -> Prior:
    return model_data.prior(registry.find("tiny-8"))


def scan(height: int, width: int) -> list[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """Network (-1 for none), positions and neighbours of each pass."""
    found = passes(height, width)
    return [
        (
            -1 if each.network is None else each.network,
            each.positions.astype(np.int64),
            each.neighbours.astype(np.int64),
        )
        for each in found
    ]


def scalar_stream(targets: NDArray[np.float32], step: int, prior: Prior) -> bytes:
    return b"".join(scalar_coder.encode(targets, step, prior))


def scalar_codes(targets: NDArray[np.float32], step: int, prior: Prior) -> Bytes:
    """The codes that decoding gives."""
    return scalar_coder.quantise(targets, step, prior)


def scalar_body(targets: NDArray[np.float32], step: int, prior: Prior) -> bytes:
    class Data:
        def prior(self) -> Prior:
            return prior

    latent = Latent(np.zeros(targets.shape, np.uint8), targets)
    return SCALAR.encode(latent, ScalarPlan(step), Data(), effort=4).layers[0]


def noise_of_step(step: int) -> int:
    return noise_field(step)


# The palette payload --------------------------------------------------------------------------------------------------


def sort_palette(palette: Bytes, indices: Indices, *, keep_first: bool) -> tuple[Bytes, Indices]:
    return palette_coder.canonical_order(palette, indices, keep_first=keep_first)


def code_palette(palette: Bytes) -> tuple[int, bytes]:
    return palette_coder.encode(palette)


def code_indices(indices: Indices, palette: Bytes, effort: int, layers: int = 1) -> tuple[int, bytes]:
    return index_codings.encode(indices, palette, effort, layers=layers)


def code_indices_by_context(indices: Indices, palette: Bytes) -> bytes:
    return context_index_coder.encode(indices, palette)


def layers_of(codes: Bytes, colors: Sequence[int], effort: int) -> list[tuple[Bytes, Indices]]:
    """Palettes and indices."""
    return [(layer.palette, layer.indices) for layer in quantise.make_layers(codes, colors, effort)]


def layer_body(palette: Bytes, indices: Indices, effort: int, layers: int = 1) -> bytes:
    return encode_layer(Layer(palette, indices), effort=effort, layers=layers)


def dithered_layer(codes: Bytes) -> tuple[Bytes, Indices]:
    """The layer of the profile of 2022."""
    layer = libimagequant.dithered(codes, 256)
    return layer.palette, layer.indices


# Files ----------------------------------------------------------------------------------------------------------------


def new_names(options: dict[str, Any]) -> dict[str, Any]:
    """Options by their present names. In the pins, ``denoise_steps`` has its former name ``steps``."""
    return {{"steps": "denoise_steps"}.get(name, name): value for name, value in options.items()}


def header(**fields: Any) -> Header:
    return Header(**new_names(fields))


def head_bytes(head: Header) -> bytes:
    return header_bytes(head)


def container_bytes(head: Header, layers: list[bytes], **sections: Any) -> bytes:
    metadata = {kind: sections.pop(kind) for kind in METADATA_SECTIONS.values() if sections.get(kind) is not None}
    return build(Container(replace(head, layer_count=len(layers)), layers, **sections, metadata=metadata))


def parse_file(data: bytes) -> Container:
    with naming_file("<stream>"):
        return parse(data)


def text_section(text: dict[str, str]) -> bytes:
    return encode_text(text)


def preview_pixels(codes: Bytes, matrix: NDArray[np.int8]) -> Bytes:
    return preview(codes, matrix)


def file_codes(data: bytes) -> Bytes:
    with naming_file("<stream>"):
        return read(data).codes()


def file_preview(data: bytes) -> tuple[Bytes, Bytes | None]:
    """The preview's colours and alpha, whatever the size of the picture."""
    with naming_file("<stream>"):
        picture = decode_preview(read(data), 1)
    return picture.rgb, picture.alpha


# Quality and size -----------------------------------------------------------------------------------------------------


def plan_by_steps(quality: int) -> Plan:
    return scalar_rate_control.plan_for_quality(quality)


def plan_by_palettes(quality: int, positions: int, channels: int) -> Plan:
    return palette_rate_control.plan_for_quality(quality, positions, channels)


def fit_by_steps(target: int, size_of: Callable[[Plan], int]) -> Plan:
    return scalar_rate_control.fit_target(target, size_of)


def fit_by_palettes(target: int, size_of: Callable[[Plan], int], positions: int, channels: int) -> Plan:
    return palette_rate_control.fit_target(target, size_of, positions, channels)


def check_options(keywords: dict[str, Any], info: dict[Any, Any]) -> tuple[Any, Any]:
    """The options and metadata that the keywords of ``Image.save`` and an image's info give."""
    return save_keywords.save_options(keywords, info)


# Models ---------------------------------------------------------------------------------------------------------------


def replace_models(patch: pytest.MonkeyPatch, folder: Path, load: Callable[[Any], Any]) -> None:
    """Look up models only in a folder and among the shipped ones, and load their networks with a function.

    Latents are not refined, and the guard is off unless a case asks for it, because what is pinned must depend neither
    on the rounding of a processor nor on the build of an AV1 encoder.
    """
    patch.setattr(with_model, "SCHEDULES", (PLAIN,) * 10)
    patch.setattr(saving, "GUARDED_EFFORT", UNGUARDED)
    patch.setenv(registry.MODELS_VARIABLE, str(folder))
    patch.setattr(registry, "user_folder", lambda: Path("<models>"))
    patch.setattr(registry, "load", lambda manifest, device, dtype: load(manifest))


def shipped_fingerprint() -> str:
    return registry.find("tiny-8").short_fingerprint.hex()


def is_preview(image: Image.Image) -> bool:
    """Whether ``draft`` has switched an opened image to its preview."""
    return bool(image.tile) and bool(image.tile[0][3][2])  # type: ignore[attr-defined]
