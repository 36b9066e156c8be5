"""From a latent to a file and back, without the networks: for programs that have the autoencoder themselves.

Beside `pillow_sdz.codec.encode` and `pillow_sdz.codec.decode`, which start and end with pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pillow_sdz.codec.with_model import Prepared, container_of, fitting_plan, payload_kind, plan_of
from pillow_sdz.container.metadata import encode_metadata
from pillow_sdz.container.sections import build
from pillow_sdz.errors import SdzFormatError, SdzOptionError, notice
from pillow_sdz.limits import check_picture
from pillow_sdz.models import model_data, registry
from pillow_sdz.payloads import kinds
from pillow_sdz.payloads.codes import ZERO_CODE, to_codes, to_latents, to_targets
from pillow_sdz.payloads.protocol import Latent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pillow_sdz.codec.file import SdzFile
    from pillow_sdz.container.metadata import Metadata
    from pillow_sdz.models.manifest import Manifest
    from pillow_sdz.options import SaveOptions

    Size = tuple[int, int]


@dataclass(frozen=True)
class StoredLatent:
    """The latent of a file, as its codes stand for it: with the quantisation noise, which no U-Net has removed.

    Attributes:
        latent: (h, w, C) float32, in the units of the autoencoder's latents: what its encoder gives and its decoder
            takes, not scaled for the U-Net.
        width, height: size of the picture in pixels; h = ceil(height / factor), w = ceil(width / factor).
        model: name and version of the model.
        factor: pixels per latent position along each axis.
        latent_scaling, latent_shift: the U-Net works on (latent - latent_shift) * latent_scaling.
        noise: rms error of the codes, in the units of the latent; 0 if they are stored as they are. Rounding to codes
            comes on top: a 12th of the model's step squared.
        text: the texts of the file, key -> value.
    """

    latent: NDArray[np.float32]
    width: int
    height: int
    model: str
    factor: int
    latent_scaling: float
    latent_shift: float
    noise: float
    text: dict[str, str]


def encode_latent(latent: NDArray[np.float32], size: Size | None, options: SaveOptions, metadata: Metadata) -> bytes:
    """Encode a latent, as `pillow_sdz.codec.encode.encode` does without guard once the autoencoder has made it.

    Args:
        latent: (h, w, C) float32, in the units of the autoencoder's latents. Values beyond the range of the codes
            (127.5 steps of the model either way) are limited to it, with a warning.
        size: (width, height) of the picture; None for that of all latent positions.
        options: the options of saving. Nothing is refined and nothing guarded: that would need the picture.
        metadata: the metadata to store.

    Returns:
        The bytes of the file.

    Raises:
        SdzError: an option needs the picture, the model is missing, the latent or the size does not fit it, values are
            not finite, or ``target_size`` is too small.
    """
    _refuse_options_of_pictures(options)
    manifest = registry.find(options.model)
    payload = kinds.payload(payload_kind(options, manifest))
    width, height = _checked_size(latent, size, manifest)
    payload.require(model_data.of(manifest))
    step = manifest.codes.step
    _notice_of_limits(latent, step)
    both = Latent(to_codes(latent, step), to_targets(latent, step))
    prepared = Prepared(
        "RGB", width, height, both, manifest, None, encode_metadata(metadata), metadata.colour_space, options
    )
    if options.target_size is None:
        plan = plan_of(payload, options, both.shape)
    else:
        plan = fitting_plan(payload, prepared, spare=0)
    return build(container_of(prepared, plan))


def _refuse_options_of_pictures(options: SaveOptions) -> None:
    """Refuse options that need the picture, or decode it.

    Raises:
        SdzOptionError: one is given.
    """
    given = {
        "profile": options.profile is not None,
        "guard": options.guard is True,
        "error": options.asks_for_error and not options.error_map,
        "error_map": options.error_map,
        "payload": options.payload is not None and not kinds.payload(options.payload).needs_model,
    }
    for field in (name for name, is_given in given.items() if is_given):
        raise SdzOptionError(
            "needs the picture, and there is only its latent", field=field, found=getattr(options, field),
            remedy=f"leave {field} out, or save the picture",
        )  # fmt: skip


def _notice_of_limits(latent: NDArray[np.float32], step: float) -> None:
    """Warn of values that codes cannot stand for, beyond the outermost codes' own half steps."""
    highest = (ZERO_CODE + 0.5) * step
    beyond = int((abs(latent) > highest).sum())
    if beyond:
        notice(f"{beyond} of {latent.size} values of the latent are beyond {highest:.4g}, and were limited to it")


def _checked_size(latent: NDArray[np.float32], size: Size | None, manifest: Manifest) -> Size:
    """Width and height of the picture, checked like the latent against the model.

    Raises:
        SdzOptionError: the latent has another shape or number type, or does not fit the size.
        SdzLimitError: the picture would be too large.
    """
    channels, factor = manifest.codes.channels, manifest.codes.factor
    if latent.dtype != "float32" or latent.ndim != 3 or latent.shape[2] != channels:
        raise SdzOptionError(
            f"does not fit model {manifest.full_name}", field="latent", found=f"{latent.dtype} {latent.shape}",
            expected=f"float32 (h, w, {channels})", remedy="give the model whose autoencoder made it",
        )  # fmt: skip
    rows, columns = latent.shape[:2]
    width, height = (columns * factor, rows * factor) if size is None else size
    check_picture(width, height)
    positions = (-(-width // factor), -(-height // factor))
    if positions != (columns, rows):
        raise SdzOptionError(
            f"does not fit the latent at {factor} pixels a position", field="size", found=f"{width}x{height}",
            expected=f"{columns * factor}x{rows * factor}, or up to {factor - 1} pixels less a side",
        )  # fmt: skip
    return width, height


def decode_latent(file: SdzFile) -> StoredLatent:
    """The latent of a file.

    Args:
        file: the file, from `pillow_sdz.codec.file.read`.

    Raises:
        SdzFormatError: the file holds pixels, and no latent.
        SdzError: it is damaged, or its model is missing or does not fit it.
    """
    header = file.header
    if not file.needs_model:
        raise SdzFormatError(
            "the file holds no latent: it stores the picture itself", field="payload", found=header.payload,
            remedy="open it with PIL.Image.open, and encode the picture with the autoencoder",
        )  # fmt: skip
    manifest = registry.find_fitting(header.fingerprint, header.channels, header.factor)
    latent = to_latents(file.codes(), manifest.codes.step)
    return StoredLatent(
        latent=latent,
        width=header.width,
        height=header.height,
        model=manifest.full_name,
        factor=header.factor,
        latent_scaling=manifest.latent_scaling,
        latent_shift=manifest.latent_shift,
        noise=file.payload.noise * manifest.codes.step,
        text=file.metadata().text,
    )
