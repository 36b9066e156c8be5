"""Cases of errors and warnings: options that are refused, and files whose header or sections are not valid."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from guard import calls, file_bytes
from guard.containers import HEADER
from guard.inputs import codes
from guard.results import said, told

if TYPE_CHECKING:
    from collections.abc import Iterator


def refused_options() -> list[dict[str, Any]]:
    """Options that are refused or that cause a warning, alone or together."""
    alone: list[dict[str, Any]] = [
        {name: value}
        for name, values in {
            "quality": (-1, 101, 50.5, "50", True),
            "colors": (1, 4097, 2.5, "many", (), (2,) * 9, (16, 1), (16, "x")),
            "model": ("", 5),
            "steps": (-1, 256, 1.5),
            "payload": ("pallete", 1),
            "effort": (-1, 10, "4"),
            "target_size": (0, 1 << 28, 1e3),
            "step": (0.99, 128.1, "5", float("nan"), True),
            "profile": ("buehlmann", 1),
            "exif": ("text", 5),
            "icc_profile": ("text",),
            "xmp": (5, "\udc80"),
            "text": (5, {"a": 1}, {1: "a"}, {"": "x"}, {"k" * 256: "x"}, {"a": "\udc80"}),
        }.items()
        for value in values
    ]
    return [
        *alone,
        {"target_size": 900, "colors": 5},
        {"target_size": 900, "payload": "direct"},
        {"target_size": 900, "quality": 5},
        {"target_size": 900, "step": 5},
        {"step": 5, "quality": 5},
        {"step": 5, "colors": 5},
        {"step": 5, "payload": "direct"},
        {"step": 5, "payload": "palette"},
        {"colors": 5, "payload": "direct"},
        {"colors": 5, "payload": "scalar"},
        *({"profile": "buehlmann2022", name: 5} for name in ("quality", "colors", "effort", "target_size", "step")),
        {"profile": "buehlmann2022", "payload": "palette"},
        *({name: 1} for name in ("qualty", "colours", "Quality", "target-size", "icc", "effor", "zebra", "speed")),
        *({name: 1} for name in ("method", "compress_level", "lossless", "comment", "pnginfo", "optimize")),
        {"quality": 5, "colors": 5},
        {"quality": 5, "payload": "direct"},
        {"quality": None, "colors": None},
    ]


def option_messages() -> Iterator[tuple[str, str]]:
    """The options and metadata that each set of keywords gives, or its error, with any warnings."""

    def checked(keywords: dict[str, Any]) -> str:
        options, metadata = calls.check_options(calls.new_names(keywords), {})
        return f"{options} {metadata}"

    for keywords in refused_options():
        where = ", ".join(f"{name}={value!r}" for name, value in keywords.items())
        yield where[:80], said(partial(checked, keywords))


def other_starts(whole: bytes) -> dict[str, bytes]:
    """Files of other formats, and a file damaged in its first bytes or its header."""
    starts = {
        "nothing": b"",
        "a part of the magic": whole[:5],
        "the magic": whole[:8],
        "a part of the header": whole[:20],
        "only a header": whole[:33],
        "a ZIP archive": b"PK\x03\x04" + bytes(40),
        "a lost high bit": b"\x09" + whole[1:],
        "changed line ends": whole.replace(b"\r\n", b"\n"),
        "recoded": whole.decode("latin-1").encode(),
        "a PNG": b"\x89PNG\r\n\x1a\n" + bytes(40),
        "text": b"just a text that is long enough",
        "bytes after the end": whole + b"\0",
    }
    for offset, name in (
        (8, "version"),
        (9, "flags"),
        (10, "mode"),
        (11, "payload"),
        (22, "quantiser"),
        (16, "factor"),
    ):
        starts[f"another {name}"] = whole[:offset] + b"\xf5" + whole[offset + 1 :]
    for offset, name in ((12, "width"), (14, "height"), (17, "channels"), (18, "latent width"), (20, "latent height")):
        starts[f"no {name}"] = whole[:offset] + b"\0\0" + whole[offset + 2 :]
        starts[f"a large {name}"] = whole[:offset] + b"\xff\xff" + whole[offset + 2 :]
    return starts


def forged(whole: bytes) -> dict[str, bytes]:
    """A file with other sections, and with lengths that are not valid."""
    head, parts = file_bytes.apart(whole)
    layer = parts[0]
    sections = {
        "two layers of one": [layer, layer],
        "no layer": [],
        "alpha without need": [(file_bytes.ALPHA, b"\x01\xff"), layer],
        "a wrong preview": [(file_bytes.PREVIEW, bytes(14)), layer],
        "an icc profile twice": [(file_bytes.ICC, b"\0a"), (file_bytes.ICC, b"\0a"), layer],
        "a section that must be known": [(0x07, b""), layer],
        "an unknown coding": [(file_bytes.LAYER, b"\x09" + layer[1][1:])],
    }
    return {
        **{name: file_bytes.assemble(head, listed) for name, listed in sections.items()},
        "no alpha where the mode has it": file_bytes.assemble(head[:10] + b"\x03" + head[11:], [layer]),
        "a length in too many bytes": head + b"\x01" + b"\x80" * 5 + b"\x01" + bytes(9),
        "a length not in its shortest form": head + b"\x01\x82\x00" + bytes(9),
    }


def start_messages() -> Iterator[tuple[str, str]]:
    """The error that reading each of these files raises, if any."""
    whole = calls.container_bytes(calls.header(**HEADER), [calls.encode_direct(codes(4, 5, 6, 4, 3))])
    for name, data in {**other_starts(whole), **forged(whole)}.items():
        try:
            calls.parse_file(data)
            calls.file_codes(data)
            outcome = "is read"
        except Exception as error:
            outcome = told(error)
        yield name, outcome
