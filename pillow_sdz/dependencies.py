"""Packages that only encoding and decoding need: their absence is said where it matters, not when importing us."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from pillow_sdz.errors import SdzDependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES: Final = ("torch", "diffusers", "safetensors", "imagequant")


@contextlib.contextmanager
def needs_model_packages(step: str, file: str | None) -> Iterator[None]:
    """Turn a failed import of one of `PACKAGES` within the block into an error that says what to install.

    Args:
        step: what cannot be done without it, as the start of the message.
        file: name for the error message.

    Raises:
        SdzDependencyError: a package is missing or cannot be imported.

    >>> with needs_model_packages("decoding", "cat.sdz"):
    ...     raise ModuleNotFoundError("No module named 'torch'", name="torch")
    Traceback (most recent call last):
    ...
    pillow_sdz.errors.SdzDependencyError: cat.sdz: decoding needs torch (No module named 'torch'); pip install torch
    """
    try:
        yield
    except SdzDependencyError as error:
        if error.file is None and file is not None:
            raise error.with_file(file) from error
        raise
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package not in PACKAGES:
            raise
        problem = f"{step} needs {package} ({error})"
        raise SdzDependencyError(problem, file=file, remedy=f"pip install {package}") from error
