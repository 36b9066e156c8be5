"""Models of the guard: priors with fixed weights, and stand-ins for the networks."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from guard import calls
from guard.inputs import numbers

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]


TOY = {"channels": 3, "groups": 3, "wide": 5, "deep": 2}
"""Shape of the prior of the model "toy"."""

WIDER = {"channels": 4, "groups": 2, "wide": 12, "deep": 7}
"""Shape of a prior with more channels and larger networks."""


@cache
def prior_bytes(channels: int, groups: int, wide: int, deep: int) -> bytes:
    """The file of a prior whose weights are untrained, but large enough for its predictions to vary."""
    pieces = []
    for number, (rows, columns) in enumerate(calls.prior_arrays(channels, groups, wide, deep)):
        most = 3000 if number % (2 + 4 * groups) != 1 else 400
        values = numbers(1000 + number, rows, columns, below=2 * most + 1) - most
        if number == 0:
            values[1] = 1500 + values[1] // 10  # scales of the first pass
        pieces.append(values.astype("<i4").tobytes())
    return b"".join(pieces)


@cache
def priors() -> dict[str, tuple[calls.Prior, int]]:
    """Priors and their numbers of channels, by name."""
    made = {name: (calls.prior(prior_bytes(**s), **s), s["channels"]) for name, s in (("toy", TOY), ("wider", WIDER))}
    return {**made, "tiny-8": (calls.shipped_prior(), 8)}


class Networks:
    """A stand-in for a model's networks: latents are sums over blocks of pixels, in whole numbers until the end."""

    unet = None

    def __init__(self, manifest: Any) -> None:
        self.manifest = manifest

    def encode(self, rgb: Bytes, tile: int) -> NDArray[np.float32]:
        mapping = self.manifest.codes
        factor = mapping.factor
        height, width = rgb.shape[:2]
        padded = np.pad(rgb.astype(np.int64), ((0, -height % factor), (0, -width % factor), (0, 0)), mode="edge")
        rows, columns = padded.shape[0] // factor, padded.shape[1] // factor
        sums = padded.reshape(rows, factor, columns, factor, 3).sum((1, 3)) * 16 // factor**2  # sixteenths
        planes = []
        for channel in range(mapping.channels):
            own, other = sums[:, :, channel % 3], sums[:, :, (channel + 1) % 3]
            planes.append(own if channel < 3 else 2040 + (own - other) // channel)
        sixteenths = np.stack(planes, axis=2).astype(np.float32)
        return (sixteenths / np.float32(16) - np.float32(127.5)) * np.float32(mapping.step)

    def encode_sample(self, rgb: Bytes, seed: int) -> NDArray[np.float32]:
        return self.encode(rgb, 0)


MODELS: dict[str, dict[str, Any]] = {
    "toy": {"channels": 3, "step": 1 / 64, "prior": TOY},
    "noprior": {"channels": 5, "step": 1 / 64, "prior": None},
    "four": {"channels": 4, "step": 0.18215, "prior": None},
}
"""Models of the guard: with a prior, without one, and one that supports the profile of 2022."""


def write_models(folder: Path) -> None:
    """Write the manifests of `MODELS`, and the prior of the one that has one."""
    for name, model in MODELS.items():
        place = folder / name
        place.mkdir(parents=True)
        prior, channels = model["prior"], model["channels"]
        if prior is not None:
            data = prior_bytes(**prior)
            (place / "prior.i32").write_bytes(data)
            prior = {key: prior[key] for key in ("groups", "wide", "deep")}
            prior["sha256"] = hashlib.sha256(data).hexdigest()
        fields = {
            "format": "pillow_sdz model",
            "name": name,
            "version": 1,
            "fingerprint": hashlib.sha256(name.encode()).hexdigest(),
            "codes": {"step": model["step"], "bound": None, "channels": channels, "factor": 8, "prior": prior},
            "context": {"encoder": 1, "decoder": 1, "unet": 1},
            "latent_scaling": 1.0,
            "steps": 2,
            "preview_matrix": [
                [(7 * row * (column + 1)) % 90 - 40 for column in range(3)] for row in range(channels + 1)
            ],
        }
        (place / "model.json").write_text(json.dumps(fields))
