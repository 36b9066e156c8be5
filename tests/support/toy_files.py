"""Files of the toy model, built section by section: the encoder takes no part in them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from sample_files import layer_body
from toy_model import FACTOR, FINGERPRINT, MATRIX, codes_of

from pillow_sdz.coding.bitpack import bits_for, pack
from pillow_sdz.coding.planes import encode_alpha
from pillow_sdz.container.header import Header
from pillow_sdz.container.metadata import Metadata, encode_metadata
from pillow_sdz.container.sections import Container, build
from pillow_sdz.payloads.direct.payload import encode_direct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def file_of(
    rgb: NDArray[np.uint8],
    alpha: NDArray[np.uint8] | None = None,
    mode: str = "RGB",
    *,
    metadata: Metadata | None = None,
    layers: int = 1,
    preview: bool = True,
    fingerprint: bytes = FINGERPRINT,
    unknown: Sequence[tuple[int, bytes]] = (),
) -> bytes:
    """A file with a palette of all distinct codes of a picture, so that no code is lost.

    Args:
        rgb: (H, W, 3).
        alpha: (H, W), where ``mode`` has alpha.
        mode: of the picture.
        metadata: what is stored besides.
        layers: 1, or 2: then the first has two bits of each code.
        preview: whether there is a preview matrix.
        fingerprint: the first 8 bytes of the model's.
        unknown: sections of types that this version does not know.
    """
    codes = codes_of(rgb)
    if layers == 1:
        bodies = [_layer(codes, None)]
    else:
        coarse = codes & np.uint8(0xC0) | np.uint8(0x20)
        residual = (codes.astype(int) - coarse + 128).astype(np.uint8)
        bodies = [_layer(coarse, None), _layer(residual, (128, 128, 128))]
    header = _header(rgb, mode, "palette", len(bodies), fingerprint, noise=6, denoise_steps=1)
    return _build(header, bodies, alpha, metadata, preview=preview, unknown=unknown)


def direct_file_of(
    rgb: NDArray[np.uint8],
    alpha: NDArray[np.uint8] | None = None,
    mode: str = "RGB",
    *,
    metadata: Metadata | None = None,
) -> bytes:
    """A file with direct codes, byte by byte what the encoder makes with the toy model."""
    header = _header(rgb, mode, "direct", 1, FINGERPRINT, noise=0, denoise_steps=0)
    return _build(header, [encode_direct(codes_of(rgb))], alpha, metadata)


def _header(
    rgb: NDArray[np.uint8],
    mode: str,
    payload: str,
    layer_count: int,
    fingerprint: bytes,
    *,
    noise: int,
    denoise_steps: int,
) -> Header:
    height, width = rgb.shape[:2]
    return Header(
        mode=mode, payload=payload, layer_count=layer_count, width=width, height=height, factor=FACTOR, channels=3,
        latent_width=-(-width // FACTOR), latent_height=-(-height // FACTOR), fingerprint=fingerprint,
        noise=noise, denoise_steps=denoise_steps,
    )  # fmt: skip


def _build(
    header: Header,
    bodies: list[bytes],
    alpha: NDArray[np.uint8] | None,
    metadata: Metadata | None,
    *,
    preview: bool = True,
    unknown: Sequence[tuple[int, bytes]] = (),
) -> bytes:
    metadata = metadata or Metadata()
    return build(
        Container(
            replace(header, colour_space=metadata.colour_space),
            bodies,
            alpha=None if alpha is None else encode_alpha(alpha),
            preview=MATRIX.tobytes() if preview else None,
            metadata=encode_metadata(metadata),
            unknown=list(unknown),
        )
    )


def _layer(values: NDArray[np.uint8], first: tuple[int, int, int] | None) -> bytes:
    """A layer of all distinct vectors, starting with ``first`` if given; at least two entries, nothing compressed."""
    flat = values.reshape(-1, 3)
    extra = flat[:1] if first is None else np.array([first], np.uint8)
    palette, indices = np.unique(np.concatenate([extra, flat]), axis=0, return_inverse=True)
    indices = indices.reshape(-1)
    order = np.arange(len(palette))
    order[[0, indices[0]]] = indices[0], 0  # its own inverse
    palette, indices = palette[order], order[indices[1:]]
    if len(palette) < 2:
        palette = np.concatenate([palette, palette ^ 1])
    return layer_body(palette.tolist(), pack(indices.astype(np.uint16), bits_for(len(palette))))
