"""Checks of the fields of a model's manifest; the errors name the field, and not yet the file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from pillow_sdz.errors import SdzModelError
from pillow_sdz.limits import is_real, is_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

REINSTALL: Final = "install the model again"
"""The remedy for damaged files of a model that no known command can restore."""


def whole_field(fields: Mapping[str, Any], name: str, low: int, high: int) -> int:
    """The value of a field that must be a whole number from ``low`` to ``high``.

    Raises:
        SdzModelError: it is not.
    """
    value = fields.get(name)
    if not is_whole(value, low, high):
        raise wrong_field(name, value, f"a whole number from {low} to {high}")
    return value


def real_field(fields: Mapping[str, Any], name: str, low: float, high: float) -> float:
    """The value of a field that must be a number from ``low`` to ``high``.

    Raises:
        SdzModelError: it is not.
    """
    value = fields.get(name)
    if not is_real(value, low, high):
        raise wrong_field(name, value, f"a number from {low} to {high}")
    return float(value)


def is_digest(value: object) -> TypeGuard[str]:
    """Whether this is a SHA-256 in hex."""
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def digest_field(fields: Mapping[str, Any], name: str) -> str | None:
    """The value of a field that must be a SHA-256 in hex, or null, or missing.

    Raises:
        SdzModelError: it is something else.
    """
    value = fields.get(name)
    if value is not None and not is_digest(value):
        raise wrong_field(name, value, "null or 64 hexadecimal digits")
    return value


def wrong_field(field: str, found: object, expected: str) -> SdzModelError:
    """The error for a field of a manifest."""
    return SdzModelError("wrong field", field=field, found=repr(found)[:80], expected=expected, remedy=REINSTALL)
