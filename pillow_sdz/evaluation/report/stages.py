"""All stages of one picture, computed through the codec's own parts: autoencoder, codes, payload, U-Net, decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from pillow_sdz.evaluation import codecs as rivals
from pillow_sdz.evaluation.codecs import decoded, saved
from pillow_sdz.evaluation.report import draw, latent_files, regenerate
from pillow_sdz.evaluation.report.context import Work
from pillow_sdz.evaluation.report.payload_stages import of_file, of_palette
from pillow_sdz.evaluation.report.stage import Comparison, Drawing, Stage, Stored
from pillow_sdz.payloads.codes import to_latents
from pillow_sdz.payloads.preview import preview

if TYPE_CHECKING:
    from collections.abc import Callable

    from pillow_sdz.evaluation.report.context import Request

JPEG_QUALITY = 75
"""Of the JPEG files that are not compared at equal bytes: what Pillow, and many programs, write by default."""


def compare(
    image: Image.Image, name: str, request: Request, done: Callable[[str], None] = lambda _: None
) -> Comparison:
    """Take one picture through all stages.

    Args:
        image: any mode; metadata and alpha play no part.
        name: of its file.
        request: what to compare.
        done: called with the title of each stage once it is computed and measured.

    Raises:
        SdzError: the model is missing, or the picture cannot be stored.
    """
    work = Work(image, name, request)
    stages: list[Stage] = []
    for make in (original, latent, codes, of_file, of_palette, img2img, others):
        for stage in make(work):
            if stages:
                stage.numbers = {each.name: each.measure(work.picture, stage.picture) for each in request.metrics}
            stages.append(stage)
            done(stage.title)
    return Comparison(
        name, tuple(stages), work.channels, work.left_out, tuple(work.notes), work.manifest.full_name,
        work.manifest.short_fingerprint.hex(),
    )  # fmt: skip


def original(work: Work) -> list[Stage]:
    """The picture as it came."""
    stored = (
        Stored("RGB, raw", work.rgb.size),
        Stored("PNG", work.png),
        Stored(f"JPEG, quality {JPEG_QUALITY}", len(saved(work.picture, "JPEG", quality=JPEG_QUALITY))),
    )
    text = "The pixels before anything is done to them. All numbers below are distances from this picture."
    return [Stage("original", "original", "Original", text, work.picture, stored)]


def latent(work: Work) -> list[Stage]:
    """Autoencoder alone, and what becomes of a latent that is resized like a picture."""
    values, factor = work.latents, work.mapping.factor
    shape = f"{values.shape[1]} × {values.shape[0]} positions of {values.shape[2]} numbers"
    stages = [
        Stage(
            "autoencoder", "latent", "Autoencoder, there and back",
            f"The encoder turns every {factor} × {factor} pixels into {values.shape[2]} numbers ({shape}), the"
            " decoder paints them back. Nothing is rounded: this is the best that any file of this model can be.",
            work.decoded(values), (Stored("32-bit floats, raw", 4 * values.size),),
            details={"shape": list(values.shape)},
        )
    ]  # fmt: skip
    small, count = regenerate.shrunk(values)
    stages.append(
        Stage(
            "resized", "latent", "The latent made smaller, and larger again",
            "What happens if a latent is scaled like a picture (half of its width and height, then back) instead of"
            " quantised: each position means something on its own, so neighbours cannot be averaged.",
            work.decoded(small), (Stored("8-bit codes of the smaller latent, raw", count),),
        )
    )  # fmt: skip
    return stages


def codes(work: Work) -> list[Stage]:
    """The latent in 8 bits a number."""
    raw = Stored("8-bit codes, raw", work.codes.size)
    webp, packed = latent_files.lossless_webp(work.codes), latent_files.deflated(work.codes)
    stored = (raw, *([] if webp is None else [Stored("lossless WebP", webp)]), Stored("deflated", packed))
    drawings = (
        Drawing(
            "The latent as a picture", draw.tiles(draw.code_planes(work.codes)),
            "One tile for each channel, one pixel for each position, grey from its lowest to its highest code.",
            on_page=False,  # which shows each channel beside its sentence
        ),
        Drawing(
            "The preview", Image.fromarray(preview(work.codes, work.matrix)),
            "The same codes through a small matrix that travels in the file: a thumbnail without any network.",
        ),
    )  # fmt: skip
    step = work.mapping.step
    text = (
        f"Each number is divided by {step:.5g} and rounded to one of 256 codes. Here that is a scale of values, as"
        " Stable Diffusion's 0.18215 is: it changes no width and no height."
    )
    picture = work.decoded(to_latents(work.codes, step))
    return [Stage("codes", "codes", "8-bit latent", text, picture, stored, drawings, {"code_step": step})]


def img2img(work: Work) -> list[Stage]:
    """Noise added, taken out by the U-Net, and the result saved as an ordinary picture."""
    strength = work.request.strength
    if work.model.unet is None:
        work.left_out["img2img"] = f"the model {work.manifest.full_name} has no U-Net"
        return []
    picture = work.decoded(regenerate.img2img(work.model, work.latents, strength))
    level = work.model.noise_at(strength) / work.mapping.step
    details = {"strength": strength, "noise": level}
    png = Stored("PNG", len(saved(picture, "PNG", optimize=True)))
    jpeg = saved(picture, "JPEG", quality=JPEG_QUALITY)
    text = (
        f"Noise of {level:.1f} codes (strength {strength:g}) is added to the latent, the U-Net makes a picture of"
        " it, and the pixels are saved. They are as many as before, and a PNG keeps each of them, invented or not:"
        f" {png.size / len(work.data):,.0f} times the bytes of the .sdz. (The original takes {work.png:,} as PNG.)"
    )
    as_jpeg = (
        "The same as a JPEG of the usual quality. What is saved is a picture, not the few numbers that it was made"
        f" from: {len(jpeg) / len(work.data):,.0f} times the bytes of the .sdz."
    )
    return [
        Stage("img2img-png", "img2img", "Regenerated, as PNG", text, picture, (png,), details=details),
        Stage(
            "img2img-jpeg", "img2img", "Regenerated, as JPEG", as_jpeg, decoded(jpeg),
            (Stored(f"JPEG, quality {JPEG_QUALITY}", len(jpeg)),), details={**details, "quality": JPEG_QUALITY},
        ),
    ]  # fmt: skip


def others(work: Work) -> list[Stage]:
    """Other codecs, with no more bytes than the .sdz."""
    stages = []
    for form in work.request.formats:
        found = rivals.at_most(form, work.picture, len(work.data))
        if found is None:
            work.left_out[form.name] = f"no {form.label} of at most {len(work.data):,} bytes exists"
            continue
        text = f"Quality {found.quality}, the best that is not above the {len(work.data):,} bytes of the .sdz."
        if found.stored != work.picture.size:
            text += (
                " At full size even the lowest quality is larger, so the picture was reduced to"
                f" {found.stored[0]} × {found.stored[1]} pixels and enlarged again."
            )
        details = {"quality": found.quality, "stored_size": list(found.stored)}
        stored = (Stored(form.label, found.size),)
        stages.append(Stage(form.name, "rivals", form.label, text, found.picture, stored, details=details))
    return stages
