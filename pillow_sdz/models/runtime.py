"""torch's device, number type and global state: chosen here, and restored to what the host program had set.

torch is imported within functions, so that its absence is an error only where it is needed.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
from typing import TYPE_CHECKING, Any, Final

from pillow_sdz.errors import SdzOptionError, needs_packages
from pillow_sdz.options import check_dtype

if TYPE_CHECKING:
    from collections.abc import Iterator

DTYPE_VARIABLE: Final = "PILLOW_SDZ_DTYPE"
"""Environment variable: the number type to decode in, one of `pillow_sdz.options.DTYPES`."""

PARALLEL_FROM: Final = 1 << 17
"""Elements from which torch runs an element-wise operation on several threads: its grain is 2**15."""

_forked = False


def _after_fork() -> None:
    """In a forked child: the parent's other threads do not exist here, and would never release the lock."""
    global _forked, _lock, _blocks
    _forked, _lock, _blocks = True, threading.Lock(), 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def require_torch() -> None:
    """Import torch and safetensors. diffusers is imported only for models that have networks of its classes.

    Raises:
        SdzDependencyError: one of them is missing or broken; the message says what to install.
    """
    with needs_packages("opening and saving pixels"):
        for package in ("torch", "safetensors"):
            importlib.import_module(package)


def choose(device: str | None, dtype: str | None) -> tuple[str, str]:
    """Check device and number type, and choose those that are None.

    Returns:
        (device, number type). The defaults are ``cuda``, ``mps`` or ``cpu``, the first that torch can use, and float32.

    Raises:
        SdzDependencyError: torch or safetensors is missing.
        SdzOptionError: torch cannot use the device, or the number type is not one of `pillow_sdz.options.DTYPES`.
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
    """The number type to decode in by default: that of $PILLOW_SDZ_DTYPE, or else the fastest for the device.

    CPUs with instructions for bfloat16 multiply it several times faster than float32; pixels then differ by one or two
    levels. Other CPUs, accelerators and all encoding use float32.

    Raises:
        SdzOptionError: the variable names no number type, or torch cannot use the device.
        SdzDependencyError: torch is missing.
    """
    if named := os.environ.get(DTYPE_VARIABLE):
        return check_dtype(named, DTYPE_VARIABLE)
    device, _ = choose(device, None)
    import torch

    if torch.device(device).type != "cpu":
        return "float32"
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # not in torch before 2.11
    return "bfloat16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "float32"


@contextlib.contextmanager
def isolated(*, gradients: bool = False) -> Iterator[None]:
    """Run torch code independently of the host program's settings, without gradients unless they are asked for.

    Default dtype and device, autocast, grad mode and the number of threads are restored on exit. A forked child uses
    one thread, because the parent's thread pool does not exist there, and torch would wait for it forever. The random
    state stays as it is; code that draws random numbers uses `drawing`. Threads wait for each other as in
    `_short_waits`.
    """
    import torch

    threads = torch.get_num_threads()
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.inference_mode(not gradients))
        stack.enter_context(torch.set_grad_enabled(gradients))
        for kind in ("cpu", "cuda", "mps"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        stack.enter_context(_default_dtype())
        try:
            if _forked:
                torch.set_num_threads(1)
            elif threads > 1:
                stack.enter_context(_short_waits())
            yield
        finally:
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)


@contextlib.contextmanager
def _short_waits() -> Iterator[None]:
    """Let OpenMP threads sleep soon when they wait for each other, so that other busy processes do not slow them down.

    By default GNU's OpenMP library, which torch's builds for Linux use, counts to 300,000 at every barrier before a
    thread sleeps. If another process has taken the processor of one thread, all others spend their time so. But the
    library counts to 100 only while there are more OpenMP threads than processors (its manual, GOMP_SPINCOUNT). Here a
    thread that has run a parallel loop, and so owns a team of OpenMP threads, waits until the block ends. Quiet
    machines compute as fast with it. With other OpenMP libraries it changes nothing.
    """
    import torch

    started, ended = threading.Event(), threading.Event()

    def own_a_team() -> None:
        try:
            torch.zeros(PARALLEL_FROM, device="cpu", dtype=torch.float32).add_(1)
        finally:
            started.set()
        ended.wait()

    thread = threading.Thread(target=own_a_team, name="pillow_sdz short waits", daemon=True)
    try:
        thread.start()
        started.wait()
        yield
    finally:
        ended.set()
        if thread.ident is not None:
            thread.join()


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """`isolated` for code that draws random numbers, such as the initial weights of networks.

    The random state is restored on exit. Threads of the host program that draw numbers meanwhile would get some of them
    twice, so this is for loading a model, not for each picture.
    """
    import torch

    with isolated(), torch.random.fork_rng(devices=[]):
        yield


_lock = threading.Lock()
_blocks = 0
"""How many blocks of `_default_dtype` are entered, in all threads."""
_host_dtype: Any = None
"""torch's default dtype before the first of them."""


@contextlib.contextmanager
def _default_dtype() -> Iterator[None]:
    """Make float32 torch's default dtype, which all threads share; restored when the last thread leaves its block."""
    global _blocks, _host_dtype
    import torch

    with _lock:
        if _blocks == 0:
            _host_dtype = torch.get_default_dtype()
            torch.set_default_dtype(torch.float32)
        _blocks += 1
    try:
        yield
    finally:
        with _lock:
            _blocks -= 1
            if _blocks == 0:
                torch.set_default_dtype(_host_dtype)
