"""What the node pack uses of ``comfy_api.latest``, behaving as in ComfyUI 0.3.64."""

from __future__ import annotations

from abc import ABC, abstractmethod

from . import _io as io
from . import _ui as ui

__all__ = ["ComfyExtension", "io", "ui"]


class ComfyExtension(ABC):
    """What an entry point returns."""

    @abstractmethod
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """The nodes."""
