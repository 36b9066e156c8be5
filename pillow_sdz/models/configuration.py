"""Configurations in diffusers' form (``config.json``, ``scheduler_config.json``): read, written, checked by field."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from pillow_sdz.errors import SdzModelError
from pillow_sdz.limits import is_whole
from pillow_sdz.models.manifest import CONFIG_FILES
from pillow_sdz.models.manifest_fields import REINSTALL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

CONFIG_NAME: Final = "config.json"
SCHEDULER_CONFIG_NAME: Final = "scheduler_config.json"

CLASS_KEY: Final = "_class_name"
"""The field that names the class of diffusers which a configuration is for."""

MAX_CONFIG_BYTES: Final = 1 << 20
"""Longest configuration or index of weights that is read; real ones have at most a few hundred kilobytes."""

MAX_WIDTH: Final = 4096
"""Most channels of a layer; the U-Net of Stable Diffusion has 1280."""

MAX_STAGES: Final = 7
"""Most resolutions of a network: six halvings are a factor of 64 pixels, the largest that a manifest allows."""


def read_config(path: Path, remedy: str = REINSTALL) -> dict[str, Any]:
    """The JSON object in ``path``; ``remedy`` is what errors tell the user to do.

    Raises:
        SdzModelError: the file is missing or holds something else.
    """
    try:
        with path.open("rb") as file:
            config = json.loads(file.read(MAX_CONFIG_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise SdzModelError(f"cannot read a configuration: {error}", file=str(path), remedy=remedy) from error
    if not isinstance(config, dict):
        raise SdzModelError("not a configuration", file=str(path), expected="a JSON object", remedy=remedy)
    return config


def write_config(path: Path, class_name: str, config: Mapping[str, object]) -> None:
    """Write ``config`` and the name of its class as sorted JSON."""
    path.write_text(json.dumps({CLASS_KEY: class_name, **config}, indent=2, sort_keys=True) + "\n")


def digest(config: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of a configuration as JSON with sorted keys and no spaces."""
    return hashlib.sha256(json.dumps(config, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def digests(folder: Path) -> dict[str, str]:
    """The digests of the configurations that the model in ``folder`` has, by name, for its manifest."""
    return {name: digest(read_config(folder / name)) for name in CONFIG_FILES if (folder / name).is_file()}


def own_fields(config: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """The fields of a ``config.json`` that describe the network: all but diffusers' notes, which start with ``_``.

    Raises:
        SdzModelError: a field is not among ``known``, so that its effect on the network is not known.
    """
    fields = {name: value for name, value in config.items() if not name.startswith("_")}
    for name in fields.keys() - set(known):
        raise wrong(name, fields[name], "no such field")
    return fields


def wrong(field: str, found: object, expected: str) -> SdzModelError:
    """The error for a field of a network's configuration."""
    return SdzModelError("this network is not supported", field=field, found=repr(found)[:80], expected=expected)


def whole(config: Mapping[str, object], field: str, low: int, high: int) -> int:
    """The value of a field that must be a whole number from ``low`` to ``high``.

    Raises:
        SdzModelError: it is not.
    """
    value = config[field]
    if not is_whole(value, low, high):
        raise wrong(field, value, f"a whole number from {low} to {high}")
    return value


def wholes(config: Mapping[str, object], field: str, low: int, high: int, counts: range) -> tuple[int, ...]:
    """The value of a field that must be a list of whole numbers from ``low`` to ``high``.

    Args:
        config: the configuration.
        field: which field of it.
        low, high: range of the numbers.
        counts: how many numbers there may be.

    Raises:
        SdzModelError: it is not.
    """
    value = config[field]
    if (
        not isinstance(value, list | tuple)
        or len(value) not in counts
        or not all(is_whole(item, low, high) for item in value)
    ):
        number = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        raise wrong(field, value, f"{number} whole numbers from {low} to {high}")
    return tuple(value)
