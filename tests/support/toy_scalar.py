"""A model with a prior and without weights: its folder, and a small prior that predicts the mean of four neighbours."""

from __future__ import annotations

import hashlib
import io
import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image
from preview_samples import put_preview
from toy_model import FACTOR, MATRIX, STEP, UNGUARDED, ToyModel

from pillow_sdz.codec import with_model
from pillow_sdz.models import model_data, registry
from pillow_sdz.options import saving
from pillow_sdz.payloads.scalar.prior import Prior, PriorShape
from pillow_sdz.refinement.schedule import PLAIN

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from pillow_sdz.models.manifest import Manifest

CHANNELS: Final = 3
SHAPE: Final = {"groups": 3, "wide": 5, "deep": 2}
"""The prior's shape as ``model.json`` names it."""

PRIOR_SHAPE: Final = PriorShape(CHANNELS, SHAPE["groups"], SHAPE["wide"], SHAPE["deep"])
FINGERPRINT: Final = hashlib.sha256(b"a model with a prior").hexdigest()

_FIRST: Final = np.array([[0] * CHANNELS, [5 * 256] * CHANNELS], "<i4")
"""The prior's first array, for positions without neighbours: mean 0 and a scale of 2**5 codes."""

PRIOR_BYTES: Final = _FIRST.tobytes() + bytes(PRIOR_SHAPE.byte_count - _FIRST.nbytes)
"""All other weights are zero: the prediction is the mean of the neighbours, with a scale of 8 codes."""

PRIOR: Final = Prior.from_bytes(PRIOR_BYTES, PRIOR_SHAPE)


class ModelData:
    """See `pillow_sdz.payloads.protocol.ModelData`."""

    def prior(self) -> Prior:
        return PRIOR


def model_folder(path: Path, *, preview: bool = False, **changes: Any) -> Path:
    """Write a model folder without weights: manifest, with changes, prior, and if asked for preview networks."""
    path.mkdir(parents=True)
    if preview:
        changes["preview"] = put_preview(path)
    (path / "prior.i32").write_bytes(PRIOR_BYTES)
    prior = {**SHAPE, "sha256": hashlib.sha256(PRIOR_BYTES).hexdigest()}
    fields = {
        "format": "pillow_sdz model",
        "name": "toy",
        "version": 1,
        "fingerprint": FINGERPRINT,
        "codes": {"step": STEP, "bound": None, "channels": CHANNELS, "factor": FACTOR, "prior": prior},
        "context": {"encoder": 1, "decoder": 1, "unet": 1},
        "latent_scaling": 1.0,
        "steps": 1,
        "preview_matrix": MATRIX.tolist(),
        **changes,
    }
    (path / "model.json").write_text(json.dumps(fields))
    return path


def install_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, preview: bool = False) -> ToyModel:
    """Install a model ``toy`` for one test, and return the `ToyModel` that stands in for its networks."""
    model_folder(tmp_path / "models" / "toy", preview=preview)
    monkeypatch.setenv(registry.MODELS_VARIABLE, str(tmp_path / "models"))
    monkeypatch.setattr(model_data, "_priors", {})
    monkeypatch.setattr(with_model, "SCHEDULES", (PLAIN,) * 10)  # the model has no networks to refine with
    monkeypatch.setattr(saving, "GUARDED_EFFORT", UNGUARDED)
    model = ToyModel(registry.find("toy"))
    real = registry.load

    def load(manifest: Manifest, device: str | None = None, dtype: str | None = None) -> Any:
        return model if manifest.name == "toy" else real(manifest, device, dtype)  # the guard asks for the shipped one

    monkeypatch.setattr(registry, "load", load)
    return model


def saved(image: Image.Image, **keywords: Any) -> io.BytesIO:
    """A file of this model."""
    stream = io.BytesIO()
    image.save(stream, "SDZ", model="toy", **keywords)
    return stream


def error_of(stream: io.BytesIO, image: Image.Image) -> float:
    """The rms error of a file against the mean colours of blocks, which is all that this model keeps of a picture."""
    means = np.asarray(image.reduce(8), float).repeat(8, 0).repeat(8, 1)
    return float(np.sqrt(np.mean((np.asarray(Image.open(stream), float) - means) ** 2)))
