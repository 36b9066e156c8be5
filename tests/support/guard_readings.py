"""What the reading guard pins: what golden files say, and what damaged ones give."""

from __future__ import annotations

import io
import json
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import guard_bytes
import guard_calls as calls
import numpy as np
from guard_cases import short, told
from PIL import Image, ImageFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VECTORS = Path(__file__).parents[1] / "vectors"

CUTS = 12
FLIPS = 40
LARGE = 100
"""Files of more latent positions get a quarter fewer flipped bits, for time's sake."""


def golden_files() -> dict[str, bytes]:
    """All golden files by the names of their folders."""
    return {f"{path.parts[-3]}/{path.parts[-2]}": path.read_bytes() for path in sorted(VECTORS.glob("*/*/file.sdz"))}


def in_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return f"{len(value)} bytes, {short(value)}"
    return list(value) if isinstance(value, tuple) else value


def info_of(image: Image.Image) -> dict[str, Any]:
    """``steps`` is another name of ``denoise_steps``, and was there first."""
    return {str(key): in_json(value) for key, value in image.info.items() if key != "denoise_steps"}


def small_picture(data: bytes) -> tuple[str, tuple[int, int], bytes]:
    """Mode, size and pixels of the preview; by ``draft`` where that gives one."""
    image = Image.open(io.BytesIO(data))
    image.draft(None, (1, 1))
    if calls.is_preview(image):
        return image.mode, image.size, image.tobytes()
    if calls.parse_file(data).preview is None:
        return "no preview", (0, 0), b""
    rgb, alpha = calls.file_preview(data)  # a picture of a few pixels is decoded in full
    pixels = rgb if alpha is None else np.concatenate([rgb, alpha[:, :, None]], axis=2)
    return "preview", (rgb.shape[1], rgb.shape[0]), pixels.tobytes()


def thumbnail(data: bytes) -> str:
    image = Image.open(io.BytesIO(data))
    image.thumbnail((6, 6), Image.Resampling.NEAREST, reducing_gap=2)
    return f"{image.mode} {image.size[0]} x {image.size[1]}, {short(image.tobytes())}"


def said(action: Callable[[], str]) -> str:
    """What an action gives, or the class and message of its failure; and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = action()
        except Exception as error:
            result = told(error)
    return "; ".join([result, *(f"warns: {each.message}" for each in caught)])


def verified(data: bytes) -> str:
    Image.open(io.BytesIO(data)).verify()
    return "sound"


def loaded(data: bytes) -> str:
    Image.open(io.BytesIO(data)).load()
    return "loads"


def reading(data: bytes) -> dict[str, Any]:
    """What a golden file says."""
    image = Image.open(io.BytesIO(data))
    mode, size, pixels = small_picture(data)
    codes = calls.file_codes(data)
    found: dict[str, Any] = {
        "size": list(image.size),
        "mode": image.mode,
        "info": info_of(image),
        "codes": f"{' x '.join(map(str, codes.shape))}, {short(codes.tobytes())}",
        "preview": f"{mode} {size[0]} x {size[1]}, {short(pixels)}",
        "verify": said(lambda: verified(data)),
    }
    if mode != "preview":
        found["thumbnail"] = thumbnail(data)
    if image.info["fingerprint"] != calls.shipped_fingerprint():
        found["load"] = said(lambda: loaded(data))  # no model: it fails
    return found


def readings() -> Iterator[tuple[str, Any]]:
    for name, data in golden_files().items():
        yield name, reading(data)


# Damage ---------------------------------------------------------------------------------------------------------------


def spread(count: int, wanted: int) -> list[int]:
    """At most so many of 0 .. count - 1, evenly spaced, the first and the last among them."""
    if count <= wanted:
        return list(range(count))
    return [number * (count - 1) // (wanted - 1) for number in range(wanted)]


def damages(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The file cut short; with bits flipped; with its last body cut, and sections lost. All but the first have right
    checksums, so that the damage reaches what decodes the bodies. A few are left as a bad line would leave them.
    """
    for place in spread(len(data) - 8, CUTS):
        yield f"cut to {8 + place}", data[: 8 + place]  # behind the magic: without it Pillow does not ask us
    places = [
        *(8 + place for place in spread(guard_bytes.FINGERPRINT_AT - 8, FLIPS // 8)),
        guard_bytes.FINGERPRINT_AT + 3,
    ]
    ranges = [(kind == guard_bytes.LAYER, start, end) for kind, start, end in guard_bytes.sections(data)]
    large = int.from_bytes(data[18:20], "little") * int.from_bytes(data[20:22], "little") > LARGE
    for of_layers, wanted in ((False, FLIPS // 4), (True, FLIPS // 4 if large else FLIPS // 2)):
        covered = [place for is_layer, start, end in ranges if is_layer == of_layers for place in range(start, end)]
        places += [covered[place] for place in spread(len(covered), wanted)]
    for number, offset in enumerate(places):
        bit = (5 * number + 3) % 8
        flipped = data[:offset] + bytes([data[offset] ^ 1 << bit]) + data[offset + 1 :]
        yield f"flip {offset}.{bit}", guard_bytes.mended(flipped, data)
        if number % 20 == 0:
            yield f"flip {offset}.{bit}, checksum left", flipped
    head, parts = guard_bytes.apart(data)
    kind, body = parts[-1]
    for length in spread(len(body), CUTS)[:-1]:
        yield f"body cut to {length}", guard_bytes.assemble(head, [*parts[:-1], (kind, body[:length])])
    yield "body longer", guard_bytes.assemble(head, [*parts[:-1], (kind, body + b"\0")])
    for number in range(len(parts)):
        yield f"section {number} lost", guard_bytes.assemble(head, parts[:number] + parts[number + 1 :])


def outcome(data: bytes) -> str:
    """How reading a damaged file fails, or a digest of all that it gives."""

    def read() -> str:
        image = Image.open(io.BytesIO(data))
        given = json.dumps([image.mode, image.size, info_of(image)], sort_keys=True).encode()
        if image.mode.endswith("A"):
            given += small_picture(data)[2]
        return "decodes: " + short(given + calls.file_codes(data).tobytes())[:12]

    return said(read)


def damaged() -> Iterator[tuple[str, Any]]:
    """By file and outcome: which damages lead there."""
    for name, data in golden_files().items():
        found: dict[str, list[str]] = {}
        for damage, changed in damages(data):
            found.setdefault(outcome(changed), []).append(damage)
        digests = [key for key in found if re.fullmatch("decodes: [0-9a-f]+", key)]
        yield f"{name}: decodes", " ".join(f"[{', '.join(found[key])}] {key[9:]}" for key in digests)
        for key in found:
            if key not in digests:
                yield f"{name}: {key}", ", ".join(found[key])


def truncated() -> Iterator[tuple[str, Any]]:
    """Files of several layers that are cut, opened with ``LOAD_TRUNCATED_IMAGES``."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        for name, data in golden_files().items():
            ends = [end + 4 for kind, _, end in guard_bytes.sections(data) if kind == guard_bytes.LAYER]
            for length in {*ends[:-1], ends[-1] - 1} if len(ends) > 1 else ():
                yield f"{name}, cut to {length}", said(lambda cut=data[:length]: described(cut))  # type: ignore[misc]
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def described(data: bytes) -> str:
    image = Image.open(io.BytesIO(data))
    image.draft(None, (1, 1))
    if not calls.is_preview(image):
        return f"{image.info['layers']} layers"
    return f"{image.info['layers']} layers, {short(image.tobytes())}"


READ: dict[str, Callable[[], Iterator[tuple[str, Any]]]] = {
    "golden files": readings,
    "damaged": damaged,
    "truncated": truncated,
}


def entries(group: str) -> dict[str, Any]:
    """What the cases of a group give, by name."""
    return dict(READ[group]())
