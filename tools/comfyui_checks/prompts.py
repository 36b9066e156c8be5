"""Prompts for the server: what the front end sends, a node by its number."""

from __future__ import annotations

from typing import Any

Prompt = dict[str, dict[str, Any]]

CONTROLLED = ("seed", "noise_seed")
"""Inputs after whose value the front end stores what happens to it after each run."""

REPLACED = {"CheckpointLoaderSimple": "CheckNetworks", "CLIPTextEncode": "CheckPrompt"}
"""Nodes of the examples that need a checkpoint, and the nodes of `networks.py` that take their places."""


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    """A node; an input is a value, or ``[number of the other node, number of its output]``."""
    return {"class_type": class_type, "inputs": inputs}


def of_workflow(workflow: dict[str, Any], known: dict[str, Any]) -> Prompt:
    """The prompt of a workflow as the front end saves it, with the nodes that need a checkpoint `REPLACED`.

    Args:
        workflow: the JSON of an example.
        known: ``/object_info`` of the server: the inputs of each node, in the order of their widgets.
    """
    links = {number: [str(origin), slot] for number, origin, slot, _, _, _ in workflow["links"]}
    prompt: Prompt = {}
    for each in workflow["nodes"]:
        if each["type"] == "Note":
            continue
        connected = {slot["name"]: links[slot["link"]] for slot in each["inputs"] if slot.get("link") is not None}
        values = list(each.get("widgets_values", []))
        inputs: dict[str, Any] = dict(connected)
        specification = known[each["type"]]["input"]
        for name, (kind, *_) in {**specification.get("required", {}), **specification.get("optional", {})}.items():
            if name in connected or not (isinstance(kind, list) or kind in _WIDGETS):
                continue
            inputs[name] = values.pop(0)
            if name in CONTROLLED or (each["type"] == "LoadImage" and name == "image"):
                values.pop(0)  # what happens to a seed; the upload button
        if values:
            raise SystemExit(f"{each['type']}: more values than widgets: {values}")
        replaced = REPLACED.get(each["type"])
        if replaced == "CheckNetworks":
            inputs = {}
        prompt[str(each["id"])] = node(replaced or each["type"], **inputs)
    return prompt


_WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
