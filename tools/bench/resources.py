"""Time and memory of an action, in this process or in a fresh one, and the speed of this computer's matrix products.

As a script it encodes or decodes one file, does nothing else, and prints its peak memory in MiB (`peak_memory_of` runs
it):

    python tools/bench/resources.py encode FORMAT OPTIONS_JSON PICTURE
    python tools/bench/resources.py decode FORMAT {} FILE

FORMAT is Pillow's name of a format. PICTURE is read first, in any format that Pillow knows.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

from pillow_sdz.evaluation.codecs import decoded, register, saved

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

    from pillow_sdz.evaluation.codecs import Codec

_STATUS: Final = Path("/proc/self/status")

MATRIX_SIDE: Final = 1024
MATRIX_SIDE_GPU: Final = 8192
"""Sides of the matrices that `matmul_rate` multiplies: about 10 ms on a CPU, and enough work to fill a GPU."""


def seconds(action: Callable[[], object], repeat: int = 3) -> float:
    """Median wall-clock time of ``repeat`` runs of an action, in seconds."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def matmul_rate(device: str = "cpu") -> float:
    """Speed of a float32 product of two square matrices in torch, in GFLOP/s."""
    import torch

    side = MATRIX_SIDE if device == "cpu" else MATRIX_SIDE_GPU
    a = torch.linspace(-1, 1, side * side, device=device).reshape(side, side)
    b = a.T.contiguous()

    def product() -> float:
        return float((a @ b)[0, 0])  # reading one number waits until a GPU is done

    product()
    return 2 * side**3 / seconds(product, 9) / 1e9


def peak_memory() -> float | None:
    """Peak memory of this process so far, in MiB; None where the system does not tell.

    On Linux getrusage's peak includes that of the process that started this one (it survives ``exec``), so the kernel's
    high-water mark of this program is read instead.
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


def base_peak_memory(image: Image.Image) -> float | None:
    """Peak memory of a fresh process with Python, Pillow and the picture alone, in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "picture.ppm"
        image.save(picture)
        return _run("decode", "PPM", "{}", str(picture))


def peak_memory_of(codec: Codec, image: Image.Image, quality: int) -> dict[str, float | None]:
    """Peak memory of encoding and of decoding a picture, each in a fresh process, in MiB.

    Returns:
        ``encode`` and ``decode`` -> MiB.
    """
    with tempfile.TemporaryDirectory() as folder:
        picture, file = Path(folder) / "picture.ppm", Path(folder) / "file"
        image.save(picture)
        file.write_bytes(codec.encode(image, quality))
        options = json.dumps({"quality": quality, **codec.options})
        return {
            "encode": _run("encode", codec.pillow_name, options, str(picture)),
            "decode": _run("decode", codec.pillow_name, "{}", str(file)),
        }


def _run(*arguments: str) -> float | None:
    process = subprocess.run([sys.executable, __file__, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    peak: float | None = json.loads(process.stdout)
    return peak


def main(action: str, pillow_name: str, options: str, path: str) -> None:
    """Do one action in this process, and print its peak memory in MiB as JSON."""
    register(pillow_name)
    data = Path(path).read_bytes()
    if action == "encode":
        saved(decoded(data), pillow_name, **json.loads(options))
    else:
        decoded(data)
    print(json.dumps(peak_memory()))


if __name__ == "__main__":
    main(*sys.argv[1:])
