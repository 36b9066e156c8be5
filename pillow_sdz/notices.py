"""Warnings that point at the line of the program that caused them, not at ours or Pillow's."""

from __future__ import annotations

import sys
import warnings
from typing import Final

_INSIDE: Final = ("pillow_sdz", "PIL")


def notice(message: str) -> None:
    """Give a UserWarning at the innermost call from outside of this package and Pillow.

    (``warnings.warn(skip_file_prefixes=...)`` does this from Python 3.12 on.)
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _INSIDE:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, UserWarning, stacklevel=level)
