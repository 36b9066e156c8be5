"""How the result of a case is pinned: as digests of the bytes and of the inflated data, or as the text of a failure."""

from __future__ import annotations

import hashlib
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Written:
    """The result of one case.

    Attributes:
        data: the bytes.
        plain: the same with its DEFLATE streams inflated (see `guard.file_bytes`); None if it has no such streams.
        notices: the texts of the warnings that were issued.
    """

    data: bytes
    plain: bytes | None = None
    notices: tuple[str, ...] = ()

    def entry(self) -> dict[str, Any]:
        """The entry in the file of pins."""
        entry: dict[str, Any] = {"bytes": len(self.data), "sha256": hashlib.sha256(self.data).hexdigest()}
        if self.plain is not None:
            entry["plain"] = short(self.plain)
        if self.notices:
            entry["notices"] = list(self.notices)
        return entry


def short(data: bytes) -> str:
    """The first half of the SHA-256 in hex, for values that are pinned beside the main digest."""
    return hashlib.sha256(data).hexdigest()[:32]


def told(error: Exception) -> str:
    """Class and message of an exception, without the memory addresses of objects."""
    return re.sub(r" at 0x[0-9a-f]+", "", f"{type(error).__name__}: {error}")


def said(action: Callable[[], str]) -> str:
    """The text that an action returns, or the class and message of its exception, followed by its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = action()
        except Exception as error:
            result = told(error)
    return "; ".join([result, *(f"warns: {each.message}" for each in caught)])
