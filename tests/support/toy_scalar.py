"""A scalar coding and a model without networks, for the tests of everything around the coding.

The stream is the multiples of the step as little-endian int16, deflated, so that finer steps give larger files.
"""

import hashlib
import json
import math
import sys
import types
from dataclasses import dataclass

import numpy as np

import pillow_sdz
from pillow_sdz.coding.deflate import deflate, inflate
from pillow_sdz.errors import SdzModelError
from pillow_sdz.models import registry

FACTOR = 8
CHANNELS = 3
SHAPE = {"groups": 3, "wide": 5, "deep": 2}
CODE_STEP = 1 / 64
FINGERPRINT = hashlib.sha256(b"a model with a prior").hexdigest()


@dataclass(frozen=True)
class PriorShape:
    channels: int
    groups: int
    wide: int
    deep: int

    @property
    def byte_count(self):
        return 4 * (self.channels + self.groups + self.wide + self.deep)


@dataclass(frozen=True)
class Prior:
    values: bytes

    @classmethod
    def from_bytes(cls, data, shape, *, file):
        if len(data) != shape.byte_count:
            raise SdzModelError("wrong size", file=file, field="prior")
        return cls(data)


def encode(targets, step, prior):
    """As of a prior that expects 0 of every value."""
    assert isinstance(prior, Prior)
    return deflate(np.rint(targets * (16 / step)).astype("<i2").tobytes())


def decode(data, shape, step, prior, *, file, field):
    assert isinstance(prior, Prior)
    plain = inflate(data, 2 * math.prod(shape), field=field, file=file)
    multiples = np.frombuffer(plain, "<i2").astype(np.int32).reshape(shape)
    return (np.clip((multiples * step + 8) >> 4, -128, 127) + 128).astype(np.uint8)


PRIOR_BYTES = bytes(range(PriorShape(CHANNELS, **SHAPE).byte_count))
PRIOR = Prior(PRIOR_BYTES)


def install(monkeypatch):
    """Put the stand-ins in the places of `pillow_sdz.payloads.scalar.prior` and `pillow_sdz.payloads.scalar.coder`."""
    for name, parts in (("prior", (PriorShape, Prior)), ("scalar_coding", (encode, decode))):
        module = types.ModuleType(f"pillow_sdz.{name}")
        for part in parts:
            setattr(module, part.__name__, part)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(pillow_sdz, name, module, raising=False)
    monkeypatch.setattr(registry, "_priors", {})


class Model:
    """Latents are mean colours of blocks; noise that the denoiser is told of is kept."""

    def __init__(self):
        self.encoded, self.noise, self.steps, self.unet = 0, None, None, self

    def encode(self, rgb, tile):
        self.encoded += 1
        height, width = rgb.shape[:2]
        padded = np.pad(rgb, ((0, -height % FACTOR), (0, -width % FACTOR), (0, 0)), mode="edge").astype(np.float32)
        rows, columns = padded.shape[0] // FACTOR, padded.shape[1] // FACTOR
        means = padded.reshape(rows, FACTOR, columns, FACTOR, 3).mean((1, 3))
        return (means - np.float32(127.5)) * np.float32(CODE_STEP)

    def denoise(self, latents, noise, steps):
        self.noise, self.steps = noise if steps else None, steps
        return latents

    def decode(self, latents, height, width, tile):
        codes = np.rint(latents / CODE_STEP + 127.5).clip(0, 255).astype(np.uint8)
        return codes.repeat(FACTOR, axis=0).repeat(FACTOR, axis=1)[:height, :width]


def model_folder(path, **changes):
    """Write a model folder without weights: manifest and prior."""
    path.mkdir(parents=True)
    (path / "prior.i32").write_bytes(PRIOR_BYTES)
    prior = {**SHAPE, "sha256": hashlib.sha256(PRIOR_BYTES).hexdigest()}
    identity = [[64 * (row == column) for column in range(3)] for row in range(4)]
    fields = {
        "format": "pillow_sdz model",
        "name": "toy",
        "version": 1,
        "fingerprint": FINGERPRINT,
        "codes": {"step": CODE_STEP, "bound": None, "channels": CHANNELS, "factor": FACTOR, "prior": prior},
        "context": {"encoder": 1, "decoder": 1, "unet": 1},
        "latent_scaling": 1.0,
        "steps": 1,
        "preview_matrix": identity,
        **changes,
    }
    (path / "model.json").write_text(json.dumps(fields))
    return path


def install_model(monkeypatch, tmp_path):
    """Stand-ins, and a model ``toy`` whose networks are a `Model`, which is returned."""
    install(monkeypatch)
    model_folder(tmp_path / "models" / "toy")
    monkeypatch.setenv(registry.VARIABLE, str(tmp_path / "models"))
    model = Model()
    monkeypatch.setattr(registry, "load", lambda manifest, device, dtype: model)
    return model
