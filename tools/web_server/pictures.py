"""What is done with Pillow, in the threads of `work`: uploads become .sdz, and .sdz become WebP or AVIF.

Special to .sdz are the model, which `started` loads once for all threads and `thumbnail` does without, and uploads that
are .sdz already.
"""

from __future__ import annotations

import contextlib
import io
import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from PIL import ExifTags, Image, UnidentifiedImageError

import pillow_sdz
from tools.web_server.problems import Problem
from tools.web_server.settings import LONGEST_SIDE, MOST_STEPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import ImageFile

    from tools.web_server.settings import Settings
    from tools.web_server.store import Store

ACCEPTED: Final = ("JPEG", "PNG", "WEBP", "AVIF", "SDZ")
"""Pillow's names of the formats of uploads. Others are not even tried: some start programs, as EPS does."""

SERVED: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "image/avif": ("AVIF", {"quality": 65, "speed": 8, "max_threads": 1}),
    "image/webp": ("WEBP", {"quality": 80}),
}
"""Media type -> Pillow's name of the format, and options of saving. The threads of AVIF's encoder would compete with
those of `work`."""

THUMBNAIL: Final = 256
"""Longest side of a thumbnail in pixels; of pictures below eight times that, it is an eighth."""

_PREVIEW: Final = 8
"""The largest preview has an eighth of a picture's width and height; of some models less."""

_FACTS: Final = ("psnr", "ms_ssim", "synthesised")
"""What a file says about itself, and an answer repeats; see `pillow_sdz.SdzImageFile`."""

_UNBOUNDED: Final = 1 << 20
"""More pixels than any side has."""

_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How a picture of each EXIF orientation becomes upright; 1 is."""

_SWAPPED: Final = (5, 6, 7, 8)
"""Orientations with which width and height change places when the picture is shown."""

_ORIENTATIONS: Final = tuple(
    b"Exif\0\0" + struct.pack("<4sIHHHIHHI", b"II*\0", 8, 1, ExifTags.Base.Orientation, 3, 1, turn, 0, 0)
    for turn in _TURNS
)
"""EXIF that holds an orientation and nothing else, as saving with metadata='essential' writes it."""


@contextlib.contextmanager
def started(settings: Settings) -> Iterator[str]:
    """Load the model by saving and opening a small picture, and set limits, for the time of a block.

    Yields:
        The name of the model that uploads are encoded with.

    Raises:
        SdzError: the model is missing or damaged.
    """
    limits: Any = pillow_sdz.limits
    wanted: list[tuple[Any, str, int]] = [
        (Image, "MAX_IMAGE_PIXELS", settings.max_pixels),
        (limits, "MAX_PIXELS", settings.max_pixels),
        (limits, "MAX_FILE_BYTES", settings.max_bytes),
        (limits, "MAX_UNASKED_STEPS", MOST_STEPS),
    ]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in wanted]
    Image.init()  # loads Pillow's plugins, which is not safe in several threads at once
    try:
        for owner, name, value in wanted:
            setattr(owner, name, value)
        for more in ({}, {"guard": False}):  # with the guard, a picture may be stored without the model
            stream = io.BytesIO()
            Image.linear_gradient("L").convert("RGB").save(stream, "SDZ", **settings.save_options(), **more)
            with Image.open(stream) as image:
                image.load()
                model = str(image.info["model"])
        yield model
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def encoded(data: bytes, settings: Settings, model: str) -> bytes:
    """The .sdz of an upload; an upload that is one already stays as it is.

    Args:
        data: a file in one of the formats `ACCEPTED`; of several frames the first is taken.
        settings: those of the server.
        model: that was loaded at the start.

    Raises:
        Problem: 415 (another format), 422 (damaged, too large, or an .sdz that is not taken).
        SdzError: it could not be encoded.
    """
    with _opened_upload(data, settings) as image:
        with _problems_of_uploads(settings):
            if image.format == "SDZ":
                _check_own(image, settings, model)
            image.load()
        if image.format == "SDZ":
            return data
        stream = io.BytesIO()
        image.save(stream, "SDZ", **settings.save_options())
        return stream.getvalue()


@contextlib.contextmanager
def _opened_upload(data: bytes, settings: Settings) -> Iterator[ImageFile.ImageFile]:
    with _problems_of_uploads(settings):
        image = Image.open(io.BytesIO(data), formats=ACCEPTED)
    with image:
        width, height = image.size
        if width * height > settings.max_pixels or max(width, height) > LONGEST_SIDE:
            raise _too_large(settings)
        yield image


@contextlib.contextmanager
def _problems_of_uploads(settings: Settings) -> Iterator[None]:
    """Within the block, whatever Pillow raises is the upload's fault. Its own texts may name files, so few are shown.

    Raises:
        Problem: 415 or 422.
    """
    try:
        yield
    except (Problem, MemoryError):
        raise
    except UnidentifiedImageError:
        raise Problem(415, f"this is not a picture in one of the formats {', '.join(ACCEPTED)}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(settings) from None
    except pillow_sdz.SdzError as error:
        allowed = f" (expected {error.expected})" if isinstance(error, pillow_sdz.SdzLimitError) else ""
        raise Problem(422, f"the .sdz cannot be opened: {error.field or 'file'}: {error.problem}{allowed}") from error
    except Exception as error:  # Pillow's readers have no common error for damaged files
        raise Problem(422, "the picture is damaged") from error


def _too_large(settings: Settings) -> Problem:
    allowed = f"at most {settings.max_pixels} pixels, and {LONGEST_SIDE} in width and height"
    return Problem(422, f"the picture is too large: {allowed}, are allowed")


def _check_own(image: ImageFile.ImageFile, settings: Settings, model: str) -> None:
    """Check whether an .sdz may be stored as it is.

    Another model would be loaded into memory for it. Palettes are left out because a small file of them can take a
    minute to decode. Metadata cannot be removed without encoding again, which would cost quality. EXIF is
    compared byte by byte, because ``getexif`` shows only a part of what it can hold.

    Raises:
        Problem: 422.
    """
    if image.info["model"] not in (None, model) or image.info["payload"] == "palette":
        raise Problem(422, f"only files that were saved with the model {model}, and without palettes, are taken")
    if settings.metadata in ("useful", "all"):
        return
    texts = {key for key, value in image.info.items() if isinstance(value, str)}
    texts -= {"model", "fingerprint", "payload", "colour_space"}
    if texts or "xmp" in image.info or image.info.get("exif") not in (None, *_ORIENTATIONS):
        raise Problem(422, "the .sdz holds metadata that are not published here: save it with metadata='essential'")


def described(data: bytes) -> dict[str, Any]:
    """What the answer to an upload says of a stored picture: its size in pixels and bytes, and its facts."""
    with Image.open(io.BytesIO(data), formats=["SDZ"]) as image:
        width, height = _upright_size(image.size, orientation_of(image))
        facts: dict[str, Any] = {name: image.info[name] for name in _FACTS if name in image.info}
        return {"width": width, "height": height, "bytes": len(data), **facts}


@lru_cache(1 << 16)
def size_of(store: Store, name: str) -> tuple[int, int]:
    """Width and height of a stored picture as it is shown. A name means the same bytes for ever, so this is kept.

    Raises:
        FileNotFoundError: it has gone.
        SdzError, OSError: it is damaged.
    """
    with Image.open(io.BytesIO(store.read(name)), formats=["SDZ"]) as image:
        return _upright_size(image.size, orientation_of(image))


def variant(data: bytes, width: int | None, media_type: str) -> bytes:
    """A stored picture in another format, upright, without metadata but with its ICC profile.

    Args:
        data: the .sdz.
        width: in pixels, smaller than the picture's; None for the picture's own. Up to an eighth of that the model is
            not needed.
        media_type: one of `SERVED`.

    Raises:
        SdzError: the file is damaged.
    """
    with Image.open(io.BytesIO(data), formats=["SDZ"]) as image:
        orientation = orientation_of(image)
        if width is not None:
            image.thumbnail(_upright_size((width, _UNBOUNDED), orientation), Image.Resampling.LANCZOS)
        return _written(image, orientation, media_type)


def thumbnail(data: bytes, media_type: str) -> bytes:
    """The preview of a stored picture, which takes no model, as large as it is but at most `THUMBNAIL`.

    Args:
        data: the .sdz.
        media_type: one of `SERVED`.

    Raises:
        SdzError: the file is damaged.
    """
    with Image.open(io.BytesIO(data), formats=["SDZ"]) as image:
        orientation = orientation_of(image)
        longest = max(1, min(THUMBNAIL, max(image.size) // _PREVIEW))
        image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
        return _written(image, orientation, media_type)


def _written(image: ImageFile.ImageFile, orientation: int, media_type: str) -> bytes:
    """The file of a picture, upright. (`PIL.ImageOps.exif_transpose` would fail where its EXIF is damaged.)"""
    name, options = SERVED[media_type]
    image.load()
    shown = image.transpose(_TURNS[orientation]) if orientation in _TURNS else image
    profile = shown.info.get("icc_profile")
    shown.info.clear()  # savers take metadata from there
    stream = io.BytesIO()
    shown.save(stream, name, icc_profile=profile, exif=b"", **options)
    return stream.getvalue()


def orientation_of(image: Image.Image) -> int:
    """The orientation in a picture's EXIF or XMP, 1 to 8; 1 where there is none, or none that can be read.

    To be asked once for an opened file: of damaged EXIF, Pillow keeps what it has read, and the next answer differs.
    """
    try:
        found = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # Pillow's reader of EXIF may raise anything for damaged data, and the picture can be shown
        return 1
    return found if isinstance(found, int) and found in _TURNS else 1


def _upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    return size[::-1] if orientation in _SWAPPED else size
