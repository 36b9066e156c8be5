"""From a parsed file to what Pillow wants: info, pixels, preview, alpha. Between the plugin and the codec."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from pillow_sdz import limits
from pillow_sdz.coding.planes import decode_alpha
from pillow_sdz.container.metadata import decode_blob, decode_text
from pillow_sdz.errors import SdzModelError, needs_model_packages
from pillow_sdz.models import registry
from pillow_sdz.payloads.codes import NOISE_UNIT
from pillow_sdz.payloads.palette.layers import check_cost, decode_codes, decode_layer, read_head
from pillow_sdz.payloads.preview import matrix_from_bytes, preview
from pillow_sdz.payloads.scalar.layer import STEP_UNIT, read_step
from pillow_sdz.plugin.info import Metadata, to_info

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pillow_sdz.container.header import Header
    from pillow_sdz.container.sections import Container
    from pillow_sdz.payloads.scalar.prior import Prior


def describe(container: Container, file_bytes: int, file: str) -> dict[str, Any]:
    """Everything that ``image.info`` says about a file; see `pillow_sdz.plugin.image_file.SdzImageFile`.

    Raises:
        SdzError: a metadata section is damaged.
    """
    header = container.header
    fingerprint = header.fingerprint.hex()
    layers = enumerate(container.layers if header.payload == "palette" else ())
    colors = tuple(read_head(body, header, position, file=file).entries for position, body in layers)
    return {
        **to_info(read_metadata(container, file)),
        "model": _model_name(header.fingerprint) or fingerprint,
        "fingerprint": fingerprint,
        "payload": header.payload,
        "colors": colors,
        "layers": len(container.layers),
        "bpp": 8 * file_bytes / (header.width * header.height),
        "steps": header.steps,
        "noise": header.noise * NOISE_UNIT,
        **({} if (step := read_code_step(container, file)) is None else {"step": step}),
    }


def read_code_step(container: Container, file: str) -> float | None:
    """The quantiser's step of a scalar payload in codes, 1.0 to 128.0, or None for other payloads.

    Raises:
        SdzFormatError: it is damaged.
    """
    if container.header.payload != "scalar":
        return None
    return read_step(container.layers[0], container.header, file=file) * STEP_UNIT


def _model_name(fingerprint: bytes) -> str | None:
    try:
        return registry.describe(fingerprint)
    except SdzModelError:  # some installed model is damaged, perhaps another one; decoding will tell
        return None


def read_metadata(container: Container, file: str) -> Metadata:
    """Decode the metadata sections.

    Raises:
        SdzError: one of them is damaged or too large.
    """

    def blob(body: bytes | None, name: str) -> bytes | None:
        return None if body is None else decode_blob(body, limits.MAX_METADATA_BYTES, name, file)

    return Metadata(
        icc=blob(container.icc, "icc"),
        exif=blob(container.exif, "exif"),
        xmp=blob(container.xmp, "xmp"),
        text={} if container.text is None else decode_text(container.text, file=file),
    )


def read_alpha(container: Container, file: str) -> NDArray[np.uint8] | None:
    """Decode the alpha plane, (H, W), or None where there is none."""
    if container.alpha is None:
        return None
    return decode_alpha(container.alpha, container.header.width, container.header.height, file=file)


def read_codes(container: Container, file: str) -> NDArray[np.uint8]:
    """Decode the codes, (h, w, C), from the layers that there are. Integers only, no weights.

    Raises:
        SdzError: they are damaged, need a palette or the prior of a model that is missing, or do not fit their model.
    """
    header = container.header
    _check_model(header)
    return decode_codes(container, _palettes(header), file, prior_lookup=_prior(header))


def _check_model(header: Header) -> None:
    """Refuse a file that contradicts its model, if that is installed."""
    if registry.describe(header.fingerprint) is not None:
        registry.find_fitting(header.fingerprint, header.channels, header.factor)


def _palettes(header: Header) -> Callable[[int], NDArray[np.uint8]]:
    return partial(registry.find_model_palette, header.fingerprint)


def _prior(header: Header) -> Callable[[], Prior]:
    return lambda: registry.model_prior(registry.find_by_fingerprint(header.fingerprint))


def decode_picture(
    container: Container, file: str, arguments: dict[str, Any]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Decode the picture through its model: RGB (H, W, 3), and alpha (H, W) or None.

    Args:
        container: the parsed file.
        file: name for error messages.
        arguments: keywords for `pillow_sdz.codec.decode.decode`.

    Raises:
        SdzError: the file is damaged, its model is missing, or torch is.
    """
    alpha = read_alpha(container, file)  # first: it is cheap, and damage shows before the model is loaded
    with needs_model_packages("decoding the pixels", file):
        from pillow_sdz.codec import decode as decoder

        rgb = decoder.decode(container, file=file, **arguments)
    return rgb, alpha


def decode_preview(container: Container, file: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Decode the preview: RGB (h, w, 3), one pixel per latent position, and alpha averaged over the pixels of each.

    Raises:
        SdzError: the file is damaged, or needs a palette or the prior of a model that is missing.
    """
    assert container.preview is not None
    header = container.header
    matrix = matrix_from_bytes(container.preview, header.channels, file)
    alpha = read_alpha(container, file)
    if alpha is not None:
        alpha = np.asarray(Image.fromarray(alpha).reduce(header.factor))
    return preview(read_codes(container, file), matrix), alpha


def check_bodies(container: Container, file: str) -> None:
    """Decode all that can be decoded without a model's weights. Codes that need a palette or the prior of a
    missing model are skipped; what their layer says about itself is checked all the same.

    Raises:
        SdzError: a section is damaged, or contradicts the model if that is installed.
    """
    read_metadata(container, file)
    read_alpha(container, file)
    header = container.header
    _check_model(header)
    if header.payload != "palette":
        with suppress(SdzModelError):
            decode_codes(container, file=file, prior_lookup=_prior(header))
        return
    check_cost(container, file)
    for position, body in enumerate(container.layers):
        with suppress(SdzModelError):
            decode_layer(body, header, position, palette_lookup=_palettes(header), file=file)
