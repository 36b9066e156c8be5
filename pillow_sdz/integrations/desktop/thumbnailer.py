"""The program ``sdz-thumbnailer``, which file managers run: a PNG of at most SIZE x SIZE pixels for a file.

On failure it writes nothing but one line on standard error, and exits with another code than 0.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from pillow_sdz.codec.file import SdzFile, read, read_all
from pillow_sdz.errors import SdzOptionError, naming_file
from pillow_sdz.integrations.desktop.png import png_of
from pillow_sdz.integrations.desktop.thumbnail import thumbnail
from pillow_sdz.integrations.desktop.uris import path_of
from pillow_sdz.plugin.atomic_file import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

LARGEST: Final = 2048
"""Largest thumbnail in pixels; file managers ask for 128 to 1024. The largest take some hundred megabytes of memory."""

FAILED: Final = 1
"""The exit code of failures; that of wrong usage is 2."""


def main(args: Sequence[str] | None = None, *, with_models: bool = True) -> NoReturn:
    """Run the program.

    Args:
        args: the arguments after the program's name; None takes those of this process.
        with_models: whether pictures are decoded in full where no preview is large enough. It needs torch or ONNX
            Runtime; where they are missing or fail, the preview is enlarged.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as sdz-convert
    options = _parser().parse_args(args)
    try:
        source = _run(options.input, Path(options.output), options.size, with_models=with_models)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # file managers show no tracebacks; all that is foreseen is an OSError
        foreseen = isinstance(error, OSError | MemoryError)
        _complain(str(error) or "out of memory" if foreseen else f"{options.input}: {error!r}")
        sys.exit(FAILED)
    if options.verbose:
        print(f"{options.output}: made from {source}", file=sys.stderr)
    sys.exit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sdz-thumbnailer",
        description="Write a PNG thumbnail of an .sdz file. It comes from the file's preview where that is large "
        "enough, else from the picture, if torch or ONNX Runtime can decode it, else from the preview, enlarged.",
    )
    parser.add_argument(
        "-s", "--size", type=_size, default=128, metavar="SIZE",
        help=f"longest side in pixels, 1 to {LARGEST}, by default 128; smaller pictures keep their size",
    )  # fmt: skip
    parser.add_argument("-v", "--verbose", action="store_true", help="say what the thumbnail was made from")
    parser.add_argument("input", metavar="INPUT", help="the .sdz file: a path or a file: URI")
    parser.add_argument("output", metavar="OUTPUT", help="the PNG to write")
    return parser


def _size(text: str) -> int:
    """The value of ``--size``."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 1 <= int(text) <= LARGEST):
        raise argparse.ArgumentTypeError(f"not a whole number from 1 to {LARGEST}: {text[:40]!r}")
    return int(text)


def _complain(message: str) -> None:
    """Print one line on standard error."""
    line = " ".join(message.splitlines())
    with contextlib.suppress(OSError):
        print("sdz-thumbnailer: " + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line), file=sys.stderr)


def _run(name: str, output: Path, size: int, *, with_models: bool) -> str:
    """Make and write the thumbnail; returns what it was made from, in words."""
    path = path_of(name)
    with naming_file(path):
        made = thumbnail(_read(path, output), size, _decode_fully if with_models else None)
    _write(output, png_of(made.pixels, made.profile))
    return made.source


def _read(path: Path, output: Path) -> SdzFile:
    """Read the structure of a file.

    Raises:
        OSError: it cannot be read, is no regular file (which might never end), is the output, or is damaged.
    """
    waits_not = getattr(os, "O_NONBLOCK", 0)  # for the writer of a pipe
    descriptor = os.open(path, os.O_RDONLY | waits_not | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor, not a path
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise SdzOptionError("is not a regular file", field="INPUT")
        if output.exists() and os.path.samestat(status, output.stat()):
            raise SdzOptionError("is the file to read", field="OUTPUT")
        return read(read_all(stream))


def _decode_fully(file: SdzFile) -> NDArray[np.uint8]:
    """Decode the whole picture; a U-Net takes one step at most, since little of what it does shows in a thumbnail."""
    from pillow_sdz.codec.decode import decode
    from pillow_sdz.options import DecodeSettings

    return decode(file, DecodeSettings(denoise_steps=min(1, file.header.denoise_steps))).rgb


def _write(output: Path, data: bytes) -> None:
    """Write a file whole or not at all, replacing what is there; it keeps its permissions.

    An empty file, a device or a pipe is written into: Xfce's tumbler makes the file, and reads what it has open.

    Raises:
        OSError: it cannot be written.
    """
    try:
        status: os.stat_result | None = output.stat()
    except FileNotFoundError:
        status = None
    if status is not None and not (stat.S_ISREG(status.st_mode) and status.st_size):
        _write_into(output, data)
        return
    write_atomically(output, data, None if status is None else stat.S_IMODE(status.st_mode) & 0o777)


def _write_into(output: Path, data: bytes) -> None:
    """Write into what is there; a file is empty again if that fails."""
    with output.open("wb", buffering=0) as stream:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[stream.write(rest) :]
        except BaseException:
            with contextlib.suppress(OSError):
                stream.truncate(0)
            raise


if __name__ == "__main__":
    main()
