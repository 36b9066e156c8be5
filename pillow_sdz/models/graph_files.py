"""Networks as ONNX graphs: the files that a model may have beside its weights, as its manifest lists them.

A graph holds no weights. Its initialisers are external data: each names the safetensors file in the graph's own folder
and the place of a float16 tensor in it. So a graph belongs to one layout of that file. `tools/export_onnx.py` builds
graphs; `pillow_sdz.models.onnx_model` runs them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from pillow_sdz.models.manifest_fields import is_digest, wrong_field

DECODER_GRAPH: Final = "vae/decoder.onnx"
"""Latents (h, w, C) -> picture (H, W, 3), about [-1, 1] but not clamped; both float32."""

UNET_GRAPH: Final = "unet/unet.onnx"
"""Latents (h, w, C), float32, and timestep, int64 -> noise (h, w, C), float32."""

GRAPH_FILES: Final = (DECODER_GRAPH, UNET_GRAPH)


class GraphFile(NamedTuple):
    """One graph.

    Attributes:
        sha256: of its file, in hex.
        layout: `pillow_sdz.models.half_weights.HalfWeights.layout` of the weights that it was made for.
    """

    sha256: str
    layout: str


def read_graph_files(listed: object) -> tuple[tuple[str, GraphFile], ...]:
    """Read and check the object ``graphs`` of a manifest, sorted by name; it may be missing.

    Raises:
        SdzModelError: it is something else.
    """
    if listed is None:
        return ()
    fields = set(GraphFile._fields)
    if not isinstance(listed, dict) or not all(
        name in GRAPH_FILES
        and isinstance(graph, dict)
        and graph.keys() == fields
        and all(map(is_digest, graph.values()))
        for name, graph in listed.items()
    ):
        raise wrong_field("graphs", listed, f"objects with sha256 and layout by {', '.join(GRAPH_FILES)}")
    return tuple((name, GraphFile(**graph)) for name, graph in sorted(listed.items()))
