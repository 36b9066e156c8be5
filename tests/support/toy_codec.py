"""A codec without a model, for the tests of everything around the codec.

A code is the mean colour of a block of 8x8 pixels, so the preview equals the codes and pictures made of such blocks
come back exactly. The files are ordinary .sdz files of an unknown model.
"""

from types import SimpleNamespace

import numpy as np
from sample_files import layer_body

import pillow_sdz
from pillow_sdz.coding.bitpack import bits_for, pack
from pillow_sdz.coding.planes import encode_alpha
from pillow_sdz.container.metadata import encode_blob, encode_text
from pillow_sdz.container.sections import Container, Header, build
from pillow_sdz.options import Metadata, SaveOptions
from pillow_sdz.payloads.palette.layers import decode_codes, encode_direct

NO_TORCH = """
import importlib.abc, sys

class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "diffusers", "safetensors", "transformers", "imagequant"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Block())
"""
"""Start of a program that runs as if the packages for encoding and decoding were not installed."""

FACTOR = 8
FINGERPRINT = b"toycodec"
IDENTITY = np.concatenate([64 * np.eye(3), np.zeros((1, 3))]).astype(np.int8)


def blocks(width, height, seed=0):
    """A random picture (height, width, 3) that the toy codec keeps exactly."""
    shape = -(-height // FACTOR), -(-width // FACTOR), 3
    codes = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    return grow(codes, width, height)


def grow(codes, width, height):
    return codes.repeat(FACTOR, axis=0).repeat(FACTOR, axis=1)[:height, :width]


def codes_of(rgb):
    """Mean colours of the blocks; the picture is continued by its edge pixels."""
    height, width = rgb.shape[:2]
    padded = np.pad(rgb, ((0, -height % FACTOR), (0, -width % FACTOR), (0, 0)), mode="edge").astype(np.float32)
    rows, columns = padded.shape[0] // FACTOR, padded.shape[1] // FACTOR
    means = padded.reshape(rows, FACTOR, columns, FACTOR, 3).mean((1, 3))
    return means.round().astype(np.uint8)


def _layer(values, first):
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


def encode(rgb, alpha, mode, options=None, metadata=None, *, layers=1, preview=True, unknown=()):
    """Stands in for `pillow_sdz.codec.encode.encode`."""
    options, metadata = options or SaveOptions(), metadata or Metadata()
    codes = codes_of(rgb)
    if options.payload == "direct":
        bodies = [encode_direct(codes)]
    elif layers == 1:
        bodies = [_layer(codes, None)]
    else:
        coarse = codes & 0xC0 | 0x20
        residual = (codes.astype(int) - coarse + 128).astype(np.uint8)
        bodies = [_layer(coarse, None), _layer(residual, (128, 128, 128))]
    height, width = rgb.shape[:2]
    header = Header(
        mode=mode,
        payload=options.payload or "palette",
        layer_count=len(bodies),
        width=width,
        height=height,
        factor=FACTOR,
        channels=3,
        latent_width=codes.shape[1],
        latent_height=codes.shape[0],
        fingerprint=FINGERPRINT,
        noise=6,
        steps=options.steps if options.steps is not None else 1,
    )
    return build(
        Container(
            header,
            bodies,
            alpha=None if alpha is None else encode_alpha(alpha),
            preview=IDENTITY.tobytes() if preview else None,
            icc=metadata.icc and encode_blob(metadata.icc),
            exif=metadata.exif and encode_blob(metadata.exif),
            xmp=metadata.xmp and encode_blob(metadata.xmp),
            text=encode_text(metadata.text) if metadata.text else None,
            unknown=list(unknown),
        )
    )


def decode(container, *, file, steps=None, device=None, tile=None, dtype=None, strength=None):
    """Stands in for `pillow_sdz.codec.decode.decode`."""
    header = container.header
    return grow(decode_codes(container, None, file), header.width, header.height)


class Toy:
    """The two functions in place of the real ones, and what they were called with.

    Attributes:
        encoded: arguments of each call of encode: (rgb, alpha, mode, options, metadata).
        decoded: keywords of each call of decode.
        failure: raised by both, if set.
    """

    def __init__(self):
        self.encoded, self.decoded, self.failure = [], [], None

    def encode(self, rgb, alpha, mode, options, metadata):
        self.encoded.append((rgb, alpha, mode, options, metadata))
        if self.failure:
            raise self.failure
        return encode(rgb, alpha, mode, options, metadata)

    def decode(self, container, **keywords):
        self.decoded.append(keywords)
        if self.failure:
            raise self.failure
        return decode(container, **keywords)


def install(monkeypatch):
    """Put the toy codec in place of the real one for the duration of a test."""
    toy = Toy()
    monkeypatch.setattr(pillow_sdz, "encoder", SimpleNamespace(encode=toy.encode), raising=False)
    monkeypatch.setattr(pillow_sdz, "decoder", SimpleNamespace(decode=toy.decode), raising=False)
    return toy
