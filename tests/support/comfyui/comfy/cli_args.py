"""The options that ComfyUI was started with, as far as the node pack reads them."""

from __future__ import annotations

from types import SimpleNamespace

args = SimpleNamespace(disable_metadata=False)
