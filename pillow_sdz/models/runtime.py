"""Device, number type and torch's global state: chosen here, and left as the host program had them."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Any

from pillow_sdz.errors import SdzDependencyError, SdzOptionError
from pillow_sdz.options import check_dtype

if TYPE_CHECKING:
    from collections.abc import Iterator

DTYPE_VARIABLE = "PILLOW_SDZ_DTYPE"
"""Environment variable: the number type to decode in."""

_forked = False


def _after_fork() -> None:
    """Another thread of the parent may have been at work: it does not exist here, and will not release its lock."""
    global _forked, _lock, _inside
    _forked, _lock, _inside = True, threading.Lock(), 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def require_torch() -> None:
    """Import torch and safetensors, or say what to install. Models of diffusers' classes import that on their own.

    Raises:
        SdzDependencyError: one of them is missing or broken.
    """
    for package in ("torch", "safetensors"):
        try:
            __import__(package)
        except ImportError as error:
            raise SdzDependencyError(
                f"opening and saving pixels needs {package}, which cannot be imported: {error}",
                remedy=f"pip install {package}",
            ) from error


def choose(device: str | None, dtype: str | None) -> tuple[str, str]:
    """Fill in what was left open and check the rest; returns (device, dtype).

    Raises:
        SdzDependencyError: torch or safetensors is missing.
        SdzOptionError: the device is not there, or the number type is not one of `settings.DTYPES`.
    """
    require_torch()
    import torch

    if device is None:
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise SdzOptionError(
            f"torch cannot use this device: {reason}", field="device", found=device, expected="cpu, cuda or mps"
        ) from error
    return device, check_dtype(dtype or "float32")


def decoding_dtype(device: str | None = None) -> str:
    """The number type to decode in unless one is asked for: what $PILLOW_SDZ_DTYPE says, else what the CPU is made for.

    A CPU that multiplies bfloat16 by itself does so several times faster than float32. Pixels then differ by one or two
    levels. Encoding stays in float32, and so does an accelerator.

    Raises:
        SdzOptionError: the variable names no number type, or the device is not there.
        SdzDependencyError: torch is missing.
    """
    if named := os.environ.get(DTYPE_VARIABLE):
        return check_dtype(named)
    device, _ = choose(device, None)
    import torch

    if torch.device(device).type != "cpu":
        return "float32"
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # torch before 2.11 has none
    return "bfloat16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "float32"


@contextlib.contextmanager
def isolated() -> Iterator[None]:
    """Run torch code without gradients, without what the host has set, and without leaving a trace in that.

    Default dtype and device, autocast, grad mode and the number of threads are what they were afterwards. In a forked
    child one thread is used: the thread pool of the parent does not exist there, and waiting for it would never end.
    The random state is shared by all threads and is not touched: nothing here draws from it but `drawing`.
    """
    import torch

    threads = torch.get_num_threads()
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        for kind in ("cpu", "cuda", "mps"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        stack.enter_context(_default_dtype())
        try:
            if _forked:
                torch.set_num_threads(1)
            yield
        finally:
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """As `isolated`, for code that draws random numbers, such as the making of networks whose weights then follow.

    The host's state is put back, which other threads of it that draw meanwhile would notice: not for each picture.
    """
    import torch

    with isolated(), torch.random.fork_rng(devices=[]):
        yield


_lock = threading.Lock()
_inside = 0
_before: Any = None


@contextlib.contextmanager
def _default_dtype() -> Iterator[None]:
    """float32 as the default of the process until the last of the threads in here leaves."""
    global _inside, _before
    import torch

    with _lock:
        if _inside == 0:
            _before = torch.get_default_dtype()
            torch.set_default_dtype(torch.float32)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                torch.set_default_dtype(_before)
