"""What encoding and decoding cost at equal bytes: time, memory, and the share of this computer's arithmetic."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pillow_sdz.evaluation.codecs import decoded, largest_not_above
from pillow_sdz.models import registry
from tools.bench.resources import base_peak_memory, matmul_rate, peak_memory_of, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pillow_sdz.evaluation.codecs import Codec, EncodedFile
    from pillow_sdz.models.manifest import Manifest
    from pillow_sdz.models.torch_model import TorchModel
    from tools.bench.curves import Row
    from tools.bench.photos import Photo

ACTIONS: Final = ("encode", "decode")

COUNTED_NOISE: Final = 0.1
"""Noise level of the latent that `flops` denoises; the number of operations does not depend on it."""


@dataclass(frozen=True)
class NetworkCost:
    """One picture encoded and decoded as .sdz.

    Attributes:
        seconds: action -> wall-clock time of ``save`` or ``load``.
        executed: action -> operations of the networks as this package computes them, from `flops`.
        as_defined: action -> operations of the same networks with direct convolutions: see `unoptimised`.
    """

    seconds: dict[str, float]
    executed: dict[str, int]
    as_defined: dict[str, int]


def measured_codecs(codecs: Sequence[Codec]) -> list[Codec]:
    """The codecs, and AVIF a second time at Pillow's default speed: which speed is the fair one depends on the use."""
    more = [
        replace(codec, name="avif-default", label="AVIF, Pillow's default speed", options={})
        for codec in codecs
        if codec.name == "avif"
    ]
    return [*codecs, *more]


def measure(
    photos: Sequence[Photo],
    codecs: Sequence[Codec],
    manifest: Manifest,
    quality: int = 50,
    repeat: int = 3,
    progress: Callable[[], object] = lambda: None,
) -> Row:
    """Measure time and memory of each codec at the bytes of the .sdz.

    Args:
        photos: what to encode and decode; at least one.
        codecs: what to measure; .sdz comes first.
        manifest: the model that .sdz uses.
        quality: of the .sdz.
        repeat: timed runs of each action, after a warm-up.
        progress: called as often as `progress_steps` says.

    Returns:
        ``formats``: a row per codec, with median seconds per megapixel over the pictures and peak MiB for the largest
        picture; ``memory``: that picture, and peak MiB without a codec; ``ratios``: time of .sdz over that of each
        kind of AVIF; ``arithmetic``: GFLOP/s of a matrix product, and of the networks of .sdz.
    """
    model = registry.load(manifest)
    codecs, largest = measured_codecs(codecs), max(photos, key=lambda photo: photo.pixels)
    times: dict[str, list[tuple[float, float]]] = {codec.name: [] for codec in codecs}
    qualities: dict[str, dict[str, int]] = {codec.name: {} for codec in codecs}
    rates, costs = [], []
    for photo in photos:
        rates.append(matmul_rate(model.device))
        budget = len(codecs[0].encode(photo.image, quality))
        for codec in codecs:
            file = _file(codec, photo, quality, budget)
            qualities[codec.name][photo.name] = file.quality
            encode, decode = _times(codec, photo, file, repeat)
            times[codec.name].append((encode / photo.pixels * 1e6, decode / photo.pixels * 1e6))
            if codec.name == "sdz":
                executed, as_defined = flops(model, photo), flops(unoptimised(model), photo)
                costs.append(NetworkCost({"encode": encode, "decode": decode}, executed, as_defined))
            progress()
    table = []
    for codec in codecs:
        memory = peak_memory_of(codec, largest.image, qualities[codec.name][largest.name])
        encode, decode = (median(column) for column in zip(*times[codec.name], strict=True))
        row: Row = {"format": codec.name, "label": codec.label, "encode_s_per_mp": encode, "decode_s_per_mp": decode}
        row |= {f"{name}_peak_mib": value for name, value in memory.items()}
        table.append(row | {"qualities": qualities[codec.name]})
        progress()
    return {
        "formats": table,
        "memory": {
            "picture": largest.name,
            "megapixels": largest.pixels / 1e6,
            "base_peak_mib": base_peak_memory(largest.image),
        },
        "ratios": {row["format"]: _ratio(table[0], row) for row in table if row["format"].startswith("avif")},
        "arithmetic": _shares(costs, median(rates)) | {"device": model.device, "pictures": len(photos)},
    }


def progress_steps(pictures: int, codecs: Sequence[Codec]) -> int:
    """How often `measure` calls ``progress``."""
    return (pictures + 1) * len(measured_codecs(codecs))


def _file(codec: Codec, photo: Photo, quality: int, budget: int) -> EncodedFile:
    if codec.name == "sdz":
        codec = replace(codec, lowest=quality, highest=quality)
    return largest_not_above(codec, photo.image, budget)


def _times(codec: Codec, photo: Photo, file: EncodedFile, repeat: int) -> tuple[float, float]:
    """Median seconds of encoding and of decoding."""
    decoded(file.data)  # the first decode may load modules or a model
    encode = seconds(lambda: codec.encode(photo.image, file.quality), repeat)
    return encode, seconds(lambda: decoded(file.data), repeat)


def _ratio(sdz: Row, other: Row) -> Row:
    return {name: sdz[f"{name}_s_per_mp"] / other[f"{name}_s_per_mp"] for name in ACTIONS}


def unoptimised(model: TorchModel) -> TorchModel:
    """The model with new networks of the same classes and configurations, with random weights and direct convolutions.

    They lack `pillow_sdz.models.networks.winograd`, so that `flops` counts all multiplications of a convolution.
    """
    import torch

    from pillow_sdz.models.diffusion.denoise import UNetAdapter

    def fresh(network: Any) -> Any:
        copy = type(network).from_config(network.config)
        move: Any = torch.nn.Module.to  # that of diffusers logs a warning
        return move(copy, model.device, model.dtype).eval()

    with torch.random.fork_rng():
        unet = model.unet
        if unet is not None:
            unet = unet.around(fresh) if isinstance(unet, UNetAdapter) else fresh(unet)
        return dataclasses.replace(model, vae=fresh(model.vae), unet=unet)


def flops(model: TorchModel, photo: Photo) -> dict[str, int]:
    """Operations of the convolutions and matrix products of the networks, for one picture.

    Returns:
        ``encode`` and ``decode`` -> operations; a multiplication and an addition count as two.
    """
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as encode:
        latents = model.encode(np.array(photo.image))
    with FlopCounterMode(display=False) as decode:
        denoised = model.denoise(latents, COUNTED_NOISE, model.manifest.denoise_steps)
        model.decode(denoised, photo.image.height, photo.image.width)
    return {"encode": encode.get_total_flops(), "decode": decode.get_total_flops()}


def _shares(costs: Sequence[NetworkCost], rate: float) -> Row:
    """Median GFLOP/s of ``save`` and ``load``, and as shares of ``rate``; times include all that is not a network."""
    result: Row = {"matmul_gflops_per_s": rate}
    for name in ACTIONS:
        achieved = {
            "executed": median(cost.executed[name] / cost.seconds[name] / 1e9 for cost in costs),
            "as_defined": median(cost.as_defined[name] / cost.seconds[name] / 1e9 for cost in costs),
        }
        for kind, value in achieved.items():
            result[f"{name}_{kind}_gflops_per_s"] = value
            result[f"{name}_{kind}_share"] = value / rate
    return result
