"""What the front end is shown: saved files, and previews in the folder for temporary files."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor


class SavedResult(dict[str, str]):
    """A file that a node saved."""

    def __init__(self, filename: str, subfolder: str, type: Any) -> None:  # noqa: A002 - ComfyUI's name
        super().__init__(filename=filename, subfolder=subfolder, type=type.value)


class PreviewImage:
    """Saves a batch (B, H, W, 3) as temporary PNG files."""

    def __init__(self, image: Tensor) -> None:
        folder_paths, io = (importlib.import_module(name) for name in ("folder_paths", "comfy_api.latest._io"))
        folder = Path(folder_paths.get_temp_directory())
        self.values = []
        for each in image:
            name = f"preview_{len(list(folder.iterdir())):05}_.png"
            Image.fromarray((each.numpy() * 255).astype("uint8")).save(folder / name)
            self.values.append(SavedResult(name, "", io.FolderType.temp))

    def as_dict(self) -> dict[str, Any]:
        """For the front end."""
        return {"images": self.values, "animated": (False,)}
