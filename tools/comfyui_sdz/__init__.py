"""Nodes for ComfyUI that save and load .sdz, as latents and as images; see README.md.

ComfyUI loads this folder from ``custom_nodes`` and calls `comfy_entrypoint`.
"""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

import pillow_sdz  # noqa: F401 - registers the format, so that ComfyUI's own Load Image opens it, too

from .nodes import SdzLoadImage, SdzLoadLatent, SdzSaveImage, SdzSaveLatent

__all__ = ["comfy_entrypoint"]


class SdzExtension(ComfyExtension):
    """The four nodes."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """The nodes, in the order of the menu."""
        return [SdzSaveLatent, SdzLoadLatent, SdzSaveImage, SdzLoadImage]


async def comfy_entrypoint() -> SdzExtension:
    """What ComfyUI calls when it loads the pack."""
    return SdzExtension()
