"""Which runtime decodes a picture: torch, or ONNX Runtime.

torch decodes faster, on many processors in bfloat16 twice as fast, but its import takes longer than what ONNX Runtime
loses on the first megapixels. So a process that has not imported torch starts with ONNX Runtime, where it is
installed and the model has graphs, and goes over to torch after `FIRST_PIXELS`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from pillow_sdz.errors import SdzDependencyError, SdzError, SdzModelError, SdzOptionError, is_installed
from pillow_sdz.models.fork_lock import ForkLock
from pillow_sdz.models.graph_files import DECODER_GRAPH, UNET_GRAPH
from pillow_sdz.models.runtime import DTYPE_VARIABLE
from pillow_sdz.options import check_runtime

if TYPE_CHECKING:
    from pillow_sdz.models.manifest import Manifest
    from pillow_sdz.options import DecodeSettings

RUNTIME_VARIABLE: Final = "PILLOW_SDZ_RUNTIME"
"""Environment variable: the runtime to decode with, one of `pillow_sdz.options.RUNTIMES`."""

FIRST_PIXELS: Final = 1_500_000
"""Pixels that a process decodes before it imports torch: where both ways have taken the same time. The import takes
1.4 s, and ONNX Runtime 0.9 s longer per megapixel than torch in bfloat16 (`tools/bench/bench_cold_start.py`)."""

INSTALL_ONNX: Final = "pip install onnxruntime"

_lock = ForkLock()

_decoded = 0
"""Pixels that ONNX Runtime was chosen for, though torch is installed."""


def choose_runtime(manifest: Manifest, settings: DecodeSettings, pixels: int) -> str:
    """The runtime that decodes a picture.

    Args:
        manifest: of its model.
        settings: ``runtime``, or else $PILLOW_SDZ_RUNTIME, decides if it is set.
        pixels: how many the picture has; they count as decoded.

    Returns:
        ``torch`` or ``onnx``, one of `pillow_sdz.options.RUNTIMES`.

    Raises:
        SdzError: ONNX Runtime was asked for and cannot decode this; or neither is installed.
    """
    asked = settings.runtime or os.environ.get(RUNTIME_VARIABLE) or None
    if asked is not None and check_runtime(asked, "runtime" if settings.runtime else RUNTIME_VARIABLE) == "torch":
        return "torch"
    obstacle = _obstacle(manifest, settings)
    if asked is not None:
        if obstacle is not None:
            raise obstacle
        return "onnx"
    if sys.modules.get("torch") is not None:
        return "torch"
    if is_installed("torch"):
        return "onnx" if obstacle is None and _is_among_the_first(pixels) else "torch"
    if isinstance(obstacle, SdzDependencyError):
        problem = "decoding the pixels needs torch or onnxruntime, and neither is installed"
        raise SdzDependencyError(problem, remedy=f"pip install torch, or {INSTALL_ONNX}, which is smaller")
    return "torch" if obstacle is not None else "onnx"  # torch is missing, and the error will say so


def _is_among_the_first(pixels: int) -> bool:
    """Whether a picture is within `FIRST_PIXELS`; if it is, its pixels count."""
    global _decoded
    with _lock():
        if _decoded + pixels > FIRST_PIXELS:
            return False
        _decoded += pixels
        return True


def _obstacle(manifest: Manifest, settings: DecodeSettings) -> SdzError | None:
    """Why ONNX Runtime cannot decode with this model and these settings; None if it can."""
    remedy = "leave it out, or set runtime='torch'"
    if settings.device not in (None, "cpu"):
        return SdzOptionError(
            "ONNX Runtime computes on the CPU only", field="device", found=settings.device, remedy=remedy
        )
    dtype = settings.dtype or os.environ.get(DTYPE_VARIABLE)
    if dtype not in (None, "", "float32"):
        return SdzOptionError("ONNX Runtime computes in float32 only", field="dtype", found=dtype, remedy=remedy)
    needed = {DECODER_GRAPH, UNET_GRAPH} if (manifest.folder / "unet").is_dir() else {DECODER_GRAPH}
    if not needed <= {name for name, _ in manifest.graphs}:
        problem = f"ONNX Runtime cannot run model {manifest.full_name}, which has no graphs"
        return SdzModelError(problem, field="runtime", remedy="set runtime='torch'")
    if not is_installed("onnxruntime"):
        return SdzDependencyError("runtime onnx needs onnxruntime, which is not installed", remedy=INSTALL_ONNX)
    return None
