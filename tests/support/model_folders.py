"""Model folders without weights, for the tests of manifests and priors."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from pillow_sdz.payloads.scalar.prior import PriorShape

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CHANNELS, FACTOR = 3, 8
SHAPE = PriorShape(CHANNELS, groups=3, shared_width=5, group_width=2)
PRIOR_VALUES = np.random.default_rng(0).integers(-99, 100, SHAPE.byte_count // 4).astype("<i4")
PRIOR_BYTES = PRIOR_VALUES.tobytes()
FINGERPRINT = hashlib.sha256(b"a model with a prior").hexdigest()


def write_model_folder(path: Path, **changes: object) -> Path:
    """A model ``toy`` of a manifest and a prior; ``changes`` are fields of the manifest."""
    path.mkdir(parents=True)
    (path / "prior.i32").write_bytes(PRIOR_BYTES)
    prior = {"groups": 3, "wide": 5, "deep": 2, "sha256": hashlib.sha256(PRIOR_BYTES).hexdigest()}
    fields = {
        "format": "pillow_sdz model",
        "name": "toy",
        "version": 1,
        "fingerprint": FINGERPRINT,
        "codes": {"step": 1 / 64, "bound": None, "channels": CHANNELS, "factor": FACTOR, "prior": prior},
        "context": {"encoder": 1, "decoder": 1, "unet": 1},
        "latent_scaling": 1.0,
        "steps": 1,
        "preview_matrix": [[64 * (row == column) for column in range(3)] for row in range(CHANNELS + 1)],
        **changes,
    }
    (path / "model.json").write_text(json.dumps(fields))
    return path


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Let ``change`` work on the fields of a manifest."""
    path = folder / "model.json"
    fields = json.loads(path.read_text())
    change(fields)
    path.write_text(json.dumps(fields))
