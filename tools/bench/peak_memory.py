"""Encode or decode one file in this process, which does nothing else, and print the most memory it held, in MiB.

    python tools/bench/peak_memory.py encode FORM OPTIONS_JSON PICTURE
    python tools/bench/peak_memory.py decode FORM {} FILE

FORM is Pillow's name of a format. PICTURE is read first, in any format that Pillow knows. `measure` starts such a process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pillow_sdz.evaluation.codecs import decoded, register, saved
from timing import peak_memory

if TYPE_CHECKING:
    from PIL import Image

    from pillow_sdz.evaluation.codecs import Format


def base(image: Image.Image) -> float | None:
    """Peak MiB of Python, Pillow and the picture alone."""
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "picture.ppm"
        image.save(picture)
        return _run("decode", "PPM", "{}", str(picture))


def measure(form: Format, image: Image.Image, quality: int) -> dict[str, float | None]:
    """Peak MiB of encoding and of decoding a picture, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        picture, file = Path(folder) / "picture.ppm", Path(folder) / "file"
        image.save(picture)
        file.write_bytes(form.encode(image, quality))
        options = json.dumps({"quality": quality, **form.options})
        return {
            "encode": _run("encode", form.form, options, str(picture)),
            "decode": _run("decode", form.form, "{}", str(file)),
        }


def _run(*arguments: str) -> float | None:
    process = subprocess.run([sys.executable, __file__, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    peak: float | None = json.loads(process.stdout)
    return peak


def main(action: str, form: str, options: str, path: str) -> None:
    register(form)
    data = Path(path).read_bytes()
    if action == "encode":
        saved(decoded(data), form, **json.loads(options))
    else:
        decoded(data)
    print(json.dumps(peak_memory()))


if __name__ == "__main__":
    main(*sys.argv[1:])
