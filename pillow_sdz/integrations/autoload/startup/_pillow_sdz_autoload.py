"""Register the plugin pillow_sdz when a program imports PIL.Image. Until then this costs a fraction of a millisecond.

Python's start-up imports this module alone, so it needs nothing that is not loaded by then: no import of `typing`, nor
of pillow_sdz. `install` puts a finder into `sys.meta_path`, which lets the other finders search and acts after
PIL.Image has been executed. Then it removes itself.

Whoever imports PIL.ImageFile first, or imports both in two threads, runs PIL.Image while PIL.ImageFile is half
executed, and pillow_sdz needs both. So the plugin is registered when the later one of them is complete. A thread that
opens a picture in between waits: Pillow's own plugins need PIL.ImageFile, whose import lock is held until then.
"""

import sys
from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

NEEDED = ("PIL.Image", "PIL.ImageFile")
"""The modules that must be complete before pillow_sdz can be imported."""

DONE = "registered"

FILES = ("pillow_sdz.pth", "pillow_sdz.start", "_pillow_sdz_autoload.py")
"""What ``sdz-convert autoload enable`` writes."""

_complete = set()  # type: set[str]
"""Which of `NEEDED` have been executed, and `DONE` once the plugin has been imported."""


def install() -> None:
    """Wait for PIL.Image; where it has been imported already, register now. A second call does nothing."""
    if _complete or any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    if NEEDED[0] in sys.modules:
        _register()
    else:
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds the needed modules as the finders after it do, with a loader that tells when a module is complete."""

    def __init__(self) -> None:
        self._searching = set()  # type: set[int]

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        if name not in NEEDED or name in _complete:
            return None
        thread = get_ident()
        if thread in self._searching:  # another hook of this kind, which asks all finders
            return None
        self._searching.add(thread)
        try:
            spec = self._search(name, path, target)
        finally:
            self._searching.discard(thread)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
        return spec

    def _search(self, name: str, path: "Any", target: "Any") -> "ModuleSpec | None":
        finders = list(sys.meta_path)
        start = finders.index(self) + 1 if self in finders else 0
        for finder in finders[start:]:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find is not None else None
            if spec is not None:
                return spec  # type: ignore[no-any-return]
        return None


class _Loader:
    """The module's own loader, until the module is executed; then that takes its place again."""

    def __init__(self, loader: "Any") -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> "Any":
        if name == "_loader":  # while this object is copied or unpickled
            raise AttributeError(name)
        return getattr(self._loader, name)

    def create_module(self, spec: "ModuleSpec") -> "ModuleType | None":
        return self._loader.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: "ModuleType") -> None:
        for owner, attribute in ((module.__spec__, "loader"), (module, "__loader__")):
            if getattr(owner, attribute, None) is self:
                setattr(owner, attribute, self._loader)
        self._loader.exec_module(module)
        _after(module.__name__)


def _after(name: str) -> None:
    """One of the needed modules has been executed; its import lock is held."""
    _complete.add(name)
    if NEEDED[1] not in _complete:
        try:
            __import__(NEEDED[1])  # returns at once if this or another thread is in the middle of importing it
        except Exception:  # the program gets it when it opens a picture
            return
    if _complete.issuperset(NEEDED):
        _register()


def _register() -> None:
    """Remove the finder and import pillow_sdz, which registers the format. No error of that import stops the program.

    If pillow_sdz is being imported already, by this thread or another, that import registers it.
    """
    if DONE in _complete:
        return
    _complete.update((*NEEDED, DONE))
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]
    try:
        import pillow_sdz  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "pillow_sdz":  # where it was uninstalled, and in pip's isolated builds, there is nothing to do
            _warn(error)
    except Exception as error:
        _warn(error)


def _warn(error: Exception) -> None:
    import os
    import warnings

    folder = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib costs more than all the rest
    off = f"delete {', '.join(FILES)} in {folder}"
    if not os.path.exists(os.path.join(folder, FILES[0])):  # noqa: PTH110, PTH118
        off = "run the program without `python -m pillow_sdz`"
    message = (
        f".sdz files cannot be opened, because pillow_sdz cannot be imported ({type(error).__name__}: {error}); "
        f"install it again, or switch this off: `sdz-convert autoload disable`, or {off}"
    )
    try:
        warnings.warn(message, RuntimeWarning, stacklevel=2)
    except RuntimeWarning:  # warnings are errors in this program
        if sys.stderr is not None:
            print(f"RuntimeWarning: {message}", file=sys.stderr)
