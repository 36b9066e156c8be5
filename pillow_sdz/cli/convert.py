"""One conversion: open the input, check it, encode in memory, write the output."""

from __future__ import annotations

import io
import os
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from PIL import Image, ImageFile, UnidentifiedImageError

from pillow_sdz import limits, options
from pillow_sdz.cli import file_types, metadata_transfer
from pillow_sdz.cli.outputs import Outputs, write_stream
from pillow_sdz.models.progress import listener

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pillow_sdz.cli.jobs import Job
    from pillow_sdz.cli.settings import Settings
    from pillow_sdz.cli.sources import Source

BAR_DELAY: Final = 1.0
"""Seconds of an activity after which its progress is shown."""

PREVIEW_PARTS: Final = (8, 16, 32, 64)
"""--preview gives the picture at 1/8 of its width and height. A model with a coarser latent has no preview of that
size; then it is the largest one that there is."""

_NO_ALPHA = frozenset({"JPEG", "MPO", "PCX", "PPM"})  # Pillow's PPM saver drops alpha silently, the others refuse it


class ConversionError(Exception):
    """A file cannot be converted; the message says why, and is shown as it is."""


@dataclass
class Result:
    """The result of one job; None where a value does not apply.

    Attributes:
        job: the job.
        status: ``done``, ``failed``, ``skipped`` or ``planned`` (dry run).
        bytes_in, bytes_out: sizes of input and output in bytes.
        width, height: of the picture, in pixels.
        seconds: time from opening the input to the finished output.
        notes: warnings for the user.
        error: the message of a failed job.
        details: what --info or --against found, for JSON.
        shown: the same as lines of text.
        traceback: of the error, for -v.
        unavailable: whether it failed because a package or a model is missing or damaged.
        hopeless: whether all other files would fail in the same way.
    """

    job: Job
    status: str
    bytes_in: int | None = None
    bytes_out: int | None = None
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    notes: list[str] = field(default_factory=list)
    error: str | None = None
    details: dict[str, Any] | None = None
    shown: list[str] | None = None
    traceback: str | None = None
    unavailable: bool = False
    hopeless: bool = False

    @property
    def bpp(self) -> float | None:
        """Bits per pixel of the SDZ file that the job has written; None if it wrote another format."""
        if self.job.format != file_types.SDZ or not self.bytes_out or not self.width or not self.height:
            return None
        return 8 * self.bytes_out / (self.width * self.height)


def convert(job: Job, settings: Settings, outputs: Outputs) -> Result:
    """Do one job.

    Args:
        job: what to convert, and to what.
        settings: those of the run.
        outputs: what writes the output file.

    Raises:
        ConversionError, WriteError, OSError (SdzError among them), StoppedError and whatever Pillow's plugins raise.
    """
    started = time.perf_counter()
    source = job.source
    # read before the file is opened, which may change its access time
    like = os.stat(source.path) if source.path is not None else None  # noqa: PTH116
    notes: list[str] = []
    with open_source(source, settings) as picture:
        width, height = picture.size
        if settings.action == "preview":
            data = _preview(picture, job, settings, notes)
        elif source.is_sdz:
            data = _decode(picture, job, settings, notes)
        else:
            data = _encode(picture, settings, notes)
    if job.target is None:
        write_stream(data)
    else:
        notes += outputs.write(job.target, data, like if settings.preserve else None)
    bytes_in = like.st_size if like is not None else len(source.data or b"")
    return Result(job, "done", bytes_in, len(data), width, height, time.perf_counter() - started, notes)


@contextmanager
def open_source(source: Source, settings: Settings) -> Iterator[ImageFile.ImageFile]:
    """Open a source with Pillow, without reading its pixels, for the time of a block.

    Raises:
        ConversionError: the source is no picture, or has too many pixels.
    """
    try:
        picture = Image.open(source.path if source.path is not None else io.BytesIO(source.data or b""))
    except UnidentifiedImageError as error:
        raise ConversionError("Pillow does not recognise it as a picture") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ConversionError(
            f"more than the {settings.max_pixels:,} pixels allowed; --max-pixels raises that"
        ) from error
    with picture:
        pixels = picture.width * picture.height
        if pixels > settings.max_pixels:
            raise ConversionError(
                f"{pixels:,} pixels, more than the {settings.max_pixels:,} allowed; --max-pixels raises that"
            )
        yield picture


def _encode(picture: ImageFile.ImageFile, settings: Settings, notes: list[str]) -> bytes:
    frames = getattr(picture, "n_frames", 1)
    picture.load()
    if frames > 1:
        notes.append(f"only the first of {frames} frames is kept")
    stream = io.BytesIO()
    with progress_bar(settings), metadata_transfer.noting_left_out(notes):
        picture.save(stream, format=file_types.SDZ, **settings.save, **metadata_transfer.into_sdz(settings))
    return stream.getvalue()


@contextmanager
def progress_bar(settings: Settings) -> Iterator[None]:
    """Within the block, show the progress of the networks' activities that take longer than `BAR_DELAY`.

    Only where a progress bar may be shown and files are converted one after the other: those of several would mix.
    """
    shown = settings.progress == "always" or (settings.progress == "auto" and sys.stderr.isatty())
    if not shown or settings.quiet or settings.jobs != 1:
        yield
        return
    from tqdm import tqdm  # imported where a bar is shown: it costs 40 ms

    with tqdm(unit="part", file=sys.stderr, leave=False, dynamic_ncols=True, delay=BAR_DELAY) as bar:
        current = ""

        def show(activity: str, done: int, total: int) -> None:
            nonlocal current
            if activity != current:
                current = activity
                bar.set_description(activity, refresh=False)
                bar.reset(total)
            bar.update(done - bar.n)

        token = listener.set(show)
        try:
            yield
        finally:
            listener.reset(token)


def _decode(picture: ImageFile.ImageFile, job: Job, settings: Settings, notes: list[str]) -> bytes:
    with progress_bar(settings):
        picture.load()
    if job.format == file_types.SDZ:  # asked for by name: the same picture in another size
        return _encode(picture, settings, notes)
    return _save(picture, job.format, settings, notes)


def _preview(picture: ImageFile.ImageFile, job: Job, settings: Settings, notes: list[str]) -> bytes:
    width, height = picture.size
    if not any(picture.draft(None, (-(-width // part), -(-height // part))) for part in PREVIEW_PARTS):
        raise ConversionError("no preview: neither the file nor its model, if that is installed, can give one")
    picture.load()
    return _save(picture, job.format, settings, notes)


def _save(picture: Image.Image, format_name: str, settings: Settings, notes: list[str]) -> bytes:
    """The bytes of the picture in another format, in the first mode of `_modes` that Pillow's saver accepts."""
    keywords, lost = metadata_transfer.from_sdz(picture, format_name, settings)
    picture.info.clear()  # Pillow's savers would take metadata from there that are to be stripped
    refused: Exception | None = None
    for attempt, note in _modes(picture, format_name):
        stream = io.BytesIO()
        try:
            attempt.save(stream, format=format_name, **keywords)
        except (OSError, ValueError) as error:  # savers have no common error for a mode that they do not support
            if "mode" not in str(error).lower():
                raise ConversionError(f"cannot be written as {format_name}: {error}{_remedy(error)}") from error
            refused = error
            continue
        notes += lost + ([note] if note else [])
        return stream.getvalue()
    raise ConversionError(f"cannot be written as {format_name}: {refused}") from refused


def _modes(picture: Image.Image, format_name: str) -> Iterator[tuple[Image.Image, str | None]]:
    """The picture in the modes to try for a format, best first, each with a note on what it loses, or None."""
    has_alpha = picture.mode in ("LA", "RGBA")
    if not (has_alpha and format_name in _NO_ALPHA):
        yield picture, None
        if picture.mode == "LA":
            yield picture.convert("RGBA"), None
    if has_alpha:
        white = Image.new("RGBA", picture.size, "white")
        flat = Image.alpha_composite(white, picture.convert("RGBA"))
        grey = picture.mode == "LA" and format_name in _NO_ALPHA
        yield flat.convert("L" if grey else "RGB"), f"{format_name} has no alpha: the picture was laid on white"
    else:
        yield picture.convert("RGB"), None


def _remedy(error: Exception) -> str:
    """For an error that names a kind of metadata, the option that leaves it out."""
    kind = next((kind for kind in ("EXIF", "XMP", "ICC") if kind.lower() in str(error).lower()), None)
    return f"; --strip {kind.lower()} leaves it out" if kind else ""


@contextmanager
def limits_and_options(settings: Settings) -> Iterator[None]:
    """Within the block, set the limits and decoding options of this process, which are attributes of modules."""
    wanted: list[tuple[Any, str, Any]] = [
        (Image, "MAX_IMAGE_PIXELS", settings.max_pixels),
        (limits, "MAX_PIXELS", settings.max_pixels),
        *((options.decode, name, getattr(settings, name)) for name in ("denoise_steps", "device", "tile_size")),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in wanted]
    try:
        for module, name, value in wanted:
            setattr(module, name, value)
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)
