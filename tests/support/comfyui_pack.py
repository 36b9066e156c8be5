"""The node pack in a stand-in for ComfyUI: loaded as ComfyUI loads it, its nodes checked and run as there."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import inspect
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

STAND_IN = Path(__file__).parent / "comfyui"
PACK = Path(__file__).parents[2] / "tools" / "comfyui_sdz"

PARTS = ("comfy", "comfy_api", "folder_paths")
"""The modules of the stand-in."""


class RefusedError(Exception):
    """What the user reads when a prompt is not accepted."""


@dataclass
class Pack:
    """The loaded pack.

    Attributes:
        base: the folder with ``input``, ``output`` and ``temp``.
        nodes: the nodes, by their id.
        args: the options that ComfyUI was started with.
        module: the pack's module.
    """

    base: Path
    nodes: dict[str, Any]
    args: SimpleNamespace
    module: Any

    def run(self, node_id: str, *, prompt: object = None, pnginfo: object = None, **inputs: Any) -> Any:
        """Check the inputs and run a node.

        Raises:
            RefusedError: an input is not accepted.
        """
        node = self.nodes[node_id]
        self._check(node, inputs)
        copy: Any = type(node.__name__, (node,), {"hidden": SimpleNamespace(prompt=prompt, extra_pnginfo=pnginfo)})
        with torch.inference_mode():  # as ComfyUI runs all nodes
            return copy.execute(**inputs)

    def _check(self, node: Any, inputs: dict[str, Any]) -> None:
        schema = node.define_schema()
        known = {each.id: each.options for each in schema.inputs}
        if unknown := set(inputs) - set(known):
            raise TypeError(f"no such inputs: {unknown}")
        validator = node.validate_inputs if "validate_inputs" in vars(node) else None
        own = inspect.signature(validator).parameters if validator else {}
        for name, options in known.items():
            if name not in inputs:
                if not options.get("optional"):
                    raise RefusedError(f"Required input is missing: {name}")
                continue
            value = inputs[name]
            if name in own:
                continue
            if "min" in options and not options["min"] <= value <= options["max"]:
                raise RefusedError(f"{name}: {value} is out of range")
            if "options" in options and value not in options["options"]:
                raise RefusedError(f"Value not in list: {name}: {value!r} not in {options['options']}")
        if validator is not None:
            answer = validator(**{name: inputs[name] for name in own})
            if answer is not True:
                raise RefusedError(str(answer))

    def options(self, node_id: str, name: str) -> dict[str, Any]:
        """What the front end is told about an input now."""
        inputs = self.nodes[node_id].define_schema().inputs
        found: dict[str, Any] = next(each.options for each in inputs if each.id == name)
        return found

    def saved(self, output: Any) -> list[Path]:
        """The files that a node saved."""
        for each in output.ui["sdz"]:
            assert each["type"] == "output"
        return [self.base / "output" / each["subfolder"] / each["filename"] for each in output.ui["sdz"]]


@contextlib.contextmanager
def loaded(base: Path) -> Iterator[Pack]:
    """The pack, until the end of the block."""
    for folder in ("input", "output", "temp"):
        (base / folder).mkdir(parents=True)
    before = _taken_out()  # others may be in use: of another test, or of a ComfyUI that is installed
    sys.path.insert(0, str(STAND_IN))
    try:
        importlib.import_module("folder_paths").BASE = str(base)  # type: ignore[attr-defined]
        module = _module()
        extension = asyncio.run(module.comfy_entrypoint())
        nodes = {node.define_schema().node_id: node for node in asyncio.run(extension.get_node_list())}
        yield Pack(base, nodes, importlib.import_module("comfy.cli_args").args, module)
    finally:
        sys.path.remove(str(STAND_IN))
        _taken_out()
        sys.modules.update(before)


def _taken_out() -> dict[str, Any]:
    """The modules of the stand-in and of the pack, which are imported anew afterwards."""
    names = [name for name in sys.modules if name.partition(".")[0] in PARTS or name.startswith(str(PACK))]
    return {name: sys.modules.pop(name) for name in names}


def _module() -> Any:
    """Import the folder in the way that ComfyUI imports custom nodes: its path is the name of the module."""
    name = str(PACK)
    spec = importlib.util.spec_from_file_location(name, PACK / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
