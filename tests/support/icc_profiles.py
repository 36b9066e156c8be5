"""ICC profiles, built tag by tag as the usual programs lay them out, right ones and hostile ones."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

from PIL import ImageCms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
DISPLAY_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
ROUNDED_SRGB = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
REC_2020 = ((0.67348, 0.27904, -0.00194), (0.16566, 0.67534, 0.02998), (0.12505, 0.04561, 0.79686))
PROPHOTO = ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491))
SRGB_AT_D65 = ((0.4124, 0.2126, 0.0193), (0.3576, 0.7152, 0.1192), (0.1805, 0.0722, 0.9505))
APPLE_RGB = ((0.47508, 0.25580, 0.01790), (0.35780, 0.67250, 0.10250), (0.13135, 0.07170, 0.70450))
"""Colorants, adapted to D50 but for the one named so: X, Y and Z of red, green and blue."""


def srgb_curve(v: float) -> float:
    return v / 12.92 if v < 0.04045 else float(((v + 0.055) / 1.055) ** 2.4)


def bt_curve(v: float) -> float:
    return v / 4.5 if v < 0.081 else float(((v + 0.099) / 1.099) ** (1 / 0.45))


def dot_gain_curve(v: float) -> float:
    """Of the kind of Photoshop's Dot Gain 20%."""
    return float((1 - (1 - v) ** 0.72) ** 1.75)


def fixed(number: float) -> bytes:
    return struct.pack(">i", round(number * 65536))


def xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(map(fixed, values))


def table(curve: Callable[[float], float], entries: int = 1024) -> bytes:
    """A tone curve of type curv."""
    values = [round(curve(i / (entries - 1)) * 65535) for i in range(entries)]
    return b"curv" + struct.pack(">4xI", entries) + struct.pack(f">{entries}H", *values)


def gamma(number: float) -> bytes:
    """A tone curve of type curv that is a gamma."""
    return b"curv" + struct.pack(">4xIH", 1, round(number * 256))


def parametric(kind: int, *parameters: float) -> bytes:
    """A tone curve of type para."""
    return b"para" + struct.pack(">4xHxx", kind) + b"".join(map(fixed, parameters))


SRGB_PARAMETRIC = parametric(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
BT_PARAMETRIC = parametric(3, 1 / 0.45, 1 / 1.0993, 0.0993 / 1.0993, 1 / 4.5, 0.08145)


def cicp(primaries: int, transfer: int, *, full_range: bool = True) -> bytes:
    """Code points of ITU-T H.273."""
    return b"cicp" + bytes([0, 0, 0, 0, primaries, transfer, 0, full_range])


def profile(
    tags: Mapping[bytes, bytes],
    *,
    space: bytes = b"RGB ",
    version: int = 0x02100000,
    device_class: bytes = b"mntr",
    connection_space: bytes = b"XYZ ",
) -> bytes:
    """A profile of these tags, and those that all have."""
    text = b"text" + bytes(4) + b"test\0"
    tags = {b"desc": b"desc" + struct.pack(">4xI5s4xI71x", 5, b"test\0", 0), b"cprt": text, **tags}
    tags = {**tags, b"wtpt": xyz((0.9642, 1.0, 0.8249))}
    offset, entries, content = 132 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        entries += name + struct.pack(">II", offset + len(content), len(data))
        content += data + bytes(-len(data) % 4)
    header = struct.pack(
        ">I4xI4s4s4s6H4s28x12s48xI",
        offset + len(content), version, device_class, space, connection_space, 1998, 2, 9, 6, 49, 0, b"acsp",
        fixed(0.9642) + fixed(1) + fixed(0.8249), len(tags),
    )  # fmt: skip
    return header + entries + content


def rgb(colorants: tuple[tuple[float, float, float], ...], curve: bytes, **more: bytes) -> bytes:
    """An RGB profile of colorants and one tone curve, with more tags."""
    tags = {name + b"XYZ": xyz(value) for name, value in zip((b"r", b"g", b"b"), colorants, strict=True)}
    tags |= {name + b"TRC": curve for name in (b"r", b"g", b"b")}
    return profile(tags | {name.encode(): data for name, data in more.items()})


def grey(curve: bytes, **changes: bytes) -> bytes:
    """A grey profile of one tone curve."""
    return profile({b"kTRC": curve}, space=b"GRAY", **changes)  # type: ignore[arg-type]


def lcms(name: str) -> bytes:
    """A profile that LittleCMS makes."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes()  # type: ignore[arg-type]


def opened(data: bytes) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(io.BytesIO(data))


CHART = b"mft2" + bytes(48)
"""A table that takes precedence over colorants and tone curves; its content plays no part."""

USUAL = {
    "sRGB of lcms": ("sRGB", lcms("sRGB")),
    "sRGB, 1024 entries as HP's": ("sRGB", rgb(SRGB, table(srgb_curve))),
    "sRGB, 4096 entries": ("sRGB", rgb(SRGB, table(srgb_curve, 4096))),
    "sRGB, 64 entries": ("sRGB", rgb(SRGB, table(srgb_curve, 64))),
    "sRGB, version 4, parametric": ("sRGB", rgb(SRGB, SRGB_PARAMETRIC)),
    "sRGB, parametric with all seven": (
        "sRGB", rgb(SRGB, parametric(4, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045, 0, 0)),
    ),
    "sRGB that names its code points": ("sRGB", rgb(SRGB, SRGB_PARAMETRIC, cicp=cicp(1, 13))),
    "sRGB, colorants rounded": ("sRGB", rgb(ROUNDED_SRGB, table(srgb_curve))),
    "Display P3": ("Display P3", rgb(DISPLAY_P3, SRGB_PARAMETRIC)),
    "Display P3, table": ("Display P3", rgb(DISPLAY_P3, table(srgb_curve))),
    "Adobe RGB": ("Adobe RGB (1998)", rgb(ADOBE_RGB, gamma(563 / 256))),
    "Adobe RGB, table": ("Adobe RGB (1998)", rgb(ADOBE_RGB, table(lambda v: v ** (563 / 256), 4096))),
    "Rec. 2020": ("Rec. 2020", rgb(REC_2020, table(bt_curve, 4096))),
    "Rec. 2020, parametric": ("Rec. 2020", rgb(REC_2020, BT_PARAMETRIC)),
    "grey gamma 2.2": ("grey gamma 2.2", grey(gamma(2.2))),
    "grey gamma 2.2, parametric": ("grey gamma 2.2", grey(parametric(0, 2.2))),
    "grey sRGB": ("grey sRGB", grey(table(srgb_curve))),
    "grey sRGB, parametric": ("grey sRGB", grey(SRGB_PARAMETRIC)),
}  # fmt: skip
"""Name -> colour space and a profile of it."""

OTHERS = {
    "ProPhoto": rgb(PROPHOTO, gamma(1.8)),
    "Apple RGB": rgb(APPLE_RGB, gamma(1.8)),
    "linear light": rgb(SRGB, parametric(0, 1.0)),
    "identity": rgb(SRGB, b"curv" + bytes(8)),
    "sRGB primaries, gamma 2.2": rgb(SRGB, gamma(2.2)),
    "sRGB primaries, curve of BT.709": rgb(SRGB, table(bt_curve)),
    "P3 with gamma 2.6": rgb(DISPLAY_P3, gamma(2.6)),
    "Rec. 2020 with gamma 2.4": rgb(REC_2020, gamma(2.4)),
    "red and green exchanged": rgb((SRGB[1], SRGB[0], SRGB[2]), SRGB_PARAMETRIC),
    "not adapted to D50": rgb(SRGB_AT_D65, SRGB_PARAMETRIC),
    "sRGB with a table before it, as the preference profile of the ICC": rgb(SRGB, SRGB_PARAMETRIC, A2B0=CHART),
    "sRGB with a table for the way back": rgb(SRGB, SRGB_PARAMETRIC, B2A1=CHART),
    "sRGB with a floating point table": rgb(SRGB, SRGB_PARAMETRIC, D2B0=CHART),
    "named PQ": rgb(REC_2020, table(bt_curve), cicp=cicp(9, 16)),
    "limited range": rgb(SRGB, SRGB_PARAMETRIC, cicp=cicp(1, 13, full_range=False)),
    "dot gain": grey(table(dot_gain_curve)),
    "grey gamma 1.8": grey(gamma(1.8)),
    "linear grey": grey(gamma(1.0)),
    "grey in Lab": grey(table(srgb_curve), connection_space=b"Lab "),
    "one curve is another": profile(
        {b"rXYZ": xyz(SRGB[0]), b"gXYZ": xyz(SRGB[1]), b"bXYZ": xyz(SRGB[2]), b"rTRC": SRGB_PARAMETRIC}
        | {b"gTRC": SRGB_PARAMETRIC, b"bTRC": gamma(2.0)}
    ),
    "a printer's": profile(
        {b"rXYZ": xyz(SRGB[0]), b"gXYZ": xyz(SRGB[1]), b"bXYZ": xyz(SRGB[2])}
        | {name + b"TRC": SRGB_PARAMETRIC for name in (b"r", b"g", b"b")},
        device_class=b"prtr",
    ),
    "XYZ of lcms": lcms("XYZ"),
    "Lab of lcms": lcms("LAB"),
}  # fmt: skip
"""Name -> a profile that is none of the colour spaces."""

_GOOD = rgb(SRGB, SRGB_PARAMETRIC)


def _patched(offset: int, data: bytes) -> bytes:
    return _GOOD[:offset] + data + _GOOD[offset + len(data) :]


HOSTILE = {
    "nothing": b"",
    "header only": _GOOD[:128],
    "truncated": _GOOD[:-8],
    "no signature": _patched(36, b"XXXX"),
    "4294967295 tags": _patched(128, b"\xff" * 4),
    "100 tags announced": _patched(128, struct.pack(">I", 100)),
    "a tag outside": _patched(136, struct.pack(">II", 0xFFFFFFF0, 0xFFFFFFF0)),
    "a tag of 4 GB": _patched(136, struct.pack(">II", 132, 0xFFFFFFFF)),
    "a curve of 4294967295 entries": rgb(SRGB, b"curv" + struct.pack(">4xI", 0xFFFFFFFF)),
    "a curve without entries that it announces": rgb(SRGB, b"curv" + struct.pack(">4xI", 1024)),
    "a curve of 70000 entries": rgb(SRGB, b"curv" + struct.pack(">4xI", 70000) + bytes(140000)),
    "an unknown curve": rgb(SRGB, b"mAB " + bytes(28)),
    "an unknown function": rgb(SRGB, parametric(5, 1.0)),
    "a curve that ends early": rgb(SRGB, SRGB_PARAMETRIC[:20]),
    "an empty curve": rgb(SRGB, b""),
    "division by zero": rgb(SRGB, parametric(1, 2.4, 0.0, 1.0)),
    "zero to a negative power": rgb(SRGB, parametric(0, -1.0)),
    "a root of a negative number": rgb(SRGB, parametric(3, 2.4, 1.0, -2.0, 1.0, 0.0)),
    "a power that overflows": rgb(SRGB, parametric(3, 32767.0, 32767.0, 0.0, 1.0, 0.0)),
    "colorants of another type": rgb(SRGB, SRGB_PARAMETRIC, rXYZ=b"curv" + bytes(16)),
    "a colorant that ends early": rgb(SRGB, SRGB_PARAMETRIC, rXYZ=b"XYZ "),
    "no colorants": profile({name + b"TRC": SRGB_PARAMETRIC for name in (b"r", b"g", b"b")}),
    "no curve": profile({}, space=b"GRAY"),
    "no bytes in cicp": rgb(SRGB, SRGB_PARAMETRIC, cicp=b"cicp"),
}
"""Name -> a profile that cannot be read."""
