"""Check for the packages of the extra ``compare`` before the report is computed, which takes minutes."""

from __future__ import annotations

from typing import Final

from PIL import features

from pillow_sdz.errors import SdzDependencyError, require_installed

PACKAGES: Final = {
    "jinja2": "jinja2",
    "matplotlib": "matplotlib",
    "pytorch_msssim": "pytorch-msssim",
    "ssimulacra2": "ssimulacra2",
}
"""Module that the report imports -> package that provides it."""

INSTALL: Final = "pip install 'pillow-sdz[compare]'"


def check() -> None:
    """Check that what the report needs is installed, without importing anything large.

    Raises:
        SdzDependencyError: packages of the extra are missing, or Pillow was built without WebP.
    """
    require_installed("the report", PACKAGES, INSTALL)
    if not features.check("webp"):
        raise SdzDependencyError("the report needs a Pillow with WebP", remedy="pip install --upgrade Pillow")
