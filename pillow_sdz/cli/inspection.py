"""--info and --test: what an SDZ file says about itself, and whether all but its picture decodes; without torch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pillow_sdz.cli.convert import Result
from pillow_sdz.cli.printable import printable
from pillow_sdz.codec import reading
from pillow_sdz.container.sections import Container, parse
from pillow_sdz.errors import SdzModelError
from pillow_sdz.models import registry
from pillow_sdz.payloads.codes import NOISE_UNIT
from pillow_sdz.payloads.palette.layers import read_head
from pillow_sdz.plugin.image_file import read_all

if TYPE_CHECKING:
    from pillow_sdz.cli.jobs import Job
    from pillow_sdz.cli.sources import Source

_INDEX_CODINGS = {0: "raw", 1: "deflate", 2: "context"}
_BLOBS = ("icc", "exif", "xmp")
_SHOWN_CHARACTERS = 200  # of one text in the lines for people; JSON has all


def info(job: Job) -> Result:
    """Header, layers and metadata of one file.

    Raises:
        SdzError: the file is damaged.
    """
    data, container = _read(job.source)
    header, metadata = container.header, reading.read_metadata(container, job.source.name)
    details: dict[str, Any] = {
        "version": header.version,
        "mode": header.mode,
        "width": header.width,
        "height": header.height,
        "bytes": len(data),
        "bpp": 8 * len(data) / (header.width * header.height),
        "payload": header.payload,
        "model": _model(header.fingerprint),
        "fingerprint": header.fingerprint.hex(),
        "latent": {"width": header.latent_width, "height": header.latent_height, "channels": header.channels},
        "factor": header.factor,
        "noise": header.noise * NOISE_UNIT,
        "step": reading.read_code_step(container, job.source.name),
        "steps": header.steps,
        "synthesised": header.synthesised,
        "layers": _layers(container, job.source.name),
        "alpha_bytes": len(container.alpha or b""),
        "preview": container.preview is not None,
        **{f"{kind}_bytes": len(getattr(metadata, kind) or b"") for kind in _BLOBS},
        "text": metadata.text,
        "unknown_sections": [{"type": kind, "bytes": len(body)} for kind, body in container.unknown],
    }
    return Result(job, "done", len(data), None, header.width, header.height, details=details)


def test(job: Job) -> Result:
    """Check one file: structure, limits, checksums; then codes, alpha and metadata by decoding them.

    Raises:
        SdzError: something does not decode, or a palette or the prior belongs to a model that is not installed.
    """
    started = time.perf_counter()
    data, container = _read(job.source)
    header, file = container.header, job.source.name
    reading.read_metadata(container, file)
    reading.read_alpha(container, file)
    reading.read_codes(container, file)
    return Result(job, "done", len(data), None, header.width, header.height, time.perf_counter() - started)


def lines(details: dict[str, Any]) -> list[str]:
    """The findings of `info` for people to read."""
    latent, model = details["latent"], details["model"] or "not installed"
    shown = {
        "picture": f"{details['width']} x {details['height']}, {details['mode']}",
        "file": f"{details['bytes']:,} bytes, {details['bpp']:.3f} bits per pixel, format version {details['version']}",
        "model": f"{model} (fingerprint {details['fingerprint']})",
        "latent": f"{latent['width']} x {latent['height']}, {latent['channels']} channels, factor {details['factor']}",
        "payload": details["payload"],
    }
    if details["step"] is not None:
        shown["payload"] += f", in steps of {details['step']:g} codes"
    for number, layer in enumerate(details["layers"], 1):
        palette = "" if layer["entries"] is None else f"{layer['entries']} entries, {layer['coding']} indices, "
        shown[f"layer {number}"] = f"{palette}{layer['bytes']:,} bytes"
    shown["noise"] = f"{details['noise']:.2f} code steps rms, {details['steps']} U-Net steps"
    shown["detail"] = "may be synthesised in decoding" if details["synthesised"] else "none synthesised"
    shown["preview"] = "yes" if details["preview"] else "no"
    for kind in ("alpha", *_BLOBS):
        if size := details.get(f"{kind}_bytes"):
            shown[kind] = f"{size:,} bytes"
    for key, value in details["text"].items():
        more = "..." if len(value) > _SHOWN_CHARACTERS else ""
        shown[f"text {printable(key)}"] = printable(value[:_SHOWN_CHARACTERS]) + more
    for section in details["unknown_sections"]:
        shown[f"section 0x{section['type']:02x}"] = f"unknown, {section['bytes']:,} bytes"
    width = max(map(len, shown))
    return [f"  {name:<{width}}  {value}" for name, value in shown.items()]


def _read(source: Source) -> tuple[bytes, Container]:
    if source.path is None:
        data = source.data or b""
    else:
        with source.path.open("rb") as stream:
            data = read_all(stream, source.name)
    return data, parse(data, file=source.name)


def _model(fingerprint: bytes) -> str | None:
    try:
        return registry.describe(fingerprint)
    except SdzModelError as error:  # another model's manifest is damaged; this file can be described all the same
        return f"unknown: {error}"


def _layers(container: Container, file: str) -> list[dict[str, Any]]:
    if container.header.payload != "palette":
        return [{"bytes": len(body), "entries": None} for body in container.layers]
    found = []
    for position, body in enumerate(container.layers):
        head = read_head(body, container.header, position, file=file)
        found.append(
            {
                "bytes": len(body),
                "entries": head.entries,
                "coding": _INDEX_CODINGS.get(head.index_coding, str(head.index_coding)),
                "palette_bytes": head.index_start - head.palette_start,
                "palette_number": head.palette_number,
            }
        )
    return found
