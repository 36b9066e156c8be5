"""For tests that run code in a fresh interpreter: the type of the fixture ``fresh_python``, and code to hide torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import subprocess


class FreshPython(Protocol):
    """Run a snippet in a fresh interpreter, in a folder of its own, warnings as errors."""

    def __call__(self, code: str, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]: ...


WITHOUT_TORCH: Final = """
import importlib.abc, sys

class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "diffusers", "safetensors", "transformers", "imagequant"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Block())
"""
"""First lines of a program that is to run as if the packages for encoding and decoding were not installed."""

ONLY_FOR_READING: Final = """
import importlib.abc, sys

READERS = {"pillow_sdz", "PIL", "numpy", "construct", "onnxruntime"}

class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in READERS and top not in sys.stdlib_module_names and not top.startswith("__editable__"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Block())
"""
"""First lines of a program that is to run as if only the packages were installed that reading files needs."""
