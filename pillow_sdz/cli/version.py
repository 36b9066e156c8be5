"""What --version says."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import PIL

import pillow_sdz
from pillow_sdz.container.header import VERSION
from pillow_sdz.errors import SdzModelError
from pillow_sdz.models import registry


def version_text() -> str:
    """Versions of this program, the format and the packages that matter, and the installed models; imports no torch."""
    draft = " (draft)" if VERSION == 0 else ""
    packages = ", ".join(f"{name} {_installed(name)}" for name in ("torch", "diffusers", "onnxruntime"))
    try:
        found = dict.fromkeys(f"{model.full_name} ({model.short_fingerprint.hex()})" for model in registry.installed())
        models = ", ".join(found) or "none"
    except SdzModelError as error:
        models = f"unknown: {error}"
    return (
        f"sdz-convert {pillow_sdz.__version__}\n"
        f"SDZ format version {VERSION}{draft}\n"
        f"Pillow {PIL.__version__}, {packages}\n"
        f"models: {models}"
    )


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
