"""Finding models: shipped with the package, in the user's folder, or in folders that an environment variable names.

Finding and describing a model reads its manifest only; `load` brings it into memory once per process, device and
number type, and `pillow_sdz.models.integrity` checks its weights then.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar, cast

from pillow_sdz.errors import SdzModelError, is_installed, needs_packages
from pillow_sdz.models.fork_lock import ForkLock
from pillow_sdz.models.manifest import MANIFEST_NAME, Manifest, read_manifest
from pillow_sdz.models.shipped import shipped_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from pillow_sdz.models.model import Model
    from pillow_sdz.models.onnx_model import OnnxModel
    from pillow_sdz.models.torch_model import TorchModel

M = TypeVar("M", bound="Model")

SHIPPED: Final = shipped_folder()
"""Models that come with the package."""

MODELS_VARIABLE: Final = "PILLOW_SDZ_MODELS"
"""Environment variable: folders that hold model folders, joined as in $PATH."""

ADD_COMMAND: Final = "sdz-convert models add NAME SOURCE"


@cache
def user_folder() -> Path:
    """The folder for a user's own models, by the platform's convention.

    Raises:
        SdzDependencyError: platformdirs, which knows the conventions, is not installed.
    """
    with needs_packages("finding the user's own models"):
        from platformdirs import user_data_path

    return user_data_path("pillow-sdz", appauthor=False) / "models"


def _named_folders() -> list[Path]:
    return [Path(part) for part in os.environ.get(MODELS_VARIABLE, "").split(os.pathsep) if part]


def writable_folder() -> Path:
    """Where models are added: the first folder in $PILLOW_SDZ_MODELS, or the user's.

    Raises:
        SdzDependencyError: as `user_folder`.
    """
    return next(iter(_named_folders()), None) or user_folder()


def search_path() -> list[Path]:
    """Folders that hold model folders: those in $PILLOW_SDZ_MODELS, the user's, and the package's own.

    Without platformdirs, as in an installation that only reads files, the user's folder is left out.
    """
    users = [user_folder()] if is_installed("platformdirs") else []
    return [*_named_folders(), *users, SHIPPED]


@cache
def _manifest(folder: Path, _modified: int) -> Manifest:
    """`read_manifest`, kept for the process; the modification time is only part of the cache's key."""
    return read_manifest(folder)


def installed() -> Iterator[Manifest]:
    """Every model on the search path, in the order of the path.

    Raises:
        SdzModelError: the manifest of some model cannot be read.
    """
    return _in_folders(search_path())


def _in_folders(places: list[Path]) -> Iterator[Manifest]:
    for place in places:
        if not place.is_dir():
            continue
        for folder in sorted(place.iterdir(), key=lambda each: each.name):
            if folder.name.startswith("."):  # hidden folders are being added or removed
                continue
            try:
                if not (folder / MANIFEST_NAME).is_file():
                    continue
                manifest = _manifest(folder, (folder / MANIFEST_NAME).stat().st_mtime_ns)
            except FileNotFoundError:  # another process removed it after iterdir
                continue
            yield manifest


def installed_models() -> list[Manifest]:
    """Every model; of several with the same name and version only the one that is found first.

    Raises:
        SdzModelError: a manifest cannot be read.
    """
    return list({model.full_name: model for model in reversed(list(installed()))}.values())[::-1]


def find(name: str) -> Manifest:
    """The model called ``name``: with a version (``tiny-8``), or the newest version of that name (``tiny``).

    Raises:
        SdzModelError: no such model; the message lists the models there are and where to put others.
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
    if (found := with_fingerprint(fingerprint)) is not None:
        return found
    known = ", ".join(dict.fromkeys(f"{m.full_name} ({m.short_fingerprint.hex()})" for m in installed())) or "none"
    raise SdzModelError(
        "the model that decodes this file is not installed",
        field="model fingerprint",
        found=fingerprint.hex(),
        expected=f"one of {known}",
        remedy=_where(),
    )


def _where() -> str:
    """The remedy for models that are not found."""
    users = f"{user_folder()} or into " if is_installed("platformdirs") else ""
    return f"add it with {ADD_COMMAND}, or put the model's folder into {users}a folder named by {MODELS_VARIABLE}"


def name_of(fingerprint: bytes) -> str | None:
    """Name and version of the model with this 8-byte fingerprint, or None if it is not installed."""
    found = with_fingerprint(fingerprint)
    return None if found is None else found.full_name


def with_fingerprint(fingerprint: bytes) -> Manifest | None:
    """The model with this 8-byte fingerprint, or None if it is not installed; the user's own folder is searched last.

    Whichever copy of a model is found is the right one, and most files are of the shipped one: platformdirs, which
    knows the user's folder, takes a tenth of the time to open a process's first file.
    """

    def models() -> Iterator[Manifest]:
        yield from _in_folders([*_named_folders(), SHIPPED])
        yield from installed()

    return next((manifest for manifest in models() if manifest.short_fingerprint == fingerprint), None)


def find_fitting(fingerprint: bytes, channels: int, factor: int) -> Manifest:
    """The model with this 8-byte fingerprint, checked against what a file says of its latents.

    Raises:
        SdzModelError: it is not installed, or its latents have other channels or another factor.
    """
    manifest = find_by_fingerprint(fingerprint)
    expected = (manifest.codes.channels, manifest.codes.factor)
    if (channels, factor) != expected:
        raise SdzModelError(
            f"the file does not fit its model {manifest.full_name}",
            field="channels, factor",
            found=(channels, factor),
            expected=expected,
        )
    return manifest


_loaded: dict[tuple[Path, str, int, Hashable], Model] = {}
"""Models in memory, by folder, fingerprint, time of the manifest, and what else distinguishes them."""

_lock = ForkLock()


def load(manifest: Manifest, device: str | None = None, dtype: str | None = None) -> TorchModel:
    """The model in torch, loaded on first use and kept for the process; safe from several threads.

    Args:
        manifest: which model.
        device: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``; None takes an accelerator where there is one.
        dtype: ``float32``, ``bfloat16`` or ``float16``; None is float32.

    Raises:
        SdzDependencyError: torch or safetensors is not installed.
        SdzModelError: files are missing or damaged, or the weights do not have the manifest's fingerprint.
        SdzOptionError: no such device or number type.
    """
    from pillow_sdz.models.loading import load_model
    from pillow_sdz.models.runtime import choose

    chosen = choose(device, dtype)
    return _kept(manifest, chosen, lambda: load_model(manifest, *chosen))


def load_onnx(manifest: Manifest) -> OnnxModel:
    """The model in ONNX Runtime, loaded on first use and kept for the process; safe from several threads.

    Args:
        manifest: of a model with graphs.

    Raises:
        SdzModelError: as `load`.
    """
    from pillow_sdz.models.onnx_model import load_onnx_model

    # a forked child makes its own: another thread of its parent may have held a lock of this one
    return _kept(manifest, ("onnx", os.getpid()), lambda: load_onnx_model(manifest))


def _kept(manifest: Manifest, how: Hashable, load_it: Callable[[], M]) -> M:
    """The model that was loaded in this way before, or else a new one."""
    content = (manifest.folder, manifest.fingerprint, _modified(manifest.folder))
    key = (*content, how)
    with _lock():
        if key not in _loaded:
            for old in [each for each in _loaded if each[0] == manifest.folder and each[:3] != content]:
                del _loaded[old]  # models that were in this folder before
            _loaded[key] = load_it()
        return cast("M", _loaded[key])


def _modified(folder: Path) -> int:
    """When a model's manifest was written, in nanoseconds; tells apart models with the same weights in one folder."""
    try:
        return (folder / MANIFEST_NAME).stat().st_mtime_ns
    except OSError:  # removed meanwhile: loading raises the error
        return 0
