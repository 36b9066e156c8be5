"""EXIF as a camera writes it, and XMP as an editor writes it: built field by field, of no real picture."""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

MAKER_NOTE_BYTES: Final = 8_000
THUMBNAIL_BYTES: Final = 9_000

ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL = 2, 3, 4, 5, 7, 10
EXIF_IFD, GPS_IFD, INTEROPERABILITY_IFD, MAKER_NOTE = 0x8769, 0x8825, 0xA005, 0x927C

LATITUDE: Final = ((48, 1), (51, 1), (299_573, 10_000))
"""Degrees, minutes and seconds, each as a fraction."""

LONGITUDE: Final = ((2, 1), (17, 1), (401_387, 10_000))

Field = tuple[int, int, bytes]
"""Tag, type, and the bytes of the value, big-endian."""


def text(tag: int, value: str) -> Field:
    """A field of type ASCII."""
    return tag, ASCII, value.encode("ascii") + b"\0"


def short(tag: int, *values: int) -> Field:
    """A field of unsigned 16-bit numbers."""
    return tag, SHORT, struct.pack(f">{len(values)}H", *values)


def rational(tag: int, *values: tuple[int, int], signed: bool = False) -> Field:
    """A field of fractions."""
    letter = "i" if signed else "I"
    data = b"".join(struct.pack(f">2{letter}", *value) for value in values)
    return tag, SRATIONAL if signed else RATIONAL, data


def camera_exif(
    *, maker_note: int = MAKER_NOTE_BYTES, thumbnail: int = THUMBNAIL_BYTES, position: bool = True
) -> bytes:
    """EXIF of a mirrorless camera, from the TIFF head on, big-endian: 18,500 bytes with the defaults.

    Args:
        maker_note: bytes of the maker note, which cannot be compressed.
        thumbnail: bytes of the thumbnail.
        position: whether there is a position.
    """
    noise = np.random.default_rng(17)
    first = [
        text(0x010F, "NIKON CORPORATION"), text(0x0110, "NIKON Z 7_2"), short(0x0112, 6),
        rational(0x011A, (300, 1)), rational(0x011B, (300, 1)), short(0x0128, 2), text(0x0131, "Ver.01.40"),
        text(0x0132, "2023:08:19 18:42:07"), text(0x013B, "Ada Example"), short(0x0213, 1),
        text(0x8298, "Ada Example, all rights reserved"),
    ]  # fmt: skip
    exif = [
        rational(0x829A, (10, 6400)), rational(0x829D, (40, 10)), short(0x8822, 3), short(0x8827, 64),
        short(0x8830, 2), (0x8832, LONG, struct.pack(">I", 64)), (0x9000, UNDEFINED, b"0231"),
        text(0x9003, "2023:08:19 18:42:07"), text(0x9004, "2023:08:19 18:42:07"), text(0x9010, "+02:00"),
        text(0x9011, "+02:00"), text(0x9012, "+02:00"), (0x9101, UNDEFINED, b"\1\2\3\0"),
        rational(0x9102, (4, 1)), rational(0x9204, (-2, 6), signed=True), rational(0x9205, (40, 10)),
        short(0x9207, 5), short(0x9208, 0), short(0x9209, 16), rational(0x920A, (700, 10)),
        (MAKER_NOTE, UNDEFINED, noise.bytes(maker_note)), (0x9286, UNDEFINED, b"ASCII\0\0\0" + b" " * 36),
        text(0x9290, "37"), text(0x9291, "37"), text(0x9292, "37"), (0xA000, UNDEFINED, b"0100"), short(0xA001, 1),
        short(0xA002, 8256), short(0xA003, 5504), short(0xA217, 2), (0xA300, UNDEFINED, b"\3"),
        (0xA301, UNDEFINED, b"\1"), (0xA302, UNDEFINED, b"\0\2\0\2\0\1\1\2"), short(0xA401, 0), short(0xA402, 0),
        short(0xA403, 0), rational(0xA404, (1, 1)), short(0xA405, 70), short(0xA406, 0), short(0xA407, 0),
        short(0xA408, 0), short(0xA409, 0), short(0xA40A, 0), short(0xA40C, 0), text(0xA431, "6021347"),
        rational(0xA432, (240, 10), (1200, 10), (40, 10), (40, 10)), text(0xA433, "NIKON"),
        text(0xA434, "NIKKOR Z 24-120mm f/4 S"), text(0xA435, "20047713"),
    ]  # fmt: skip
    gps = [
        (0, 1, b"\2\3\0\0"), text(1, "N"), rational(2, *LATITUDE), text(3, "E"), rational(4, *LONGITUDE),
        (5, 1, b"\0"), rational(6, (1_473, 10)), rational(7, (16, 1), (42, 1), (5, 1)), text(0x12, "WGS-84"),
        text(0x1D, "2023:08:19"),
    ]  # fmt: skip
    inner = [text(1, "R98"), (2, UNDEFINED, b"0100")]
    picture = b"\xff\xd8" + noise.bytes(thumbnail - 4) + b"\xff\xd9"
    return _stream(first, exif, gps if position else [], inner, picture)


def _stream(first: list[Field], exif: list[Field], gps: list[Field], inner: list[Field], thumbnail: bytes) -> bytes:
    """A TIFF stream as cameras lay it out: directories, each with its values, then the thumbnail."""
    leading = [EXIF_IFD, GPS_IFD] if gps else [EXIF_IFD]
    at = 8 + _size(first, len(leading))
    exif_data = _directory(exif, at, {INTEROPERABILITY_IFD: at + _size(exif, 1)})
    inner_data = _directory(inner, at + len(exif_data), {})
    offsets = {EXIF_IFD: at}
    at += len(exif_data) + len(inner_data)
    gps_data = _directory(gps, at, {}) if gps else b""
    if gps:
        offsets[GPS_IFD] = at
    at += len(gps_data)
    second = [short(0x0103, 6), rational(0x011A, (300, 1)), rational(0x011B, (300, 1)), short(0x0128, 2)]
    places = {0x0201: at + _size(second, 2), 0x0202: len(thumbnail)}
    head = b"MM\0*" + struct.pack(">I", 8)
    parts = (
        _directory(first, 8, offsets, following=at),
        exif_data,
        inner_data,
        gps_data,
        _directory(second, at, places),
    )
    return head + b"".join(parts) + thumbnail


def _size(fields: list[Field], longs: int) -> int:
    return 2 + 12 * (len(fields) + longs) + 4 + sum(len(data) + len(data) % 2 for *_, data in fields if len(data) > 4)


def _directory(fields: list[Field], at: int, longs: dict[int, int], following: int = 0) -> bytes:
    """A directory at an offset, with fields of one unsigned 32-bit number in ``longs``, and its values after it."""
    units = {ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 8, UNDEFINED: 1, SRATIONAL: 8, 1: 1}
    fields = sorted([*fields, *((tag, LONG, struct.pack(">I", value)) for tag, value in longs.items())])
    entries, values = b"", b""
    free = at + 2 + 12 * len(fields) + 4
    for tag, kind, data in fields:
        entries += struct.pack(">HHI", tag, kind, len(data) // units[kind])
        if len(data) <= 4:
            entries += data.ljust(4, b"\0")
        else:
            entries += struct.pack(">I", free + len(values))
            values += data + bytes(len(data) % 2)
    return struct.pack(">H", len(fields)) + entries + struct.pack(">I", following) + values


_CURVES: Final = ("ToneCurvePV2012", "ToneCurvePV2012Red", "ToneCurvePV2012Green", "ToneCurvePV2012Blue")
_SETTINGS: Final = {
    "Version": "15.3", "ProcessVersion": "15.4", "WhiteBalance": "Custom", "Temperature": "5150", "Tint": "+12",
    "Exposure2012": "+0.35", "Contrast2012": "+8", "Highlights2012": "-42", "Shadows2012": "+31", "Whites2012": "+6",
    "Blacks2012": "-9", "Texture": "+5", "Clarity2012": "+11", "Dehaze": "0", "Vibrance": "+14", "Saturation": "-2",
    "Sharpness": "40", "SharpenRadius": "+1.0", "SharpenDetail": "25", "SharpenEdgeMasking": "20",
    "LuminanceSmoothing": "0", "ColorNoiseReduction": "25", "LensProfileEnable": "1", "VignetteAmount": "0",
    "CropTop": "0.0213", "CropLeft": "0", "CropBottom": "0.9787", "CropRight": "1", "CropAngle": "-0.61",
    "HasCrop": "True", "HasSettings": "True", "AlreadyApplied": "True", "RawFileName": "DSC_4711.NEF",
}  # fmt: skip


def editor_xmp(*, padding: int = 2_000, position: bool = True) -> bytes:
    """An XMP packet as raw converters write it, with settings, history and keywords.

    Args:
        padding: bytes of white space before the packet's end, for editing in place.
        position: whether there is a position.
    """
    attributes = {
        "xmp:CreatorTool": "Adobe Photoshop Lightroom Classic 12.3 (Windows)", "xmp:Rating": "4",
        "xmp:CreateDate": "2023-08-19T18:42:07.37", "xmp:ModifyDate": "2023-08-21T09:15:44+02:00",
        "xmp:MetadataDate": "2023-08-21T09:15:44+02:00", "aux:Lens": "NIKKOR Z 24-120mm f/4 S", "aux:LensID": "229",
        "aux:SerialNumber": "6021347", "photoshop:DateCreated": "2023-08-19T18:42:07.37", "dc:format": "image/jpeg",
        "tiff:Orientation": "6", "xmpMM:DocumentID": "xmp.did:5f0c1a7e-93d2-4b46-8a15-c07d2e94f3b8",
        "xmpMM:OriginalDocumentID": "A41D7C0E95B238F6D17204CE8B6359AF",
        "xmpMM:InstanceID": "xmp.iid:5f0c1a7e-93d2-4b46-8a15-c07d2e94f3b8",
    }  # fmt: skip
    if position:
        attributes |= {"exif:GPSLatitude": "48,51.4993N", "exif:GPSLongitude": "2,17.669E"}
    attributes |= {f"crs:{name}": value for name, value in _SETTINGS.items()}
    spaces = {
        "xmp": "http://ns.adobe.com/xap/1.0/", "tiff": "http://ns.adobe.com/tiff/1.0/",
        "exif": "http://ns.adobe.com/exif/1.0/", "aux": "http://ns.adobe.com/exif/1.0/aux/",
        "photoshop": "http://ns.adobe.com/photoshop/1.0/", "dc": "http://purl.org/dc/elements/1.1/",
        "xmpMM": "http://ns.adobe.com/xap/1.0/mm/", "crs": "http://ns.adobe.com/camera-raw-settings/1.0/",
        "stEvt": "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#",
    }  # fmt: skip
    lines = [
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>',
        '<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 7.0-c000 1.000000, 0000/00/00-00:00:00        ">',
        ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">', '  <rdf:Description rdf:about=""',
        *(f'    xmlns:{name}="{space}"' for name, space in spaces.items()),
        *(f'   {name}="{value}"' for name, value in attributes.items()), "  >", "   <dc:subject>", "    <rdf:Bag>",
        *(f"     <rdf:li>{word}</rdf:li>" for word in ("bridge", "evening", "river")), "    </rdf:Bag>",
        "   </dc:subject>", "   <xmpMM:History>", "    <rdf:Seq>", "     <rdf:li", '      stEvt:action="saved"',
        '      stEvt:instanceID="xmp.iid:5f0c1a7e-93d2-4b46-8a15-c07d2e94f3b8"',
        '      stEvt:when="2023-08-21T09:15:44+02:00"',
        '      stEvt:softwareAgent="Adobe Photoshop Lightroom Classic 12.3 (Windows)"', '      stEvt:changed="/"/>',
        "    </rdf:Seq>", "   </xmpMM:History>",
    ]  # fmt: skip
    for curve in _CURVES:
        points = ("0, 0", "64, 58", "192, 199", "255, 255") if curve == _CURVES[0] else ("0, 0", "255, 255")
        items = [f"     <rdf:li>{point}</rdf:li>" for point in points]
        lines += [f"   <crs:{curve}>", "    <rdf:Seq>", *items, "    </rdf:Seq>", f"   </crs:{curve}>"]
    lines += ["  </rdf:Description>", " </rdf:RDF>", "</x:xmpmeta>"]
    blank = (" " * 100 + "\n") * (padding // 101)
    return ("\n".join(lines) + "\n" + blank + '<?xpacket end="w"?>').encode()
