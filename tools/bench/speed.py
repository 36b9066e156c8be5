"""How long formats take at equal bytes, in which memory, and how much of the machine's arithmetic .sdz gets."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

import peak_memory
from pillow_sdz.evaluation.codecs import decoded, largest_not_above
from timing import matmul_rate, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from photos import Photo
    from pillow_sdz.evaluation.codecs import Encoded, Format
    from pillow_sdz.models.manifest import Manifest
    from pillow_sdz.models.model import Model

Row = dict[str, Any]


def contenders(formats: Sequence[Format]) -> list[Format]:
    """The formats, and AVIF a second time as Pillow runs it by default: its speed is a matter of taste."""
    more = [
        replace(form, name="avif-default", label="AVIF, Pillow's default speed", options={})
        for form in formats
        if form.name == "avif"
    ]
    return [*formats, *more]


def measure(
    photos: Sequence[Photo],
    formats: Sequence[Format],
    manifest: Manifest,
    quality: int = 50,
    repeat: int = 3,
    progress: Callable[[], object] = lambda: None,
) -> Row:
    """Times and memory of each format at the .sdz's bytes, ratios to AVIF's, and .sdz's share of the matrix rate.

    Args:
        photos: what to encode and decode; at least one.
        formats: .sdz first.
        manifest: the model that .sdz uses.
        quality: of the .sdz.
        repeat: runs of each action, after one that does not count.
        progress: called after each format of each picture.

    Returns:
        ``formats``: a row each (median seconds per megapixel over the pictures, peak MiB of the largest one),
        ``ratios`` to each kind of AVIF, ``arithmetic``: the matrix rate and what .sdz makes of it.
    """
    from pillow_sdz.models import registry

    model = registry.load(manifest)
    forms, largest = contenders(formats), max(photos, key=lambda photo: photo.pixels)
    times: dict[str, list[tuple[float, float]]] = {form.name: [] for form in forms}
    qualities: dict[str, dict[str, int]] = {form.name: {} for form in forms}
    rates, arithmetic = [], []
    for photo in photos:
        rates.append(matmul_rate(model.device))
        budget = len(forms[0].encode(photo.image, quality))
        for form in forms:
            file = _file(form, photo, quality, budget)
            qualities[form.name][photo.name] = file.quality
            encode, decode = _times(form, photo, file, repeat)
            times[form.name].append((encode / photo.pixels * 1e6, decode / photo.pixels * 1e6))
            if form.name == "sdz":
                arithmetic.append((encode, decode, flops(model, photo), flops(unchanged(model), photo)))
            progress()
    table = []
    for form in forms:
        memory = peak_memory.measure(form, largest.image, qualities[form.name][largest.name])
        encode, decode = (median(column) for column in zip(*times[form.name], strict=True))
        row: Row = {"format": form.name, "label": form.label, "encode_s_per_mp": encode, "decode_s_per_mp": decode}
        row |= {f"{name}_peak_mib": value for name, value in memory.items()}
        table.append(row | {"qualities": qualities[form.name]})
        progress()
    return {
        "formats": table,
        "memory": {
            "picture": largest.name,
            "megapixels": largest.pixels / 1e6,
            "base_peak_mib": peak_memory.base(largest.image),
        },
        "ratios": {row["format"]: _ratio(table[0], row) for row in table if row["format"].startswith("avif")},
        "arithmetic": _shares(arithmetic, median(rates)) | {"device": model.device, "pictures": len(photos)},
    }


def steps(count: int, formats: Sequence[Format]) -> int:
    """How often `measure` calls ``progress``."""
    return (count + 1) * len(contenders(formats))


def _file(form: Format, photo: Photo, quality: int, budget: int) -> Encoded:
    return largest_not_above(
        replace(form, least=quality, most=quality) if form.name == "sdz" else form, photo.image, budget
    )


def _times(form: Format, photo: Photo, file: Encoded, repeat: int) -> tuple[float, float]:
    decoded(file.data)  # the first decode may load something
    encode = seconds(lambda: form.encode(photo.image, file.quality), repeat)
    return encode, seconds(lambda: decoded(file.data), repeat)


def _ratio(sdz: Row, other: Row) -> Row:
    return {name: sdz[f"{name}_s_per_mp"] / other[f"{name}_s_per_mp"] for name in ("encode", "decode")}


def unchanged(model: Model) -> Model:
    """The model with networks as diffusers runs them, weights aside: without the package's faster forms."""
    import torch

    from pillow_sdz.models.diffusion.denoise import Conditioned

    def fresh(network: Any) -> Any:
        copy = type(network).from_config(network.config)
        move: Any = torch.nn.Module.to  # that of diffusers logs a warning
        return move(copy, model.device, model.dtype).eval()

    with torch.random.fork_rng():
        unet = model.unet
        if unet is not None:
            unet = unet.around(fresh) if isinstance(unet, Conditioned) else fresh(unet)
        return dataclasses.replace(model, vae=fresh(model.vae), unet=unet)


def flops(model: Model, photo: Photo) -> dict[str, int]:
    """Operations of the networks' convolutions and matrix products for a picture; a multiplication and an addition are two."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as encode:
        latents = model.encode(np.array(photo.image))
    with FlopCounterMode(display=False) as decode:
        model.decode(model.denoise(latents, 0.1, model.manifest.steps), photo.image.height, photo.image.width)
    return {"encode": encode.get_total_flops(), "decode": decode.get_total_flops()}


def _shares(rows: Sequence[tuple[float, float, dict[str, int], dict[str, int]]], rate: float) -> Row:
    """Median achieved rates. Whole times of ``save`` and ``load`` count, with all that is not a network."""
    result: Row = {"matmul_gflops_per_s": rate}
    for place, name in enumerate(("encode", "decode")):
        for kind, which in (("executed", 2), ("as_defined", 3)):
            achieved = median(row[which][name] / row[place] / 1e9 for row in rows)  # type: ignore[index, operator]
            result[f"{name}_{kind}_gflops_per_s"] = achieved
            result[f"{name}_{kind}_share"] = achieved / rate
    return result
