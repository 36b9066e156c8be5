"""Where models are found: shipped with the package, in the user's folder, or in folders named by a variable.

Finding and describing a model reads its manifest only; `load` brings it into memory once per process, device and
number type, and checks its fingerprint then.
"""

from __future__ import annotations

import os
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models.manifest import FILE_NAME, Manifest, read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from pillow_sdz.models.fingerprint import PriorFile
    from pillow_sdz.models.model import Model
    from pillow_sdz.payloads.scalar.prior import Prior

SHIPPED = Path(__file__).parent / "data"
VARIABLE = "PILLOW_SDZ_MODELS"
ADD = "sdz-convert models add NAME SOURCE"


def user_folder() -> Path:
    """The folder where a user's own models are kept, by the platform's convention."""
    from platformdirs import user_data_path

    return user_data_path("pillow-sdz", appauthor=False) / "models"


def writable_folder() -> Path:
    """Where models are added: the first folder in $PILLOW_SDZ_MODELS, or the user's."""
    return search_path()[0]


def search_path() -> list[Path]:
    """Folders that hold model folders: those in $PILLOW_SDZ_MODELS, the user's, and the package's own."""
    named = [Path(part) for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part]
    return [*named, user_folder(), SHIPPED]


@cache
def _manifest(folder: Path, _modified: int) -> Manifest:
    return read_manifest(folder)


def installed() -> Iterator[Manifest]:
    """Every model on the search path, first found first. A folder whose manifest cannot be read is an error."""
    for place in search_path():
        if not place.is_dir():
            continue
        for folder in sorted(place.iterdir()):
            if folder.name.startswith("."):  # hidden: one that is being added or removed
                continue
            try:
                if not (folder / FILE_NAME).is_file():
                    continue
                manifest = _manifest(folder, (folder / FILE_NAME).stat().st_mtime_ns)
            except FileNotFoundError:  # removed by another process between one look and the next
                continue
            yield manifest


def find(name: str) -> Manifest:
    """The model called ``name``: exactly (``tiny-8``), or the newest version of that name (``tiny``).

    Raises:
        SdzModelError: no such model; the message names those there are and where they are looked for.
    """
    models = list(installed())
    named = [m for m in models if m.full_name == name]
    named = named or sorted((m for m in models if m.name == name), key=lambda m: -m.version)
    if not named:
        known = ", ".join(dict.fromkeys(m.full_name for m in models)) or "none"
        raise SdzModelError("no such model", field="model", found=name, expected=f"one of {known}", remedy=_where())
    return named[0]


def find_by_fingerprint(fingerprint: bytes) -> Manifest:
    """The model whose fingerprint starts with these 8 bytes.

    Raises:
        SdzModelError: it is not installed.
    """
    for manifest in installed():
        if manifest.short_fingerprint == fingerprint:
            return manifest
    known = ", ".join(dict.fromkeys(f"{m.full_name} ({m.short_fingerprint.hex()})" for m in installed())) or "none"
    raise SdzModelError(
        "the model that decodes this file is not installed",
        field="model fingerprint", found=fingerprint.hex(), expected=f"one of {known}", remedy=_where(),
    )  # fmt: skip


def _where() -> str:
    return f"add it with {ADD}, or put the model's folder into {user_folder()} or into a folder named by {VARIABLE}"


def describe(fingerprint: bytes) -> str | None:
    """Name and version of the model with this 8-byte fingerprint, or None where it is not installed."""
    return next((m.full_name for m in installed() if m.short_fingerprint == fingerprint), None)


def find_model_palette(fingerprint: bytes, number: int) -> NDArray[np.uint8]:
    """Palette ``number`` of the model with this 8-byte fingerprint, (entries, channels). Reads no weights.

    Raises:
        SdzModelError: the model or its palette is missing or damaged.
    """
    return find_by_fingerprint(fingerprint).palette(number)


_priors: dict[tuple[int, PriorFile], Prior] = {}
"""Priors that have been read, by channels and what the manifest says: their SHA-256 is part of it, so that no file that
changes later can be meant."""


def model_prior(manifest: Manifest) -> Prior:
    """The prior of a model, read on first use and kept for the process. Reads no weights.

    Raises:
        SdzModelError: the model has none, or it is missing or damaged.
    """
    if manifest.codes.prior is None:
        return manifest.prior()  # which says so
    key = manifest.codes.channels, manifest.codes.prior
    if key not in _priors:
        _priors[key] = manifest.prior()
    return _priors[key]


def find_fitting(fingerprint: bytes, channels: int, factor: int) -> Manifest:
    """The model with this 8-byte fingerprint, whose latents a file says to hold.

    Raises:
        SdzModelError: it is not installed, or its latents have other channels or another factor.
    """
    manifest = find_by_fingerprint(fingerprint)
    expected = (manifest.codes.channels, manifest.codes.factor)
    if (channels, factor) != expected:
        raise SdzModelError(
            f"the file does not fit its model {manifest.full_name}", field="channels, factor",
            found=(channels, factor), expected=expected,
        )  # fmt: skip
    return manifest


_loaded: dict[tuple[Path, str, int, str, str], Model] = {}
_lock = threading.Lock()


def _renew_lock() -> None:
    """A lock that another thread held while the process forked would stay locked in the child for ever."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def load(manifest: Manifest, device: str | None = None, dtype: str | None = None) -> Model:
    """The model in memory, loaded on first use and kept for the process; safe from several threads.

    Args:
        manifest: which model.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``; None chooses what there is, an accelerator before the CPU.
        dtype: ``float32``, ``bfloat16`` or ``float16``; None is float32.

    Raises:
        SdzDependencyError: torch or safetensors is not installed.
        SdzModelError: files are missing or damaged, or the weights do not have the manifest's fingerprint.
        SdzOptionError: no such device or number type.
    """
    from pillow_sdz.models.runtime import choose

    device, dtype = choose(device, dtype)
    content = (manifest.folder, manifest.fingerprint, _modified(manifest.folder))
    key = (*content, device, dtype)
    with _lock:
        if key not in _loaded:
            from pillow_sdz.models.loading import load_model

            for old in [each for each in _loaded if each[0] == manifest.folder and each[:3] != content]:
                del _loaded[old]  # another model had this folder
            _loaded[key] = load_model(manifest, device, dtype)
        return _loaded[key]


def _modified(folder: Path) -> int:
    """When a model's manifest was written: a model may be replaced by another with the same weights."""
    try:
        return (folder / FILE_NAME).stat().st_mtime_ns
    except OSError:  # gone since; loading says what is missing
        return 0
