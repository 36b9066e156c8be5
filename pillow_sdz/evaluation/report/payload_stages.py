"""The stages of a file: its payload drawn, and the picture decoded from it without and with the U-Net."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from pillow_sdz.codec import decode as decoder
from pillow_sdz.codec.reading import read_code_step
from pillow_sdz.container.sections import parse
from pillow_sdz.evaluation.report import channels, draw
from pillow_sdz.evaluation.report.bits import values_and_bits
from pillow_sdz.evaluation.report.stage import Drawing, Stage, Stored
from pillow_sdz.models import registry
from pillow_sdz.options import SaveOptions
from pillow_sdz.payloads.codes import to_targets
from pillow_sdz.payloads.palette.layers import decode_layer
from pillow_sdz.payloads.scalar.layer import read_step

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pillow_sdz.container.sections import Container
    from pillow_sdz.evaluation.report.context import Work

COLORS = 256
"""Palette entries of the stage that follows the article of 2022."""


def of_file(work: Work) -> list[Stage]:
    """The .sdz with the payload that the model and the options choose."""
    work.data = work.encoded(work.request.options)
    container = parse(work.data, file=work.name)
    payload = container.header.payload
    bits: NDArray[np.float64] | None = None
    drawings: tuple[Drawing, ...] = ()
    if payload == "scalar":
        bits, drawings = _scalar_drawings(work, container)
    elif payload == "palette":
        drawings = _palette_drawings(work, container)
    work.channels = channels.describe(work.codes, work.rgb, work.mapping.factor, bits)
    details = {"payload": payload, "quality": work.request.options.quality}
    step = read_code_step(container, work.name)
    if step is not None:
        details["step"] = step
        how = f"how many steps of {step:g} codes every number lies away from what the model's prior expects of it"
    elif payload == "palette":
        how = f"{len(container.layers)} layer(s) of a palette and an index for each position"
    else:
        how = "the 8-bit latent itself, packed without loss"
    text = f"The file holds {how}."
    return _with_and_without(work, "sdz", "file", ".sdz", text, container, drawings, details, work.data)


def of_palette(work: Work) -> list[Stage]:
    """The latent palettised to 256 entries, as the article of 2022 did."""
    options = SaveOptions(model=work.request.options.model, colors=COLORS, effort=work.request.options.effort)
    data = work.encoded(options)
    container = parse(data, file=work.name)
    drawings = _palette_drawings(work, container)
    text = (
        f"The vectors of the latent are reduced to {COLORS} like the colours of a GIF, and each position holds the"
        " number of one of them."
    )
    title = f"Palette of {COLORS}"
    return _with_and_without(work, "palette", "palette", title, text, container, drawings, {"colors": COLORS}, data)


def _with_and_without(
    work: Work, key: str, chapter: str, title: str, text: str, container: Container, drawings: tuple[Drawing, ...],
    details: dict[str, object], data: bytes,
) -> list[Stage]:  # fmt: skip
    """A file decoded without and with the U-Net; once where that is the same."""
    stored = (Stored(".sdz", len(data)),)
    noise, steps = decoder.noise_of(container, work.name), container.header.steps
    details = {**details, "noise": noise, "steps": 0}
    plain = work.from_file(container, 0)
    if work.model.unet is None or steps == 0:
        reason = "the file asks for none" if work.model.unet else f"the model {work.manifest.full_name} has none"
        work.left_out[f"{key} with U-Net"] = reason
        return [Stage(key, chapter, title, f"{text} No U-Net: {reason}.", plain, stored, drawings, details)]
    smooth = (
        f"The same file. The U-Net is told that rounding left a noise of {noise:.1f} codes and takes away what it"
        f" recognises as noise, in {steps} step{'s' if steps > 1 else ''}."
    )
    return [
        Stage(
            f"{key}-without-unet", chapter, f"{title}, without the U-Net", text, plain, stored, drawings, details
        ),
        Stage(
            key, chapter, f"{title}, with the U-Net", smooth, work.from_file(container, None), stored,
            details={**details, "steps": steps},
        ),
    ]  # fmt: skip


def _scalar_drawings(work: Work, container: Container) -> tuple[NDArray[np.float64], tuple[Drawing, ...]]:
    """Bits of each value, and the drawings: steps from what the prior expects, and where the bits go."""
    step = read_step(container.layers[0], container.header, file=work.name)
    targets = to_targets(work.latents, work.mapping.step)
    values, bits = values_and_bits(targets, step, registry.model_prior(work.manifest))
    picture, most = draw.heat(bits.sum(2))
    zero = float((values == 0).mean())
    return bits, (
        Drawing(
            "Steps from the prediction", draw.whole_steps(values),
            "How many steps each number lies away from what the prior expects of it: white is none"
            f" ({zero:.0%} of all numbers), red above, blue below.",
        ),
        Drawing(
            "Where the bits go", picture,
            f"Bits of each position, black 0 to bright {most:.0f}. What the prior foresees costs next to nothing.",
        ),
    )  # fmt: skip


def _palette_drawings(work: Work, container: Container) -> tuple[Drawing, ...]:
    """Palette and index plane of the first layer."""
    layer = decode_layer(container.layers[0], container.header, file=work.name)
    assert layer.palette is not None
    colours = draw.entry_colours(layer.palette, work.matrix)
    return (
        Drawing(
            f"The palette, {len(colours)} entries", draw.swatches(colours),
            f"Each entry is a vector of {layer.palette.shape[1]} codes, drawn in the colour that the preview gives"
            " it.",
        ),
        Drawing(
            "The index plane", draw.index_plane(layer.indices, len(colours)),
            "The number of each position's entry, black for the first, white for the last.",
        ),
        Drawing(
            "The same, looked up", Image.fromarray(colours[layer.indices]),
            "Every index replaced by the colour of its entry.",
        ),
    )  # fmt: skip
