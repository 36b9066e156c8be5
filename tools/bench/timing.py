"""Seconds, the machine's rate of matrix products, and peak memory: what every measurement of speed shares."""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_STATUS = Path("/proc/self/status")


def seconds(action: Callable[[], object], repeat: int = 3) -> float:
    """Median time of an action."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def matmul_rate(device: str = "cpu") -> float:
    """Float32 GFLOP/s of a square matrix product in torch."""
    import torch

    side = 1024 if device == "cpu" else 8192
    a = torch.linspace(-1, 1, side * side, device=device).reshape(side, side)
    b = a.T.contiguous()

    def product() -> float:
        return float((a @ b)[0, 0])  # reading one number waits for a GPU

    product()
    return 2 * side**3 / seconds(product, 9) / 1e9


def peak_memory() -> float | None:
    """The most memory that this process has held, in MiB; None where the system does not say.

    On Linux getrusage's number starts with that of the process which started this one (it survives ``exec``), so the
    kernel's own high-water mark of this program is read instead.
    """
    if _STATUS.is_file():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
