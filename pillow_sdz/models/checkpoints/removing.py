"""The end of a model that was added from a checkpoint: `remove_model`."""

from __future__ import annotations

import shutil
import uuid
from typing import TYPE_CHECKING, Final

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models import registry
from pillow_sdz.models.checkpoints.new_folder import VERSION
from pillow_sdz.models.manifest import FILE_NAME, NAME_PATTERN

if TYPE_CHECKING:
    from pathlib import Path


REMOVED: Final = ".removed"
"""How the hidden folder of a model ends that is being removed."""


def remove_model(name: str) -> Path:
    """Remove a model that `adding.add_model` made, by its name; returns the folder that is gone. Of a folder that is
    a symbolic link the link goes, and what it points to stays.

    Raises:
        SdzModelError: there is no such model among those of the user, or it cannot be removed.
    """
    place = registry.writable_folder()
    folder = next((place / each for each in (f"{name}-{VERSION}", name) if (place / each / FILE_NAME).is_file()), None)
    if folder is None or not NAME_PATTERN.fullmatch(name):
        added = ", ".join(path.name.removesuffix(f"-{VERSION}") for path in _models_in(place)) or "none"
        raise SdzModelError(
            "no such model was added", field="model", found=name, expected=f"one of {added}",
            remedy=f"models that came with the package or lie outside {place} are not removed here",
        )  # fmt: skip
    hidden = place / f".{folder.name}.{uuid.uuid4().hex[:8]}{REMOVED}"
    try:
        for left in place.glob(f".*{REMOVED}"):  # of a removal that was interrupted
            shutil.rmtree(left)
        if folder.is_symlink():
            folder.unlink()
        else:
            folder.rename(hidden)  # at once: a model with half of its files would be worse than none
            shutil.rmtree(hidden)
    except OSError as error:
        raise SdzModelError(f"cannot remove the model: {error}", file=str(folder)) from error
    return folder


def _models_in(place: Path) -> list[Path]:
    return sorted(path.parent for path in place.glob(f"[!.]*/{FILE_NAME}"))
