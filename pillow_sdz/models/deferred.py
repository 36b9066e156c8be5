"""diffusers without transformers: decoding has no use for it, and importing it takes longer than importing torch.

Where transformers is installed, diffusers' network classes import two of its classes, for training adapters and for
other models' image processors. While a module of diffusers is imported here, stand-ins take their place, which become
the real classes when anything is asked of them; a program that goes on to use diffusers' pipelines finds no difference.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "transformers"
_lock = threading.RLock()


class _Deferred(type):
    """Metaclass of a class that stands for ``transformers.NAME`` without importing it."""

    def _real(cls) -> Any:
        return getattr(importlib.import_module(NAME), cls.__name__)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):  # asked by machinery such as inspect, not by users of the class
            raise AttributeError(name)
        return getattr(cls._real(), name)

    def __call__(cls, *arguments: Any, **keywords: Any) -> Any:
        return cls._real()(*arguments, **keywords)

    def __instancecheck__(cls, instance: object) -> bool:
        return NAME in sys.modules and isinstance(instance, cls._real())  # not imported: there are no instances

    def __subclasscheck__(cls, subclass: type) -> bool:
        return NAME in sys.modules and issubclass(subclass, cls._real())


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Deferred(name, (), {"__module__": NAME})


@contextlib.contextmanager
def deferred_transformers() -> Iterator[None]:
    """Within the block, ``from transformers import X`` gives a stand-in, unless transformers is there already."""
    with _lock:
        if NAME in sys.modules:
            yield
            return
        module = _StandIn(NAME)
        module.__spec__ = ModuleSpec(NAME, None)
        sys.modules[NAME] = module
        try:
            yield
        finally:
            if sys.modules.get(NAME) is module:
                del sys.modules[NAME]


def diffusers_class(module: str, name: str) -> Any:
    """The class ``name`` of ``diffusers.MODULE``, imported without transformers.

    Raises:
        ImportError: diffusers, or something that this module of it needs, is missing.
    """
    with deferred_transformers():
        return getattr(importlib.import_module(f"diffusers.{module}"), name)
