"""Every failure of pillow_sdz, from the first byte after the magic to a missing model.

All of them are `OSError`, the one class that Pillow passes on to the user with its text, and all of them say the
same things in the same order: which file, which field, what is wrong, what was found, what was expected, what to do.
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
        problem: what is wrong, one clause.
        file: the name of the file or stream.
        field: the field, section or option concerned, as `spec/sdz.md` names it.
        found: what was there.
        expected: what should have been there.
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
        start = "".join(f"{part}: " for part in (self.file, self.field) if part is not None)
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
        # OSError would rebuild from args alone: the message would become the problem and the parts would be lost.
        return _rebuild, (type(self), self.problem, self._parts()), self.__dict__

    def with_file(self, name: str) -> Self:
        """Return a copy of this error that names another file, with the same cause and traceback."""
        copy = type(self)(self.problem, **{**self._parts(), "file": name})
        copy.__cause__ = self.__cause__
        copy.__suppress_context__ = self.__suppress_context__
        return copy.with_traceback(self.__traceback__)


def _rebuild(kind: type[SdzError], problem: str, parts: dict[str, Any]) -> SdzError:
    return kind(problem, **parts)


class SdzFormatError(SdzError):
    """The bytes are damaged, hostile or not an .sdz file."""


class SdzTruncatedError(SdzFormatError):
    """The file ends too early."""


class SdzVersionError(SdzError):
    """The file uses something that this version does not know: it needs a newer pillow_sdz."""


class SdzLimitError(SdzError):
    """A size is beyond the limits of the format or of this implementation (`pillow_sdz.limits`)."""


class SdzModelError(SdzError):
    """The model is missing, damaged or not the one that the file names."""


class SdzDependencyError(SdzError):
    """A package needed for this step is not installed; the message says which."""


class SdzOptionError(SdzError, ValueError):
    """An option is unknown, out of its range or contradicts another."""


NEWER: Final = "the file needs a newer pillow_sdz (or is damaged)"
"""The problem of every `SdzVersionError`: what is not known here may be new, or no longer what was written."""


@contextlib.contextmanager
def naming(file: str | os.PathLike[str] | None) -> Iterator[None]:
    """Give the errors of a block the name of the file that is being worked on.

    Code below the plugin and the command line does not know file names: its errors leave as they are raised, and get
    the name here. An error that names a file already keeps it: that one is nearer to the fault.

    Args:
        file: the file or stream; None (bytes in memory) adds nothing.

    >>> with naming("cat.sdz"):
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


PACKAGES: Final = ("torch", "diffusers", "safetensors", "imagequant", "transformers", "huggingface_hub", "scipy")
"""Packages that are imported only where they are needed: importing this one must be fast, and possible without them."""


@contextlib.contextmanager
def needs_packages(step: str, install: str | None = None) -> Iterator[None]:
    """Turn a failed import of one of `PACKAGES` within the block into an error that says what to install.

    Args:
        step: what cannot be done without it, as the start of the message.
        install: what to give to ``pip install``; None is the package itself.

    Raises:
        SdzDependencyError: a package is missing or cannot be imported.

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
        step: what cannot be done without them, as the start of the message.
        packages: module -> package.
        install: the command that installs them.

    Raises:
        SdzDependencyError: some are not; the message names all of these.
    """
    missing = [package for module, package in packages.items() if not _is_installed(module)]
    if missing:
        raise SdzDependencyError(f"{step} needs {', '.join(missing)}", remedy=install)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:  # a blocked import leaves None in sys.modules, or a module without a specification
        return False


_INSIDE: Final = ("pillow_sdz", "PIL")


def notice(message: str, category: type[Warning] = UserWarning) -> None:
    """Give a warning at the innermost call from outside of this package and Pillow.

    (``warnings.warn(skip_file_prefixes=...)`` does this from Python 3.12 on.)
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _INSIDE:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def warn_of_old_name(old: str, new: str) -> None:
    """Give a DeprecationWarning for the old name of something, at the line that uses it."""
    notice(f"{old} is deprecated: it is called {new} now", DeprecationWarning)
