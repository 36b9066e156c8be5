"""``config.json`` of a network: read and written with diffusers' names, and checked field by field."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models.manifest import CONFIG_FILES, REINSTALL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

CONFIG_NAME = "config.json"
CLASS_KEY = "_class_name"
MAX_CONFIG_BYTES = 1 << 20


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
    """SHA-256, in hex, of a configuration with sorted keys and no spaces."""
    return hashlib.sha256(json.dumps(config, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def digests(folder: Path) -> dict[str, str]:
    """The digests of the configurations that the model in ``folder`` has, by name, for its manifest."""
    return {name: digest(read_config(folder / name)) for name in CONFIG_FILES if (folder / name).is_file()}


def own_fields(config: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """The fields of a ``config.json`` that say how to build the network: all but diffusers' notes (``_name``).

    Raises:
        SdzModelError: a field is not among ``known``; it may change the network in a way that we cannot guess.
    """
    fields = {name: value for name, value in config.items() if not name.startswith("_")}
    for name in fields.keys() - set(known):
        raise wrong(name, fields[name], "no such field")
    return fields


def wrong(field: str, found: object, expected: str) -> SdzModelError:
    """The error for a field of a network's configuration."""
    return SdzModelError("this network is not supported", field=field, found=repr(found)[:80], expected=expected)


def whole(config: Mapping[str, object], field: str, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, or SdzModelError."""
    value = config[field]
    if not _within(value, low, high):
        raise wrong(field, value, f"a whole number from {low} to {high}")
    return int(value)  # type: ignore[call-overload, no-any-return]


def wholes(config: Mapping[str, object], field: str, low: int, high: int, counts: range) -> tuple[int, ...]:
    """As many whole numbers from ``low`` to ``high`` as ``counts`` allows, or SdzModelError."""
    value = config[field]
    if (
        not isinstance(value, (list, tuple))
        or len(value) not in counts
        or not all(_within(item, low, high) for item in value)
    ):
        number = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        raise wrong(field, value, f"{number} whole numbers from {low} to {high}")
    return tuple(value)


def _within(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
