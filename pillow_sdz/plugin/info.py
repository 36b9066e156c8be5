"""``image.info``: filled when a file is opened, and read for metadata when an image is saved.

Opening a file fills ``image.info`` with its metadata and with facts about the file itself (`BOOKKEEPING`). The facts
are recognised when the image is saved again, and are not stored as text. A text whose key is the name of such a fact,
or has a meaning for Pillow, appears with `ESCAPE` in front of its key, and gets its own key back when it is saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from pillow_sdz import limits
from pillow_sdz.container.metadata import Metadata
from pillow_sdz.errors import SdzModelError, SdzOptionError, notice
from pillow_sdz.models import registry
from pillow_sdz.payloads.codes import NOISE_UNIT
from pillow_sdz.plugin.metadata.keys import EXIF_PREFIX, PNG_XMP, RAW_PROFILE, RAW_PROFILE_EXIF, without_prefix

if TYPE_CHECKING:
    from pillow_sdz.codec.file import SdzFile

ERROR_KEYS: Final = ("psnr", "ms_ssim", "ssimulacra2", "synthesised", "patched", "whole")
"""Keys for what a file says about its own error: the fields of `pillow_sdz.container.stored_error.StoredError`."""

BOOKKEEPING: Final = (
    "model", "fingerprint", "payload", "colors", "layers", "missing_layers", "bpp", "denoise_steps", "steps", "noise",
    "step", "colour_space", "patches", *ERROR_KEYS,
)  # fmt: skip
"""Keys for facts about the file; see `pillow_sdz.plugin.image_file.SdzImageFile`."""

_ALWAYS_SET: Final = ("fingerprint", "payload", "bpp", "noise")
"""An info that has all of these keys comes from an .sdz: then its `BOOKKEEPING` is not text."""

NOT_TEXT: Final = frozenset({"icc_profile", "exif", "xmp", PNG_XMP, "compression"})
"""Keys of Pillow's info whose value is not a text about the picture, even where it is a str."""

_PILLOW_KEYS = """
    adobe adobe_transform background blend chromaticity default_image disposal dpi duration extension flashpix frames
    gamma hotspot id_section interlace jfif jfif_density jfif_unit jfif_version loop mp mpoffset orientation palette
    photoshop progression progressive sizes srgb timestamp transparency version
"""
PILLOW_KEYS: Final = frozenset(_PILLOW_KEYS.split())
"""Keys that Pillow's own code reads from info; a text of a file never appears under one of them."""

ESCAPE: Final = "text:"
"""Prefix in info for the keys of texts that would otherwise collide with another meaning."""


def describe(file: SdzFile, file_bytes: int) -> dict[str, Any]:
    """Everything that ``image.info`` says about a file; see `pillow_sdz.plugin.image_file.SdzImageFile`.

    Args:
        file: the file.
        file_bytes: its length in bytes.

    Raises:
        SdzError: a metadata section is damaged.
    """
    header = file.header
    fingerprint = header.fingerprint.hex()
    return {
        **to_info(file.metadata()),
        **error_info(file),
        "model": _model_name(header.fingerprint) or fingerprint if file.needs_model else None,
        "fingerprint": fingerprint,
        "payload": header.payload,
        "colors": (),
        "layers": len(file.container.layers),
        "missing_layers": header.layer_count - len(file.container.layers),
        "patches": 0 if file.patches is None else len(file.patches.rectangles),
        "patched": 0.0 if file.patches is None else file.patches.share(header.width, header.height),
        "bpp": 8 * file_bytes / (header.width * header.height),
        "denoise_steps": header.denoise_steps,
        "steps": header.denoise_steps,
        "noise": header.noise * NOISE_UNIT,
        **file.payload.describe().info,
    }


def error_info(file: SdzFile) -> dict[str, float]:
    """What a file says about its own error, without what was not measured.

    Empty where it says nothing, and where layers or patches are missing: the figures are those of the whole file.

    Raises:
        SdzError: the section is damaged.
    """
    error = file.error()
    if error is None or file.container.truncation is not None or file.container.lacks_patches:
        return {}
    return {name: value for name in ERROR_KEYS if (value := getattr(error, name)) is not None}


def _model_name(fingerprint: bytes) -> str | None:
    try:
        return registry.name_of(fingerprint)
    except SdzModelError:  # an installed model is damaged, perhaps not the one of this file; decoding finds out
        return None


def collect(given: Mapping[str, Any], info: Mapping[Any, Any]) -> Metadata:
    """Metadata to save: each kind from its keyword, or from ``image.info`` where the keyword is not given.

    Args:
        given: keywords of ``image.save``: ``icc_profile``, ``exif``, ``xmp``, ``text``; None or empty drops that kind.
        info: ``image.info``.

    Raises:
        SdzOptionError: a value is of the wrong type.
    """
    return Metadata(
        icc=_blob("icc_profile", given["icc_profile"] if "icc_profile" in given else info.get("icc_profile")),
        exif=_exif(given["exif"] if "exif" in given else _exif_of(info)),
        xmp=_xmp(given["xmp"] if "xmp" in given else info.get("xmp") or info.get(PNG_XMP)),
        text=_text(given["text"]) if "text" in given else _text_of(info),
    )


def to_info(metadata: Metadata) -> dict[str, Any]:
    """The entries of ``image.info`` for what a file holds.

    >>> to_info(Metadata(text={"Title": "cat", "exif": "not really"}))
    {'Title': 'cat', 'text:exif': 'not really'}
    """
    info: dict[str, Any] = {}
    if metadata.icc:
        info["icc_profile"] = metadata.icc
    elif metadata.colour_space is not None:
        from pillow_sdz.plugin.colour.build import profile_of  # takes milliseconds, and not every file names one

        info["colour_space"] = metadata.colour_space
        info["icc_profile"] = profile_of(metadata.colour_space)
    if metadata.exif:
        info["exif"] = EXIF_PREFIX + metadata.exif
    if metadata.xmp:
        info["xmp"] = metadata.xmp
    info.update({ESCAPE + key if _collides(key) else key: value for key, value in metadata.text.items()})
    return info


def _collides(key: str) -> bool:
    """Whether a text's key must be escaped in info: it is reserved, or looks like an escaped reserved key."""
    while key.startswith(ESCAPE):
        key = key.removeprefix(ESCAPE)
    return key in BOOKKEEPING or key in NOT_TEXT or key in PILLOW_KEYS or key.startswith(RAW_PROFILE)


def _text_of(info: Mapping[Any, Any]) -> dict[str, str]:
    """The texts in an image's info, by key, whatever format the image came from."""
    from_sdz = all(key in info for key in _ALWAYS_SET)
    text = {}
    for key, value in info.items():
        if key == "comment" and isinstance(value, bytes):  # JPEG, GIF, JPEG 2000
            value = value.decode("utf-8", "replace")
        if not isinstance(key, str) or not isinstance(value, str):
            continue
        if key in NOT_TEXT or key.startswith(RAW_PROFILE) or (from_sdz and key in BOOKKEEPING):
            continue
        plain = key.removeprefix(ESCAPE)
        name = plain if plain != key and _collides(plain) else key
        try:
            _check_text(name, value)
        except SdzOptionError as error:
            notice(f"a text of the image cannot be stored: {error}")
            continue
        text[name] = str(value)
    return text


def _text(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        found = type(value).__name__
        raise SdzOptionError("is not a mapping", field="text", found=found, expected="a dict of str to str")
    for key, item in value.items():
        _check_text(key, item)
    return {str(key): str(item) for key, item in value.items()}


def _check_text(key: object, value: object) -> None:
    """Refuse what a text section cannot hold: other types, empty or long keys, text that UTF-8 cannot express."""
    if not isinstance(key, str) or not isinstance(value, str):
        found = f"{type(key).__name__}: {type(value).__name__}"
        raise SdzOptionError("wrong type", field="text", found=found, expected="str: str")
    try:
        length = len(key.encode())
        value.encode()
    except UnicodeEncodeError as error:
        raise SdzOptionError("cannot be written as UTF-8", field=f"text {key!r}", found=error.reason) from error
    if not 1 <= length <= limits.MAX_TEXT_KEY_BYTES:
        expected = f"a key of 1 to {limits.MAX_TEXT_KEY_BYTES} bytes"
        raise SdzOptionError("wrong key length", field=f"text {key[:40]!r}", found=f"{length} bytes", expected=expected)


def _exif_of(info: Mapping[Any, Any]) -> Any:
    raw = info.get(RAW_PROFILE_EXIF)
    if "exif" in info or not isinstance(raw, str):
        return info.get("exif")
    try:
        return bytes.fromhex("".join(raw.split("\n")[3:]))  # a name, a length, then the bytes in hexadecimal
    except ValueError as error:
        notice(f"the EXIF data stored as PNG text are damaged and cannot be kept: {error}")
        return None


def _exif(value: object) -> bytes | None:
    if isinstance(value, Image.Exif):
        value = value.tobytes() if len(value) else None
    data = _blob("exif", value)
    return None if data is None else without_prefix(data) or None


def _xmp(value: object) -> bytes | None:
    if isinstance(value, str):
        _check_text("xmp", value)
        value = value.encode()
    return _blob("xmp", value)


def _blob(name: str, value: object) -> bytes | None:
    if value is None:
        return None
    if not isinstance(value, bytes | bytearray | memoryview):
        raise SdzOptionError("wrong type", field=name, found=type(value).__name__, expected="bytes or None")
    return bytes(value) or None
