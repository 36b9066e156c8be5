"""Cases of the container format: metadata sections, headers, and whole files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from guard import calls, file_bytes
from guard.inputs import a_palette, codes, samples_of_planes, targets
from guard.models import priors
from guard.results import Written

if TYPE_CHECKING:
    from collections.abc import Iterator


TEXTS: dict[str, dict[str, str]] = {
    "nothing": {},
    "one": {"Title": "Coffee \u2615"},
    "order is kept": {"b": "2", "a": "1", "\u00e4": "", "k" * 255: "x" * 20},
    "long": {"Description": "a line of the text\n" * 300, "Author": "\U0001f600"},
    "many": {f"key {n}": f"value {n * n}" for n in range(1024)},
}

BLOBS: dict[str, bytes] = {
    "one byte": b"\x00",
    "short": b"MM\0*",
    "no shorter deflated": bytes(range(256)),
    "runs": b"II*\0" + bytes(2000),
    "xmp": b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>" * 30,
}


def metadata() -> Iterator[tuple[str, Written]]:
    for name, data in BLOBS.items():
        body = calls.encode_blob(data)
        yield f"blob, {name}", Written(body, file_bytes.plain_blob(body))
    for name, text in TEXTS.items():
        body = calls.text_section(text)
        yield f"text, {name}", Written(body, file_bytes.plain_blob(body))


HEADER: dict[str, Any] = {
    "mode": "RGB",
    "payload": "direct",
    "layer_count": 1,
    "width": 48,
    "height": 40,
    "factor": 8,
    "channels": 4,
    "latent_width": 6,
    "latent_height": 5,
    "fingerprint": bytes.fromhex("0123456789abcdef"),
    "noise": 0,
    "steps": 1,
}


WITHOUT_MODEL: dict[str, Any] = {
    "factor": 1,
    "channels": 3,
    "latent_width": 48,
    "latent_height": 40,
    "fingerprint": bytes(8),
    "steps": 0,
    "synthesised": False,
}


def headers() -> Iterator[tuple[str, Written]]:
    def written(**changes: Any) -> Written:
        return Written(calls.head_bytes(calls.header(**{**HEADER, **changes})))

    for mode in ("L", "LA", "RGB", "RGBA"):
        for payload in ("palette", "direct", "scalar"):
            yield f"{mode}, {payload}", written(mode=mode, payload=payload)
        yield f"{mode}, pixels", written(mode=mode, payload="pixels", **WITHOUT_MODEL)
    for count in range(1, 9):
        yield f"{count} layers", written(payload="palette", layer_count=count)
    for factor in (1, 2, 4, 8, 16, 32, 64):
        sides = {"latent_width": -(-65535 // factor), "latent_height": -(-3 // factor)}
        yield f"65535 x 3, factor {factor}", written(width=65535, height=3, factor=factor, channels=1, **sides)
    yield "64 channels", written(channels=64)
    yield "noise 255, steps 255", written(noise=255, steps=255)
    yield "nothing synthesised", written(synthesised=False)
    yield "patched", written(patched=True)


def containers() -> Iterator[tuple[str, Written]]:
    def written(head: dict[str, Any], bodies: list[bytes], **sections: Any) -> Written:
        return Written(calls.container_bytes(calls.header(**{**HEADER, **head}), bodies, **sections))

    values = codes(4, 5, 6, 4, 3)
    alpha = calls.encode_alpha(samples_of_planes()["constant"])
    matrix = bytes(range(15))
    every: dict[str, Any] = {
        "preview": matrix,
        "icc": b"\0profile",
        "exif": b"\0MM\0*",
        "xmp": b"\0<x/>",
        "text": calls.text_section({"Title": "cat"}),
        "unknown": [(0x90, b"later"), (0xFF, b""), (0x8E, bytes(200))],
    }
    wide = np.arange(30, dtype=np.uint16).reshape(5, 6) % 5
    first, second = (calls.layer_body(a_palette(seed, 5, 4), wide, 0) for seed in (1, 2))
    yield "direct", written({}, [calls.encode_direct(values)])
    yield "direct, every section", written({}, [calls.encode_direct(values)], **every)
    yield (
        "direct, every section and alpha",
        written({"mode": "RGBA"}, [calls.encode_direct(values)], alpha=alpha, **every),
    )
    yield "direct, patches", written({"patched": True}, [calls.encode_direct(values)], patches=bytes(range(150)))
    yield "palette, two layers", written({"payload": "palette", "mode": "L", "noise": 9}, [first, second])
    yield "palette, eight layers", written({"payload": "palette", "mode": "LA"}, [first] * 8, alpha=alpha)
    prior, _ = priors()["wider"]
    body = calls.scalar_body(targets(3, 5, 6, 4), 432, prior)
    yield "scalar", written({"payload": "scalar", "noise": calls.noise_of_step(432)}, [body], preview=matrix)
    yield "a section of 128 bytes", written({}, [calls.encode_direct(values)], icc=bytes(128))
    yield "a section of 16384 bytes", written({}, [calls.encode_direct(values)], icc=bytes(16384))
