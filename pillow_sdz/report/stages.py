"""All stages of one picture, computed through the codec's own parts: autoencoder, codes, payload, U-Net, decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pillow_sdz import decoder, encoder
from pillow_sdz.codes import to_codes, to_latents, to_targets
from pillow_sdz.container import parse
from pillow_sdz.layers import decode_layer
from pillow_sdz.limits import check_picture
from pillow_sdz.models import registry
from pillow_sdz.models.model import DEFAULT_TILE
from pillow_sdz.modes import to_planes
from pillow_sdz.options import Metadata, SaveOptions
from pillow_sdz.preview import preview
from pillow_sdz.reading import read_code_step
from pillow_sdz.report import channels, draw, latent_files, regenerate, rivals
from pillow_sdz.report.bits import bits_of_values
from pillow_sdz.report.formats import decoded, saved
from pillow_sdz.report.stage import Comparison, Drawing, Stage, Stored
from pillow_sdz.scalar_coding import quantise
from pillow_sdz.scalar_layer import read_step
from pillow_sdz.settings import decode as settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pillow_sdz.container import Container
    from pillow_sdz.models.model import Model
    from pillow_sdz.report.request import Request

COLORS = 256
"""Palette entries of the stage that follows the article of 2022."""

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
    work = _Work(image, name, request)
    stages: list[Stage] = []
    for make in (work.original, work.latent, work.codes_stage, work.file, work.palette, work.img2img, work.others):
        for stage in make():
            if stages:
                stage.numbers = {each.name: each.measure(work.picture, stage.picture) for each in request.metrics}
            stages.append(stage)
            done(stage.title)
    return Comparison(
        name, tuple(stages), work.channels, work.left_out, tuple(work.notes), work.manifest.full_name,
        work.manifest.short_fingerprint.hex(),
    )  # fmt: skip


class _Work:
    """One picture on its way. Each method gives the stages of one chapter, in this order."""

    def __init__(self, image: Image.Image, name: str, request: Request) -> None:
        self.name, self.request = name, request
        self.left_out: dict[str, str] = {}
        self.notes: list[str] = []
        check_picture(*image.size)
        planes = to_planes(image)
        if planes.alpha is not None:
            self.notes.append("The picture has an alpha plane, which .sdz keeps without loss. Here it is left out.")
        self.rgb = planes.rgb
        self.height, self.width = self.rgb.shape[:2]
        self.picture = Image.fromarray(self.rgb)
        self.png = len(saved(self.picture, "PNG", optimize=True))
        self.manifest = registry.find(request.options.model)
        self.mapping = self.manifest.codes
        self.matrix = np.array(self.manifest.preview_matrix, np.int8)
        self.model: Model = registry.load(self.manifest, settings.device, settings.dtype)
        self.latents = self.model.encode(self.rgb, settings.tile_size or DEFAULT_TILE)
        self.codes = to_codes(self.latents, self.mapping.step)
        self.channels: tuple[channels.Channel, ...] = ()
        self.data = b""

    def original(self) -> list[Stage]:
        """The picture as it came."""
        stored = (
            Stored("RGB, raw", self.rgb.size),
            Stored("PNG", self.png),
            Stored(f"JPEG, quality {JPEG_QUALITY}", len(saved(self.picture, "JPEG", quality=JPEG_QUALITY))),
        )
        text = "The pixels before anything is done to them. All numbers below are distances from this picture."
        return [Stage("original", "original", "Original", text, self.picture, stored)]

    def latent(self) -> list[Stage]:
        """Autoencoder alone, and what becomes of a latent that is resized like a picture."""
        values, factor = self.latents, self.mapping.factor
        shape = f"{values.shape[1]} × {values.shape[0]} positions of {values.shape[2]} numbers"
        stages = [
            Stage(
                "autoencoder", "latent", "Autoencoder, there and back",
                f"The encoder turns every {factor} × {factor} pixels into {values.shape[2]} numbers ({shape}), the"
                " decoder paints them back. Nothing is rounded: this is the best that any file of this model can be.",
                self._decoded(values), (Stored("32-bit floats, raw", 4 * values.size),),
                details={"shape": list(values.shape)},
            )
        ]  # fmt: skip
        small, count = regenerate.shrunk(values)
        stages.append(
            Stage(
                "resized", "latent", "The latent made smaller, and larger again",
                "What happens if a latent is scaled like a picture (half of its width and height, then back) instead of"
                " quantised: each position means something on its own, so neighbours cannot be averaged.",
                self._decoded(small), (Stored("8-bit codes of the smaller latent, raw", count),),
            )
        )  # fmt: skip
        return stages

    def codes_stage(self) -> list[Stage]:
        """The latent in 8 bits a number."""
        raw = Stored("8-bit codes, raw", self.codes.size)
        webp, packed = latent_files.lossless_webp(self.codes), latent_files.deflated(self.codes)
        stored = (raw, *([] if webp is None else [Stored("lossless WebP", webp)]), Stored("deflated", packed))
        drawings = (
            Drawing(
                "The latent as a picture", draw.tiles(draw.code_planes(self.codes)),
                "One tile for each channel, one pixel for each position, grey from its lowest to its highest code.",
                on_page=False,  # which shows each channel beside its sentence
            ),
            Drawing(
                "The preview", Image.fromarray(preview(self.codes, self.matrix)),
                "The same codes through a small matrix that travels in the file: a thumbnail without any network.",
            ),
        )  # fmt: skip
        step = self.mapping.step
        text = (
            f"Each number is divided by {step:.5g} and rounded to one of 256 codes. Here that is a scale of values, as"
            " Stable Diffusion's 0.18215 is: it changes no width and no height."
        )
        picture = self._decoded(to_latents(self.codes, step))
        return [Stage("codes", "codes", "8-bit latent", text, picture, stored, drawings, {"code_step": step})]

    def file(self) -> list[Stage]:
        """The .sdz with the payload that the model and the options choose."""
        self.data = self._encoded(self.request.options)
        container = parse(self.data, file=self.name)
        payload = container.header.payload
        bits: NDArray[np.float64] | None = None
        drawings: tuple[Drawing, ...] = ()
        if payload == "scalar":
            bits, drawings = self._scalar_drawings(container)
        elif payload == "palette":
            drawings = self._palette_drawings(container)
        self.channels = channels.describe(self.codes, self.rgb, self.mapping.factor, bits)
        details = {"payload": payload, "quality": self.request.options.quality}
        step = read_code_step(container, self.name)
        if step is not None:
            details["step"] = step
            how = f"every number rounded to a multiple of {step:g} codes and coded with the model's prior"
        elif payload == "palette":
            how = f"{len(container.layers)} layer(s) of a palette and an index for each position"
        else:
            how = "the 8-bit latent itself, packed without loss"
        return self._with_and_without("sdz", "file", ".sdz", f"The file holds {how}.", container, drawings, details)

    def palette(self) -> list[Stage]:
        """The latent palettised to 256 entries, as the article of 2022 did."""
        options = SaveOptions(model=self.request.options.model, colors=COLORS, effort=self.request.options.effort)
        data = self._encoded(options)
        container = parse(data, file=self.name)
        drawings = self._palette_drawings(container)
        text = (
            f"The vectors of the latent are reduced to {COLORS} like the colours of a GIF, and each position holds the"
            " number of one of them."
        )
        title = f"Palette of {COLORS}"
        return self._with_and_without("palette", "palette", title, text, container, drawings, {"colors": COLORS}, data)

    def img2img(self) -> list[Stage]:
        """Noise added, taken out by the U-Net, and the result saved as an ordinary picture."""
        strength = self.request.strength
        if self.model.unet is None:
            self.left_out["img2img"] = f"the model {self.manifest.full_name} has no U-Net"
            return []
        picture = self._decoded(regenerate.img2img(self.model, self.latents, strength))
        level = self.model.noise_at(strength) / self.mapping.step
        details = {"strength": strength, "noise": level}
        png = Stored("PNG", len(saved(picture, "PNG", optimize=True)))
        jpeg = saved(picture, "JPEG", quality=JPEG_QUALITY)
        text = (
            f"Noise of {level:.1f} codes (strength {strength:g}) is added to the latent, the U-Net makes a picture of"
            " it, and the pixels are saved. They are as many as before, and a PNG keeps each of them, invented or not:"
            f" {png.size / len(self.data):,.0f} times the bytes of the .sdz. (The original takes {self.png:,} as PNG.)"
        )
        as_jpeg = (
            "The same as a JPEG of the usual quality. What is saved is a picture, not the few numbers that it was made"
            f" from: {len(jpeg) / len(self.data):,.0f} times the bytes of the .sdz."
        )
        return [
            Stage("img2img-png", "img2img", "Regenerated, as PNG", text, picture, (png,), details=details),
            Stage(
                "img2img-jpeg", "img2img", "Regenerated, as JPEG", as_jpeg, decoded(jpeg),
                (Stored(f"JPEG, quality {JPEG_QUALITY}", len(jpeg)),), details={**details, "quality": JPEG_QUALITY},
            ),
        ]  # fmt: skip

    def others(self) -> list[Stage]:
        """Other codecs, with no more bytes than the .sdz."""
        stages = []
        for form in self.request.formats:
            found = rivals.at_most(form, self.picture, len(self.data))
            if found is None:
                self.left_out[form.name] = f"no {form.label} of at most {len(self.data):,} bytes exists"
                continue
            text = f"Quality {found.quality}, the best that is not above the {len(self.data):,} bytes of the .sdz."
            if found.stored != self.picture.size:
                text += (
                    " At full size even the lowest quality is larger, so the picture was reduced to"
                    f" {found.stored[0]} × {found.stored[1]} pixels and enlarged again."
                )
            details = {"quality": found.quality, "stored_size": list(found.stored)}
            stored = (Stored(form.label, found.size),)
            stages.append(Stage(form.name, "rivals", form.label, text, found.picture, stored, details=details))
        return stages

    def _with_and_without(
        self, key: str, chapter: str, title: str, text: str, container: Container, drawings: tuple[Drawing, ...],
        details: dict[str, object], data: bytes | None = None,
    ) -> list[Stage]:  # fmt: skip
        """A file decoded without and with the U-Net; once where that is the same."""
        stored = (Stored(".sdz", len(self.data if data is None else data)),)
        noise, steps = decoder.noise_of(container, self.name), container.header.steps
        details = {**details, "noise": noise, "steps": 0}
        plain = self._from_file(container, 0)
        if self.model.unet is None or steps == 0:
            reason = "the file asks for none" if self.model.unet else f"the model {self.manifest.full_name} has none"
            self.left_out[f"{key} with U-Net"] = reason
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
                key, chapter, f"{title}, with the U-Net", smooth, self._from_file(container, None), stored,
                details={**details, "steps": steps},
            ),
        ]  # fmt: skip

    def _scalar_drawings(self, container: Container) -> tuple[NDArray[np.float64], tuple[Drawing, ...]]:
        """Bits of each value, and the drawings: multiples of the step, and where the bits go."""
        step = read_step(container.layers[0], container.header, file=self.name)
        values = quantise(to_targets(self.latents, self.mapping.step), step)
        bits = bits_of_values(values, step, registry.model_prior(self.manifest))
        picture, most = draw.heat(bits.sum(2))
        zero = float((values == 0).mean())
        return bits, (
            Drawing(
                "The multiples", draw.multiples(values),
                f"What is left of each channel: white is zero ({zero:.0%} of all numbers), red above, blue below.",
            ),
            Drawing(
                "Where the bits go", picture,
                f"Bits of each position, black 0 to bright {most:.0f}. What the prior foresees costs next to nothing.",
            ),
        )  # fmt: skip

    def _palette_drawings(self, container: Container) -> tuple[Drawing, ...]:
        """Palette and index plane of the first layer."""
        layer = decode_layer(container.layers[0], container.header, file=self.name)
        assert layer.palette is not None
        colours = draw.entry_colours(layer.palette, self.matrix)
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

    def _encoded(self, options: SaveOptions) -> bytes:
        return encoder.encode(self.rgb, None, "RGB", options, Metadata())

    def _from_file(self, container: Container, steps: int | None) -> Image.Image:
        rgb = decoder.decode(
            container,
            file=self.name,
            steps=steps,
            device=settings.device,
            tile=settings.tile_size,
            dtype=settings.dtype,
        )
        return Image.fromarray(rgb)

    def _decoded(self, latents: NDArray[np.float32]) -> Image.Image:
        rgb = self.model.decode(latents, self.height, self.width, settings.tile_size or DEFAULT_TILE)
        return Image.fromarray(np.ascontiguousarray(rgb))
