"""EXIF as a program has left it: ``image.info["exif"]`` is what was read, ``image.getexif()`` may have been edited.

Pillow keeps the object that ``getexif`` returns, and does not write it into info. Its readers of PNG and TIFF do not
even put all EXIF there. What is saved must be what ``getexif`` returns: a position that was deleted there is deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from PIL import ExifTags, Image

from pillow_sdz.container.tiff import EXIF_IFD, GPS_IFD, Directory, Value, read_tiff, write_tiff
from pillow_sdz.errors import SdzFormatError, notice
from pillow_sdz.plugin.metadata.descriptive import descriptive_exif
from pillow_sdz.plugin.metadata.exif import MAKER_NOTE
from pillow_sdz.plugin.metadata.keys import EXIF_PREFIX, RAW_PROFILE_EXIF, XMP_KEYS, without_prefix
from pillow_sdz.plugin.metadata.xmp import without_orientation, without_position

_READ_BY_PILLOW: Final = ("exif", RAW_PROFILE_EXIF, *XMP_KEYS)
"""What of info ``getexif`` depends on."""

_SUB_DIRECTORIES: Final = (EXIF_IFD, GPS_IFD)
_ORIENTATION: Final = int(ExifTags.Base.Orientation)

Tags = dict[int, Any]


@dataclass(frozen=True)
class _Edits:
    """The tags of an image's EXIF by directory (None: the first one), before and after a program edited them."""

    before: Mapping[int | None, Tags]
    after: Mapping[int | None, Tags]

    def changed(self, directory: int | None) -> set[int]:
        """Tags of a directory that were added, or whose value is another one."""
        before, after = self.before[directory], self.after[directory]
        return {tag for tag in after if tag not in before or repr(before[tag]) != repr(after[tag])}

    def deleted(self, directory: int | None) -> set[int]:
        """Tags of a directory that were deleted."""
        return set(self.before[directory]) - set(self.after[directory])

    def touched(self, directory: int | None) -> set[int]:
        """Tags of a directory that were added, changed or deleted."""
        return self.changed(directory) | self.deleted(directory)

    def __bool__(self) -> bool:
        return any(self.touched(directory) for directory in self.after)


def current_info(image: Image.Image) -> dict[Any, Any]:
    """``image.info``, with EXIF as ``image.getexif()`` has it, if that was called and edited.

    A tag that was not edited keeps its bytes. If the position was edited, XMP loses its position, and the maker note is
    dropped, which may hold it, too; if the orientation was edited, XMP loses its orientation. Where a program has put
    other EXIF into info after it had called ``getexif``, that counts, unless it edited ``getexif``'s, too. Where it has
    deleted EXIF from info, there is none.
    """
    info = dict(image.info)
    if image.format == "TIFF":
        if "exif" in info:
            return info
        return _of_tiff(image, info)
    exif = image._exif
    if exif is None or not exif._loaded:
        return info
    loaded = exif._loaded_exif
    if loaded is not None and "exif" not in info and RAW_PROFILE_EXIF not in info:
        return info
    edits = _compared(exif, _as_read(loaded, info))
    if not edits:
        return info
    position = bool(edits.before[GPS_IFD]) and bool(edits.touched(GPS_IFD))
    directory = _edited(_directory(loaded), edits)
    below = directory.get(EXIF_IFD)
    if position and isinstance(below, dict):
        below.pop(MAKER_NOTE, None)
        directory = {tag: value for tag, value in directory.items() if value}
    _put(info, write_tiff(directory) if directory else b"")
    return _adapted(info, position=position, orientation=_ORIENTATION in edits.touched(None))


def _of_tiff(image: Image.Image, info: dict[Any, Any]) -> dict[Any, Any]:
    """`current_info` of a TIFF, whose reader puts no EXIF into info.

    What EXIF was before a program edited it is not known: a directory for GPS without a latitude counts as edited.
    """
    exif, read = image.getexif(), getattr(image, "tag_v2", {})
    now = {number: _sub_directory(exif, number, read=True) for number in _SUB_DIRECTORIES if number in read}
    _put(info, descriptive_exif(exif, without=[number for number, tags in now.items() if not tags]))
    position = GPS_IFD in now and int(ExifTags.GPS.GPSLatitude) not in now[GPS_IFD]
    return _adapted(info, position=position, orientation=False)


def _put(info: dict[Any, Any], exif: bytes) -> None:
    info.pop(RAW_PROFILE_EXIF, None)
    info.pop("exif", None)
    if exif:
        info["exif"] = EXIF_PREFIX + exif.removeprefix(EXIF_PREFIX)


def _adapted(info: dict[Any, Any], *, position: bool, orientation: bool) -> dict[Any, Any]:
    """Info whose XMP, and EXIF that ImageMagick has copied to texts, do not contradict what was edited in EXIF."""
    if position:
        for key in [key for key in info if isinstance(key, str) and key.lower().startswith("exif:gps")]:
            del info[key]
    for key in XMP_KEYS:
        value = info.get(key)
        if not isinstance(value, str | bytes) or not (position or orientation):
            continue
        data: bytes | None = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        if orientation and data:
            data = without_orientation(data)
        if position and data:
            data = without_position(data)
        if data is None:
            del info[key]
        else:
            info[key] = data
    return info


def _as_read(loaded: bytes | None, info: Mapping[Any, Any]) -> Image.Exif:
    """What ``getexif`` returned before it was edited."""
    fresh = Image.new("1", (1, 1))
    fresh.info = {key: info[key] for key in _READ_BY_PILLOW[1:] if key in info}
    if loaded is not None:
        fresh.info["exif"] = loaded
    try:
        return fresh.getexif()
    except Exception:  # damaged EXIF: Pillow raises anything, and keeps what it has read until then
        return fresh._exif or Image.Exif()


def _compared(exif: Image.Exif, fresh: Image.Exif) -> _Edits:
    """What a program has edited; ``fresh`` is what ``getexif`` returned at first.

    Values and directories that it never looked at cannot have been edited, and are not decoded: there may be millions.
    """
    seen = set(exif._data)
    before: dict[int | None, Tags] = {None: _first_directory(fresh, seen)}
    after: dict[int | None, Tags] = {None: _first_directory(exif, seen)}
    for number in _SUB_DIRECTORIES:
        read, there = number in fresh, number in exif or number in exif._hidden_data
        opened = number in exif._ifds or isinstance(exif._data.get(number), Mapping)
        known = opened or not (read and there)
        before[number] = _sub_directory(fresh, number, read=read) if known else {}
        after[number] = _sub_directory(exif, number, read=read) if known else {}
    return _Edits(before, after)


def _first_directory(exif: Image.Exif, seen: Collection[int]) -> Tags:
    """Tags of the first directory, without those that lead to others; the values of tags that are not seen are None."""
    return {tag: _value(exif, tag) if tag in seen else None for tag in exif if tag not in _SUB_DIRECTORIES}


def _sub_directory(exif: Image.Exif, number: int, *, read: bool) -> Tags:
    """The tags of a directory for EXIF or GPS as a program has left it.

    Args:
        exif: that of the image.
        number: tag that leads to the directory.
        read: whether it was there when EXIF was read. Some versions of Pillow still give it after it was deleted.
    """
    if number in exif:
        assigned = _value(exif, number)
        if isinstance(assigned, Mapping):
            return dict(assigned)
    elif read and number not in exif._hidden_data:
        return {}
    try:
        return dict(exif.get_ifd(number))
    except Exception:  # damaged EXIF, see `_as_read`
        return {}


def _value(exif: Image.Exif, tag: int) -> object:
    try:
        return exif[tag]
    except Exception:  # as above
        return None


def _directory(loaded: bytes | None) -> Directory:
    """EXIF that ``getexif`` has read, as tags with their bytes; empty if it is damaged."""
    try:
        return read_tiff(without_prefix(loaded or b""))
    except SdzFormatError:
        return {}


def _edited(directory: Directory, edits: _Edits) -> Directory:
    """EXIF with tags deleted, and those that were added or changed as Pillow writes them."""
    parts: dict[int | None, Directory] = {}
    for below in _SUB_DIRECTORIES:
        part = directory.pop(below, {})
        parts[below] = {} if isinstance(part, Value) else part  # a value where the offset of a directory should be
    parts[None] = directory
    for number, part in parts.items():
        if edits.before[number] and not edits.after[number]:
            part.clear()  # also of what Pillow did not read
        for tag in edits.touched(number):
            part.pop(tag, None)
        for tag in sorted(edits.changed(number)):
            written = _written(number, tag, edits.after[number][tag])
            if written is not None:
                part[tag] = written
    return directory | {below: parts[below] for below in _SUB_DIRECTORIES if parts[below]}


def _written(number: int | None, tag: int, value: object) -> Directory | Value | None:
    """One tag as Pillow writes it; None, after a warning, if it cannot."""
    exif = Image.Exif()
    try:
        if number is None:
            exif[tag] = value
        else:
            exif[number] = {tag: value}
        directory = read_tiff(exif.tobytes().removeprefix(EXIF_PREFIX))
        part = directory if number is None else directory[number]
        assert isinstance(part, dict)
        return part.get(tag)
    except Exception as error:  # Pillow raises anything for values that it cannot write
        notice(f"the EXIF tag 0x{tag:04x} cannot be written and was left out: {error}")
        return None
