"""Cases of damaged files: how reading each damaged golden file fails, or what it returns."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

from PIL import Image

from guard import calls, file_bytes
from guard.readings import golden_files, info_of, small_picture
from guard.results import said, short

if TYPE_CHECKING:
    from collections.abc import Iterator

CUTS = 12
FLIPS = 40
"""About how many truncations of a file and of its last body, and about how many flipped bits."""
LARGE = 100
"""In files of more latent positions fewer bits of the layers are flipped, to save time."""


def spread(count: int, wanted: int) -> list[int]:
    """At most ``wanted`` of the numbers 0 to count - 1: evenly spaced, with the first and the last."""
    if count <= wanted:
        return list(range(count))
    return [number * (count - 1) // (wanted - 1) for number in range(wanted)]


def damages(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The file truncated, with single bits flipped, with its last body shortened, and with sections missing.

    Checksums are recomputed (except for truncated files), so that the damage reaches the decoders of the bodies. A few
    of the flipped bits leave a wrong checksum.
    """
    for place in spread(len(data) - 8, CUTS):
        yield f"cut to {8 + place}", data[: 8 + place]  # without the magic number Pillow does not try this format
    places = [
        *(8 + place for place in spread(file_bytes.FINGERPRINT_AT - 8, FLIPS // 8)),
        file_bytes.FINGERPRINT_AT + 3,
    ]
    ranges = [(kind == file_bytes.LAYER, start, end) for kind, start, end in file_bytes.sections(data)]
    large = int.from_bytes(data[18:20], "little") * int.from_bytes(data[20:22], "little") > LARGE
    for of_layers, wanted in ((False, FLIPS // 4), (True, FLIPS // 4 if large else FLIPS // 2)):
        covered = [place for is_layer, start, end in ranges if is_layer == of_layers for place in range(start, end)]
        places += [covered[place] for place in spread(len(covered), wanted)]
    for number, offset in enumerate(places):
        bit = (5 * number + 3) % 8
        flipped = data[:offset] + bytes([data[offset] ^ 1 << bit]) + data[offset + 1 :]
        yield f"flip {offset}.{bit}", file_bytes.mended(flipped, data)
        if number % 20 == 0:
            yield f"flip {offset}.{bit}, checksum left", flipped
    head, parts = file_bytes.apart(data)
    kind, body = parts[-1]
    for length in spread(len(body), CUTS)[:-1]:
        yield f"body cut to {length}", file_bytes.assemble(head, [*parts[:-1], (kind, body[:length])])
    yield "body longer", file_bytes.assemble(head, [*parts[:-1], (kind, body + b"\0")])
    for number in range(len(parts)):
        yield f"section {number} lost", file_bytes.assemble(head, parts[:number] + parts[number + 1 :])


def outcome(data: bytes) -> str:
    """How reading a damaged file fails, or a digest of everything that it returns."""

    def read() -> str:
        image = Image.open(io.BytesIO(data))
        given = json.dumps([image.mode, image.size, info_of(image)], sort_keys=True).encode()
        if image.mode.endswith("A"):
            given += small_picture(data)[2]
        return "decodes: " + short(given + calls.file_codes(data).tobytes())[:12]

    return said(read)


def damaged() -> Iterator[tuple[str, Any]]:
    """For each file and outcome, the damages that lead to it."""
    for name, data in golden_files().items():
        found: dict[str, list[str]] = {}
        for damage, changed in damages(data):
            found.setdefault(outcome(changed), []).append(damage)
        digests = [key for key in found if re.fullmatch("decodes: [0-9a-f]+", key)]
        yield f"{name}: decodes", " ".join(f"[{', '.join(found[key])}] {key[9:]}" for key in digests)
        for key in found:
            if key not in digests:
                yield f"{name}: {key}", ", ".join(found[key])
