"""The packages of the extra ``compare``: looked for before minutes of work, not after."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from PIL import features

from pillow_sdz.errors import SdzDependencyError

PACKAGES: Final = {
    "jinja2": "jinja2", "matplotlib": "matplotlib", "pytorch_msssim": "pytorch-msssim", "ssimulacra2": "ssimulacra2",
}  # fmt: skip
"""Module -> package."""

INSTALL: Final = "pip install 'pillow-sdz[compare]'"


def check() -> None:
    """Check that the report can be made here, without importing anything large.

    Raises:
        SdzDependencyError: packages of the extra are missing, or Pillow was built without WebP.
    """
    missing = [package for module, package in PACKAGES.items() if not _there(module)]
    if missing:
        raise SdzDependencyError(f"the report needs {', '.join(missing)}", remedy=INSTALL)
    if not features.check("webp"):
        raise SdzDependencyError("the report needs a Pillow with WebP", remedy="pip install --upgrade Pillow")


def _there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:  # an import that was blocked leaves None, or a module without a specification
        return False
