"""The small files of a model, which are read without its weights: its prior and its preview networks.

They are read on first use and kept for the process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillow_sdz.models import registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from pillow_sdz.models.code_mapping import PriorFile
    from pillow_sdz.models.manifest import Manifest
    from pillow_sdz.models.preview_file import PreviewFile
    from pillow_sdz.payloads.preview_networks import PreviewNetworks
    from pillow_sdz.payloads.protocol import ModelData
    from pillow_sdz.payloads.scalar.prior import Prior

_priors: dict[tuple[int, PriorFile], Prior] = {}
"""Priors that have been read, by channels and manifest entry. The entry holds the SHA-256 of the prior's file, so that
a changed file gets another key."""


def prior(manifest: Manifest) -> Prior:
    """The prior of a model, read on first use and kept for the process. Reads no weights.

    Raises:
        SdzModelError: the model has none, or it is missing or damaged.
    """
    listed = manifest.codes.prior
    if listed is None:
        return manifest.prior()  # raises the error
    key = manifest.codes.channels, listed
    if key not in _priors:
        _priors[key] = manifest.prior()
    return _priors[key]


_preview_networks: dict[tuple[int, PreviewFile], PreviewNetworks | None] = {}
"""Preview networks that have been read, by channels and manifest entry, as `_priors`."""


def has_preview_networks(fingerprint: bytes) -> bool:
    """Whether the model with this 8-byte fingerprint is installed and has preview networks."""
    manifest = registry.with_fingerprint(fingerprint)
    return manifest is not None and manifest.preview is not None


def preview_networks(fingerprint: bytes) -> PreviewNetworks | None:
    """The preview networks of the model with this 8-byte fingerprint, read on first use and kept for the process.

    Returns:
        None if the model is not installed, or has none.

    Raises:
        SdzModelError: their file is missing or damaged.
    """
    manifest = registry.with_fingerprint(fingerprint)
    if manifest is None or manifest.preview is None:
        return None
    key = manifest.codes.channels, manifest.preview
    if key not in _preview_networks:
        _preview_networks[key] = manifest.preview_networks()
    return _preview_networks[key]


class _LazyModelData:
    """Implements `ModelData`; finds the model on first use."""

    def __init__(self, find_model: Callable[[], Manifest]) -> None:
        self._find_model = find_model

    def prior(self) -> Prior:
        return prior(self._find_model())


def of(manifest: Manifest) -> ModelData:
    """What payloads may ask of this model; its files are read when they ask."""
    return _LazyModelData(lambda: manifest)


def of_fingerprint(fingerprint: bytes) -> ModelData:
    """What payloads may ask of the model with this 8-byte fingerprint.

    The model is looked for only when they ask, because palette and direct payloads need nothing of it and decode if it
    is missing. The errors are those of `registry.find_by_fingerprint` and `prior`.
    """
    return _LazyModelData(lambda: registry.find_by_fingerprint(fingerprint))
