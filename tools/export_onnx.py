"""Build the ONNX graphs of a model of this project, and list them in its manifest.

    python tools/export_onnx.py [FOLDER]

FOLDER is the model's, by default the shipped one's. Each graph is written beside the weights that it refers to, see
`pillow_sdz.models.graph_files`. It must be built anew whenever these weights are written again.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1]))  # where a script finds the packages pillow_sdz and tools

from pillow_sdz.models import registry
from pillow_sdz.models.graph_files import GRAPH_FILES, GraphFile
from pillow_sdz.models.half_weights import WEIGHTS_NAME, read_half
from pillow_sdz.models.manifest import MANIFEST_NAME, read_manifest
from pillow_sdz.models.manifest_fields import REINSTALL
from tools.onnx_graphs import build


def export(folder: Path) -> dict[str, GraphFile]:
    """Write the graphs of the model in ``folder``, and return what its manifest says of them."""
    listed = {}
    for name in GRAPH_FILES:
        path = folder / name
        if path.parent.is_dir():
            data = build(folder, name)
            path.write_bytes(data)
            layout = read_half(path.parent / WEIGHTS_NAME, REINSTALL).layout
            listed[name] = GraphFile(hashlib.sha256(data).hexdigest(), layout)
    return listed


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(folder: Path | None) -> None:
    """The command; its help is the module's docstring."""
    folder = folder or registry.find("tiny").folder
    graphs = {name: graph._asdict() for name, graph in export(folder).items()}
    path = folder / MANIFEST_NAME
    fields = json.loads(path.read_bytes())
    before = [(key, value) for key, value in fields.items() if key != "graphs"]
    place = 1 + [key for key, _ in before].index("configs")
    before.insert(place, ("graphs", graphs))
    path.write_text(json.dumps(dict(before), indent=1) + "\n", "utf-8")
    read_manifest(folder)  # checks it
    for name in graphs:
        click.echo(f"{folder / name}: {(folder / name).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
