"""A model's preview networks as its manifest lists them: sizes, and the SHA-256 of their file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pillow_sdz.limits import is_whole
from pillow_sdz.models.manifest_fields import is_digest, wrong_field
from pillow_sdz.payloads.preview_networks import COLOURS, SIDES, STRIDES, LayerShape

PREVIEW_NAME: Final = "preview.i32"

MAX_LAYERS: Final = 8
MAX_WIDTH: Final = 256
"""Most layers of a network, and most outputs of a layer: they bound time and memory."""


@dataclass(frozen=True)
class PreviewFile:
    """The entry ``preview`` of a manifest.

    Attributes:
        networks: the layers of each network, see `pillow_sdz.payloads.preview_networks.PreviewShape`.
        sha256: of the file, in hex.
    """

    networks: tuple[tuple[LayerShape, ...], ...]
    sha256: str

    def fields(self) -> dict[str, Any]:
        """The JSON object."""
        sizes = [[[layer.side, layer.width] for layer in network] for network in self.networks]
        return {"networks": sizes, "sha256": self.sha256}


def read_preview_file(listed: object) -> PreviewFile | None:
    """Read and check the object ``preview`` of a manifest; it may be missing.

    Raises:
        SdzModelError: it is something else.
    """
    if listed is None:
        return None
    networks = listed.get("networks") if isinstance(listed, dict) and is_digest(listed.get("sha256")) else None
    if not isinstance(networks, list) or len(networks) != len(STRIDES) or not all(map(_is_network, networks)):
        raise wrong_field("preview", listed, "null or an object with networks and sha256")
    assert isinstance(listed, dict)
    shapes = tuple(tuple(LayerShape(side, width) for side, width in layers) for layers in networks)
    return PreviewFile(shapes, listed["sha256"])


def _is_network(listed: object) -> bool:
    """Whether this is a list of one or more layers, the last of which gives a colour."""
    return (
        isinstance(listed, list)
        and 1 <= len(listed) <= MAX_LAYERS
        and all(map(_is_layer, listed))
        and listed[-1][1] == COLOURS
    )


def _is_layer(listed: object) -> bool:
    return (
        isinstance(listed, list)
        and len(listed) == 2
        and is_whole(listed[0], min(SIDES), max(SIDES))
        and listed[0] in SIDES
        and is_whole(listed[1], 1, MAX_WIDTH)
    )
