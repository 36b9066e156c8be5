"""--info and --test: describe an SDZ file, and check all of it that decodes without networks; without torch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pillow_sdz.cli.convert import Result
from pillow_sdz.cli.printable import printable
from pillow_sdz.codec.file import SdzFile, read, read_all
from pillow_sdz.codec.preview import has_preview
from pillow_sdz.container.metadata import METADATA_SECTIONS
from pillow_sdz.container.sections import parts_of
from pillow_sdz.container.stored_error import HIGHEST_DB, cell_side
from pillow_sdz.errors import SdzModelError, naming_file
from pillow_sdz.models import registry
from pillow_sdz.payloads.codes import NOISE_UNIT
from pillow_sdz.plugin.info import error_info

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pillow_sdz.cli.jobs import Job
    from pillow_sdz.cli.sources import Source

_BLOBS = tuple(kind for kind in METADATA_SECTIONS.values() if kind != "text")
_SHOWN_CHARACTERS = 200  # most characters of a text that `lines` shows; JSON has all of them


def info(job: Job) -> Result:
    """Header, layers and metadata of one file.

    Raises:
        SdzError: the file is damaged.
    """
    with naming_file(job.source.name):
        data, file = read_source(job.source)
        details = details_of(file, len(data))
    header = file.header
    return Result(job, "done", len(data), None, header.width, header.height, details=details, shown=lines(details))


def details_of(file: SdzFile, size: int) -> dict[str, Any]:
    """What --info says about a file of so many bytes, as --json prints it.

    Raises:
        SdzError: metadata or what it says about its error are damaged.
    """
    header, container, metadata = file.header, file.container, file.metadata()
    error, error_map = error_info(file), _error_map(file)
    payload = file.payload.describe()
    return {
        "version": header.version,
        "mode": header.mode,
        "width": header.width,
        "height": header.height,
        "bytes": size,
        "bpp": 8 * size / (header.width * header.height),
        "payload": header.payload,
        "payload_summary": payload.summary,
        "model": _model(header.fingerprint) if file.needs_model else None,
        "needs_model": file.needs_model,
        "fingerprint": header.fingerprint.hex(),
        "latent": {"width": header.latent_width, "height": header.latent_height, "channels": header.channels},
        "factor": header.factor,
        "noise": header.noise * NOISE_UNIT,
        "step": payload.info.get("step"),
        "denoise_steps": header.denoise_steps,
        "steps": header.denoise_steps,
        "synthesised": header.synthesised,
        "layers": list(payload.layers),
        "patches": 0 if file.patches is None else len(file.patches.rectangles),
        "patched": 0.0 if file.patches is None else file.patches.share(header.width, header.height),
        "stored_error": error or None,
        "error_map": error_map,
        "alpha_bytes": len(container.alpha or b""),
        "preview": _has_preview(file),
        **{f"{kind}_bytes": len(getattr(metadata, kind) or b"") for kind in _BLOBS},
        "text": metadata.text,
        "colour_space": metadata.colour_space,
        "parts": [{"name": name, "bytes": size} for name, size in parts_of(container)],
        "unknown_sections": [{"type": kind, "bytes": len(body)} for kind, body in container.unknown],
    }


def test(job: Job) -> Result:
    """Check one file: structure, limits, checksums; then codes and all other sections by decoding them.

    Raises:
        SdzError: something does not decode, or the codes need the prior of a model that is not installed.
    """
    started = time.perf_counter()
    with naming_file(job.source.name):
        data, file = read_source(job.source)
        file.metadata()
        file.alpha()
        file.error()
        file.error_map()
        file.codes()
        file.check_patches()
    header = file.header
    return Result(job, "done", len(data), None, header.width, header.height, time.perf_counter() - started)


def lines(details: dict[str, Any]) -> list[str]:
    """What `info` found, as lines of text.

    Args:
        details: of its result.
    """
    shown = facts(details)
    for key, value in details["text"].items():
        more = "..." if len(value) > _SHOWN_CHARACTERS else ""
        shown[f"text {printable(key)}"] = printable(value[:_SHOWN_CHARACTERS]) + more
    sizes = ", ".join(f"{part['name']} {part['bytes']:,}" for part in details["parts"])
    shown["in file"] = f"{sizes} bytes, heads and checksums included"
    width = max(map(len, shown))
    return [f"  {name:<{width}}  {value}" for name, value in shown.items()]


def facts(details: dict[str, Any]) -> dict[str, str]:
    """What `info` found in words, by what it is about; without texts, and the sizes of the file's parts.

    Args:
        details: of its result.
    """
    latent, model = details["latent"], details["model"] or "not installed"
    shown = {
        "picture": f"{details['width']} x {details['height']}, {details['mode']}",
        "file": f"{details['bytes']:,} bytes, {details['bpp']:.3f} bits per pixel, format version {details['version']}",
        "model": f"{model} (fingerprint {details['fingerprint']})" if details["needs_model"] else "none needed",
        "latent": f"{latent['width']} x {latent['height']}, {latent['channels']} channels, factor {details['factor']}",
        "payload": ", ".join(filter(None, (details["payload"], details["payload_summary"]))),
    }
    if not details["needs_model"]:
        del shown["latent"]
    for number, layer in enumerate(details["layers"], 1):
        palette = "" if layer["entries"] is None else f"{layer['entries']} entries, {layer['coding']} indices, "
        shown[f"layer {number}"] = f"{palette}{layer['bytes']:,} bytes"
    if details["needs_model"]:
        shown["noise"] = f"{details['noise']:.2f} codes rms, {details['denoise_steps']} U-Net steps"
    shown["detail"] = "may be synthesised in decoding" if details["synthesised"] else "none synthesised"
    if details["patches"]:
        shown["patches"] = f"{details['patches']}, {details['patched']:.1%} of the picture"
    if details["stored_error"] is not None:
        shown["as decoded"] = error_words(details["stored_error"])
    if (error_map := details["error_map"]) is not None:
        shown["error map"] = f"{error_map['columns']} x {error_map['rows']} cells of {error_map['cell']} pixels"
    if details["colour_space"] is not None:
        shown["colour space"] = details["colour_space"]
    shown["preview"] = "yes" if details["preview"] else "no"
    for kind in ("alpha", *_BLOBS):
        if size := details.get(f"{kind}_bytes"):
            shown[kind] = f"{size:,} bytes"
    for section in details["unknown_sections"]:
        shown[f"section 0x{section['type']:02x}"] = f"unknown, {section['bytes']:,} bytes"
    return shown


def error_words(error: Mapping[str, float]) -> str:
    """What a file says about its own error, in words.

    Args:
        error: as `pillow_sdz.plugin.info.error_info`.

    >>> error_words({"psnr": 25.31, "ms_ssim": 0.9187, "synthesised": 0.94, "patched": 0.06, "whole": 0.0})
    '25.3 dB PSNR, MS-SSIM 0.919; 94 % of the area is synthesised, 6 % patched'
    >>> error_words({"psnr": 100.0, "ms_ssim": 1.0, "synthesised": 0.0, "patched": 0.0, "whole": 1.0})
    'the same pixels as the original; 100 % of the area is stored as pixels'
    """
    figures = []
    if (psnr := error.get("psnr")) is not None:
        figures.append("the same pixels as the original" if psnr == HIGHEST_DB else f"{psnr:.1f} dB PSNR")
    if (similarity := error.get("ms_ssim")) is not None and psnr != HIGHEST_DB:
        digits = 3 if similarity < 0.99 else 5
        figures.append(f"MS-SSIM {similarity:.{digits}f}")
    if (score := error.get("ssimulacra2")) is not None:
        figures.append(f"SSIMULACRA 2 {score:.1f}")
    names = {"synthesised": "synthesised", "patched": "patched", "whole": "stored as pixels"}
    shares = [(word, round(100 * error[name])) for name, word in names.items() if error[name]]
    first = [f"{shares[0][1]} % of the area is {shares[0][0]}"] if shares else []
    areas = ", ".join(first + [f"{percent} % {word}" for word, percent in shares[1:]])
    return "; ".join(filter(None, (", ".join(figures) or "not measured", areas)))


def _error_map(file: SdzFile) -> dict[str, Any] | None:
    """The error map for JSON: the side of a cell in pixels, and the levels row by row."""
    levels = file.error_map()
    if levels is None:
        return None
    rows, columns = levels.shape
    side = cell_side(file.header.width, file.header.height)
    return {"cell": side, "columns": columns, "rows": rows, "levels": levels.tolist()}


def read_source(source: Source) -> tuple[bytes, SdzFile]:
    """The bytes of a source, and the file read from them.

    Raises:
        SdzError: the file is damaged.
    """
    if source.path is None:
        data = source.data or b""
    else:
        with source.path.open("rb") as stream:
            data = read_all(stream)
    return data, read(data)


def _has_preview(file: SdzFile) -> bool:
    """Whether a preview can be made: the file holds a matrix, or its model is installed and has networks."""
    try:
        return has_preview(file)
    except SdzModelError:  # the manifest of some model cannot be read
        return False


def _model(fingerprint: bytes) -> str | None:
    try:
        return registry.name_of(fingerprint)
    except SdzModelError as error:  # an installed model's manifest is damaged; the file can be described nonetheless
        return f"unknown: {error}"
