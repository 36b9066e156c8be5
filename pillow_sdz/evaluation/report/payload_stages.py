"""The stages of a file: what its payload stores, and the picture decoded from it without and with the U-Net."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import Image

from pillow_sdz.codec.file import read
from pillow_sdz.evaluation.report import channels, differences, draw
from pillow_sdz.evaluation.report.comparison import Drawing, Stage, Stored
from pillow_sdz.models import model_data
from pillow_sdz.options import SaveOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from pillow_sdz.codec.file import SdzFile
    from pillow_sdz.evaluation.report.context import PictureContext
    from pillow_sdz.payloads.protocol import Contents

COLORS = 256
"""Palette entries of the palette stage, as in the article of 2022."""


def of_file(context: PictureContext) -> list[Stage]:
    """The .sdz file as the request's options make it; also sets the context's ``data`` and ``channels``."""
    context.data = context.encoded(context.request.options)
    file = read(context.data)
    contents, description = _contents(context, file), file.payload.describe()
    context.channels = channels.describe(context.codes, context.rgb, context.mapping.factor, contents.bits)
    details = {"payload": file.header.payload, "quality": context.request.options.quality}
    if (step := description.info.get("step")) is not None:
        details["step"] = step
    text = f"The file holds {description.sentence}."
    drawings = tuple(_drawings(context, contents))
    stages = _with_and_without(context, "sdz", "file", ".sdz", text, file, drawings, details, context.data)
    final = stages[-1]
    final.drawings += tuple(differences.drawings(file, context.rgb, final.picture))
    final.details = {**final.details, **differences.details(file)}
    return stages


def of_palette(context: PictureContext) -> list[Stage]:
    """The latent palettised to 256 entries, as the article of 2022 did."""
    asked = context.request.options
    data = context.encoded(SaveOptions(model=asked.model, colors=COLORS, effort=asked.effort))
    file = read(data)
    drawings = tuple(_drawings(context, _contents(context, file)))
    text = (
        f"The vectors of the latent are reduced to a palette of {COLORS}, like the colours of a GIF, and each position"
        " holds the number of a palette entry."
    )
    title = f"Palette of {COLORS}"
    return _with_and_without(context, "palette", "palette", title, text, file, drawings, {"colors": COLORS}, data)


def _with_and_without(
    context: PictureContext,
    key: str,
    chapter: str,
    title: str,
    text: str,
    file: SdzFile,
    drawings: tuple[Drawing, ...],
    details: dict[str, Any],
    data: bytes,
) -> list[Stage]:
    """The stages of a file decoded without and with the U-Net; one stage if no U-Net is used.

    Args:
        context: the picture.
        key, chapter, title, text, drawings, details: for the first stage; see `Stage`.
        file: the file, parsed.
        data: its bytes.
    """
    stored = (Stored(".sdz", len(data)),)
    noise, steps = file.payload.noise, file.header.denoise_steps
    details = {**details, "noise": noise, "denoise_steps": 0}
    plain = context.from_file(file, 0)
    if context.model.unet is None or steps == 0:
        reason = "the file asks for none" if context.model.unet else f"the model {context.manifest.full_name} has none"
        context.left_out[f"{key} with U-Net"] = reason
        return [Stage(key, chapter, title, f"{text} No U-Net: {reason}.", plain, stored, drawings, details)]
    smooth = (
        f"The same file. The U-Net is told that rounding left a noise of {noise:.1f} codes, and removes what it"
        f" recognises as noise, in {steps} step{'s' if steps > 1 else ''}."
    )
    return [
        Stage(
            f"{key}-without-unet", chapter, f"{title}, without the U-Net", text, plain, stored, drawings, details
        ),
        Stage(
            key, chapter, f"{title}, with the U-Net", smooth, context.from_file(file, None), stored,
            details={**details, "denoise_steps": steps},
        ),
    ]  # fmt: skip


def _contents(context: PictureContext, file: SdzFile) -> Contents:
    return file.payload.contents(context.latent, model_data.of(context.manifest))


def _drawings(context: PictureContext, contents: Contents) -> Iterator[Drawing]:
    """Pictures of what a payload stores: its levels, bits, palette and indices, as far as its kind has them."""
    if contents.levels is not None:
        zero = float((contents.levels == 0).mean())
        yield Drawing(
            "Steps from the prediction",
            draw.levels(contents.levels),
            "How many steps each value lies away from what the prior predicts: white is none"
            f" ({zero:.0%} of all values), red above, blue below.",
        )
    if contents.bits is not None:
        picture, most = draw.heat(contents.bits.sum(2))
        yield Drawing(
            "Where the bits go",
            picture,
            f"Bits of each position, black 0 to bright {most:.0f}. What the prior predicts well costs next to nothing.",
        )
    if contents.palette is not None and contents.indices is not None:
        yield from _palette_drawings(contents.palette, contents.indices, context.matrix)


def _palette_drawings(
    palette: NDArray[np.uint8], indices: NDArray[np.uint16], matrix: NDArray[np.int8]
) -> Iterator[Drawing]:
    """Palette and index plane of the first layer."""
    colours = draw.entry_colours(palette, matrix)
    yield Drawing(
        f"The palette, {len(colours)} entries",
        draw.swatches(colours),
        f"Each entry is a vector of {palette.shape[1]} codes, drawn in the colour that the preview gives it.",
    )
    yield Drawing(
        "The index plane",
        draw.index_plane(indices, len(colours)),
        "The number of each position's entry, black for the first, white for the last.",
    )
    yield Drawing(
        "The same, looked up",
        Image.fromarray(colours[indices]),
        "Every index replaced by the colour of its entry.",
    )
