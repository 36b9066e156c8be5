"""Reading the files of a model's folder that its manifest lists by size and SHA-256."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pillow_sdz.errors import SdzModelError

if TYPE_CHECKING:
    from pathlib import Path

    from pillow_sdz.models.manifest import Manifest


def read_listed(manifest: Manifest, what: str, path: Path, size: int, sha256: str) -> bytes:
    """Read a file of a known size and SHA-256, never more of it than that.

    Args:
        manifest: the model's.
        what: what the file holds, for errors.
        path: the file.
        size: in bytes.
        sha256: in hex.

    Raises:
        SdzModelError: it cannot be read, or differs.
    """
    try:
        with path.open("rb") as file:
            data = file.read(size + 1)
    except OSError as error:
        raise SdzModelError(
            f"cannot read the {what} of model {manifest.full_name}: {error}", remedy=manifest.reinstall
        ) from error
    problem, remedy = f"the {what} differs from the model's manifest", manifest.reinstall
    if len(data) != size:
        found = f"{len(data)} bytes" if len(data) < size else "more"
        raise SdzModelError(problem, field="size", found=found, expected=f"{size} bytes", remedy=remedy)
    if (found := hashlib.sha256(data).hexdigest()) != sha256:
        raise SdzModelError(problem, field="SHA-256", found=found[:16], expected=sha256[:16], remedy=remedy)
    return data
