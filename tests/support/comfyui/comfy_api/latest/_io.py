"""Schemas and nodes: what ``comfy_api.latest.io`` has, without the conversion to the format of the front end."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class FolderType(StrEnum):
    """Where a file is."""

    input = "input"
    output = "output"
    temp = "temp"


class Hidden(StrEnum):
    """What a node may ask for beside its inputs."""

    prompt = "PROMPT"
    extra_pnginfo = "EXTRA_PNGINFO"


class Input:
    """An input: its name, and what the front end is told about it."""

    def __init__(self, id: str, **options: Any) -> None:  # noqa: A002 - ComfyUI's name
        self.id = id
        self.options = options


class Output:
    """An output."""

    def __init__(self, id: str | None = None) -> None:  # noqa: A002 - ComfyUI's name
        self.id = id


class _Widget(Input):
    """An input with a widget; unknown options are errors, as in ComfyUI."""

    known: tuple[str, ...] = ()

    def __init__(self, id: str, **options: Any) -> None:  # noqa: A002 - ComfyUI's name
        unknown = set(options) - {"default", "tooltip", "optional", *self.known}
        if unknown:
            raise TypeError(f"unexpected keyword arguments: {sorted(unknown)}")
        super().__init__(id, **options)


class _Number(_Widget):
    known = ("min", "max", "step")


class _Combo(_Widget):
    known = ("options", "upload", "image_folder", "remote")


class Latent:
    """LATENT."""

    Input = Input
    Output = Output


class Image:
    """IMAGE."""

    Input = Input
    Output = Output


class Mask:
    """MASK."""

    Input = Input
    Output = Output


class String:
    """STRING."""

    Input = _Widget


class Boolean:
    """BOOLEAN."""

    Input = _Widget


class Int:
    """INT."""

    Input = _Number


class Combo:
    """COMBO."""

    Input = _Combo


@dataclass
class Schema:
    """What a node is."""

    node_id: str
    display_name: str | None = None
    category: str = "sd"
    description: str = ""
    inputs: list[Input] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    hidden: list[Hidden] = field(default_factory=list)
    is_output_node: bool = False

    def __post_init__(self) -> None:
        names = [each.id for each in self.inputs]
        if len(set(names)) != len(names):
            raise ValueError(f"Input ids must be unique, but {names} are not.")


@dataclass
class HiddenHolder:
    """The values of what a node asked for."""

    prompt: Any = None
    extra_pnginfo: Any = None


class NodeOutput:
    """The outputs of a node, and what the front end shows."""

    def __init__(self, *args: Any, ui: Any = None) -> None:
        self.args = args
        self.ui = ui


class ComfyNode:
    """Base of all nodes; ``hidden`` is set on a copy of the class that is made for each run."""

    hidden: HiddenHolder | None = None

    @classmethod
    def define_schema(cls) -> Schema:
        """What the node is."""
        raise NotImplementedError

    @classmethod
    def validate_inputs(cls, *args: Any, **kwargs: Any) -> bool | str:
        """True, or what is wrong."""
        raise NotImplementedError

    @classmethod
    def fingerprint_inputs(cls, *args: Any, **kwargs: Any) -> Any:
        """What changes when the node is to run again."""
        raise NotImplementedError

    @classmethod
    def execute(cls, *args: Any, **kwargs: Any) -> NodeOutput:
        """Run."""
        raise NotImplementedError
