"""Compute and measure all stages of a picture with the parts of the codec: autoencoder, codes, payload, U-Net."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillow_sdz.evaluation.codecs import at_equal_or_fewer_bytes, decoded, saved
from pillow_sdz.evaluation.report import draw, latent_files, regenerate
from pillow_sdz.evaluation.report.comparison import Comparison, Drawing, Stage, Stored
from pillow_sdz.evaluation.report.context import PictureContext
from pillow_sdz.evaluation.report.payload_stages import of_file, of_palette
from pillow_sdz.payloads.codes import to_latents

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

    from pillow_sdz.evaluation.report.context import Request

JPEG_QUALITY = 75
"""Quality of JPEG files that are not matched in size with the .sdz: the default of Pillow and many programs."""


def compare(
    image: Image.Image, name: str, request: Request, done: Callable[[str], None] = lambda _: None
) -> Comparison:
    """Take one picture through all stages.

    Args:
        image: any mode; metadata and alpha are ignored.
        name: of its file.
        request: what to compare.
        done: called with the title of each stage once it is computed and measured.

    Raises:
        SdzError: the model is missing, or the picture cannot be stored.
    """
    context = PictureContext(image, name, request)
    stages: list[Stage] = []
    for make in (original, latent, codes, of_file, of_palette, img2img, others):
        for stage in make(context):
            if stages:
                stage.numbers = {each.name: each.measure(context.picture, stage.picture) for each in request.metrics}
            stages.append(stage)
            done(stage.title)
    return Comparison(
        name, tuple(stages), context.channels, context.left_out, tuple(context.notes), context.manifest.full_name,
        context.manifest.short_fingerprint.hex(),
    )  # fmt: skip


def original(context: PictureContext) -> list[Stage]:
    """The picture before encoding."""
    stored = (
        Stored("RGB, raw", context.rgb.size),
        Stored("PNG", context.png),
        Stored(f"JPEG, quality {JPEG_QUALITY}", len(saved(context.picture, "JPEG", quality=JPEG_QUALITY))),
    )
    text = "The pixels before anything is done to them. All metrics below compare with this picture."
    return [Stage("original", "original", "Original", text, context.picture, stored)]


def latent(context: PictureContext) -> list[Stage]:
    """The round trip through the autoencoder alone, and with a latent that is resized like a picture."""
    values, factor = context.latents, context.mapping.factor
    shape = f"{values.shape[1]} × {values.shape[0]} positions of {values.shape[2]} numbers"
    stages = [
        Stage(
            "autoencoder", "latent", "Autoencoder, there and back",
            f"The encoder turns every {factor} × {factor} pixels into {values.shape[2]} numbers ({shape}), and the"
            " decoder paints pixels from them. Nothing is rounded: no file of this model can be better than this.",
            context.decoded(values), (Stored("32-bit floats, raw", 4 * values.size),),
            details={"shape": list(values.shape)},
        )
    ]  # fmt: skip
    small, count = regenerate.shrunk(values)
    stages.append(
        Stage(
            "resized", "latent", "The latent made smaller, and larger again",
            "What happens if a latent is scaled like a picture (half of its width and height, then back) instead of"
            " quantised: each position describes its own block of pixels, so neighbours cannot be averaged.",
            context.decoded(small), (Stored("8-bit codes of the smaller latent, raw", count),),
        )
    )  # fmt: skip
    return stages


def codes(context: PictureContext) -> list[Stage]:
    """The latent with each value rounded to 8 bits."""
    raw = Stored("8-bit codes, raw", context.codes.size)
    webp, packed = latent_files.lossless_webp(context.codes), latent_files.deflated(context.codes)
    stored = (raw, *([] if webp is None else [Stored("lossless WebP", webp)]), Stored("deflated", packed))
    drawings = (
        Drawing(
            "The latent as a picture", draw.tiles(draw.code_planes(context.codes)),
            "One tile for each channel, one pixel for each position, grey from its lowest to its highest code.",
            on_page=False,  # the page shows each channel beside its sentence instead
        ),
        Drawing(
            "The preview", context.preview(),
            "The same codes through "
            + ("small networks of whole numbers" if context.manifest.preview else "a small matrix in the file")
            + ": a thumbnail without torch.",
        ),
    )  # fmt: skip
    step = context.mapping.step
    text = (
        f"Each number is divided by {step:.5g} and rounded to one of 256 codes. Like Stable Diffusion's 0.18215, this"
        " number scales values: it changes neither width nor height."
    )
    picture = context.decoded(to_latents(context.codes, step))
    return [Stage("codes", "codes", "8-bit latent", text, picture, stored, drawings, {"code_step": step})]


def img2img(context: PictureContext) -> list[Stage]:
    """Noise added and removed by the U-Net, and the result saved as an ordinary picture."""
    strength = context.request.strength
    if context.model.unet is None:
        context.left_out["img2img"] = f"the model {context.manifest.full_name} has no U-Net"
        return []
    picture = context.decoded(regenerate.img2img(context.model, context.latents, strength))
    level = context.model.noise_at(strength) / context.mapping.step
    details = {"strength": strength, "noise": level}
    png = Stored("PNG", len(saved(picture, "PNG", optimize=True)))
    jpeg = saved(picture, "JPEG", quality=JPEG_QUALITY)
    text = (
        f"Noise of {level:.1f} codes (strength {strength:g}) is added to the latent, the U-Net removes it, and the"
        " decoded pixels are saved. There are as many pixels as before, and a PNG keeps each of them, invented or not:"
        f" {png.size / len(context.data):,.0f} times the bytes of the .sdz. (As a PNG, the original takes"
        f" {context.png:,} bytes.)"
    )
    as_jpeg = (
        "The same as a JPEG of the usual quality. What is saved is a picture, not the few numbers that it was made"
        f" from: {len(jpeg) / len(context.data):,.0f} times the bytes of the .sdz."
    )
    return [
        Stage("img2img-png", "img2img", "Regenerated, as PNG", text, picture, (png,), details=details),
        Stage(
            "img2img-jpeg", "img2img", "Regenerated, as JPEG", as_jpeg, decoded(jpeg),
            (Stored(f"JPEG, quality {JPEG_QUALITY}", len(jpeg)),), details={**details, "quality": JPEG_QUALITY},
        ),
    ]  # fmt: skip


def others(context: PictureContext) -> list[Stage]:
    """The best that other codecs make with no more bytes than the .sdz."""
    stages = []
    for codec in context.request.codecs:
        found = at_equal_or_fewer_bytes(codec, context.picture, len(context.data))
        if found is None:
            context.left_out[codec.name] = f"no {codec.label} of at most {len(context.data):,} bytes exists"
            continue
        text = f"Quality {found.quality}, the highest with at most the {len(context.data):,} bytes of the .sdz."
        if found.stored != context.picture.size:
            text += (
                " At full size even the lowest quality takes more, so the picture was reduced to"
                f" {found.stored[0]} × {found.stored[1]} pixels and enlarged again."
            )
        details = {"quality": found.quality, "stored_size": list(found.stored)}
        stored = (Stored(codec.label, found.size),)
        stages.append(Stage(codec.name, "other-codecs", codec.label, text, found.picture, stored, details=details))
    return stages
