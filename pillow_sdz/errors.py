"""The errors and warnings of pillow_sdz.

All errors are `OSError`, the class that Pillow passes on to the user with its message. All messages have the same parts
in the same order: file, field, what is wrong, what was found, what was expected, what to do.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping


class SdzError(OSError):
    """Base of all errors of pillow_sdz.

    The message reads ``FILE: FIELD: PROBLEM (found X, expected Y); REMEDY``, without the parts that are None.
    The parts stay available as attributes of the same names.

    Args:
        problem: what is wrong; one clause, usually without a subject, which the field is.
        file: the name of the file or stream.
        field: the field, section or option concerned, as `spec/sdz.md` names it.
        found: the actual value.
        expected: the values that are allowed.
        remedy: what the user can do.

    >>> str(SdzError("is not allowed", file="cat.sdz", field="width", found=0, expected="1 to 65535"))
    'cat.sdz: width: is not allowed (found 0, expected 1 to 65535)'
    """

    def __init__(
        self,
        problem: str,
        *,
        file: str | None = None,
        field: str | None = None,
        found: object = None,
        expected: object = None,
        remedy: str | None = None,
    ) -> None:
        self.problem = problem
        self.file = file
        self.field = field
        self.found = found
        self.expected = expected
        self.remedy = remedy
        super().__init__(self._message())

    def _message(self) -> str:
        file = None if self.file is None else _printable(self.file)
        start = "".join(f"{part}: " for part in (file, self.field) if part is not None)
        details = [
            f"{word} {value}"
            for word, value in (("found", self.found), ("expected", self.expected))
            if value is not None
        ]
        middle = f" ({', '.join(details)})" if details else ""
        end = f"; {self.remedy}" if self.remedy is not None else ""
        return f"{start}{self.problem}{middle}{end}"

    def _parts(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("file", "field", "found", "expected", "remedy")}

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:
        # The default of OSError rebuilds from args alone: the message would become the problem, and the parts be lost.
        return _rebuild, (type(self), self.problem, self._parts()), self.__dict__

    def with_file(self, name: str) -> Self:
        """Return a copy of this error that names another file, with the same cause and traceback."""
        copy = type(self)(self.problem, **{**self._parts(), "file": name})
        copy.__cause__ = self.__cause__
        copy.__suppress_context__ = self.__suppress_context__
        return copy.with_traceback(self.__traceback__)


def _printable(name: str) -> str:
    r"""A file's name with control characters and undecodable bytes as escapes: messages go to terminals and logs.

    >>> print(_printable("caf\xe9\n.sdz"), _printable("\udcff"))
    café\n.sdz \udcff
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


def _rebuild(error_class: type[SdzError], problem: str, parts: dict[str, Any]) -> SdzError:
    return error_class(problem, **parts)


class SdzFormatError(SdzError):
    """The bytes are damaged, hostile or not an .sdz file."""


class SdzTruncatedError(SdzFormatError):
    """The file ends too early."""


class SdzVersionError(SdzError):
    """The file uses a value that is reserved in this version: it needs a newer pillow_sdz, or is damaged."""


class SdzLimitError(SdzError):
    """A size is beyond the limits of the format or of this implementation (`pillow_sdz.limits`)."""


class SdzModelError(SdzError):
    """The model is missing, damaged or not the one that the file names."""


class SdzDependencyError(SdzError):
    """A package needed for this step is not installed; the message says which."""


class SdzOptionError(SdzError, ValueError):
    """An option is unknown, out of its range or contradicts another."""


NEEDS_NEWER_VERSION: Final = "the file needs a newer pillow_sdz (or is damaged)"
"""The problem of every `SdzVersionError`: an unknown value may come from a newer format or from damage."""


@contextlib.contextmanager
def naming_file(file: str | os.PathLike[str] | None) -> Iterator[None]:
    """Add the name of a file to the errors that a block raises.

    Only the plugin and the command line know file names, so all other code raises errors without one. An error that
    names a file already keeps it: it was added closer to the fault.

    Args:
        file: the file or stream; None (as for bytes in memory) adds nothing.

    >>> with naming_file("cat.sdz"):
    ...     raise SdzFormatError("is not allowed", field="width")
    Traceback (most recent call last):
    ...
    pillow_sdz.errors.SdzFormatError: cat.sdz: width: is not allowed
    """
    try:
        yield
    except SdzError as error:
        if error.file is None and file is not None:
            error.file = str(file)
            error.args = (error._message(),)
        raise


PACKAGES: Final = (
    "torch", "diffusers", "safetensors", "imagequant", "transformers", "huggingface_hub", "scipy", "onnxruntime",
    "platformdirs", "click", "tqdm",
)  # fmt: skip
"""Packages that are imported on first use only: pillow_sdz must be importable without them, and quickly."""


@contextlib.contextmanager
def needs_packages(step: str, install: str | None = None) -> Iterator[None]:
    """Turn a failed import of one of `PACKAGES` within the block into an error that says what to install.

    Args:
        step: the task that needs the package; the message starts with it.
        install: the argument of ``pip install``; None for the name of the package.

    Raises:
        SdzDependencyError: one of the packages is missing or cannot be imported.

    >>> with needs_packages("decoding"):
    ...     raise ModuleNotFoundError("No module named 'torch'", name="torch")
    Traceback (most recent call last):
    ...
    pillow_sdz.errors.SdzDependencyError: decoding needs torch (No module named 'torch'); pip install torch
    """
    try:
        yield
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package not in PACKAGES:
            raise
        problem = f"{step} needs {package} ({error})"
        raise SdzDependencyError(problem, remedy=f"pip install {install or package}") from error


def require_installed(step: str, packages: Mapping[str, str], install: str) -> None:
    """Check that packages are installed, without importing them.

    Args:
        step: the task that needs the packages; the message starts with it.
        packages: name of the module -> name of the package.
        install: the command that installs all of them.

    Raises:
        SdzDependencyError: some are missing; the message names all of these.
    """
    missing = [package for module, package in packages.items() if not is_installed(module)]
    if missing:
        raise SdzDependencyError(f"{step} needs {', '.join(missing)}", remedy=install)


def is_installed(module: str) -> bool:
    """Whether a module is there to be imported; it is not imported."""
    try:
        return find_spec(module) is not None
    except (ValueError, ImportError):  # a blocked import leaves None in sys.modules, or raises its own error
        return False


_INTERNAL_PACKAGES: Final = ("pillow_sdz", "PIL")
"""Frames of these packages are skipped to find the line that a warning is about."""


def notice(message: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning for the line of the user's code: the innermost frame outside pillow_sdz and Pillow.

    (``warnings.warn(skip_file_prefixes=...)`` does the same from Python 3.12 on.)
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _INTERNAL_PACKAGES:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def warn_of_old_name(old: str, new: str) -> None:
    """Issue a DeprecationWarning for the use of an old name, at the line that uses it."""
    notice(f"{old} is deprecated: it is called {new} now", DeprecationWarning)
