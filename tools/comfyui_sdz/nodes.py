"""The four nodes: Save SDZ and Load SDZ, for LATENT and for IMAGE."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io, ui
from PIL import Image

import pillow_sdz

from . import files, tensors

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

CATEGORY = "SDZ"
PREVIEW_PART = 8
"""The front end is shown 1/8 of the picture: that much comes from the file without running a model."""

NO_MODELS = "no model: see README"
"""The only choice while no model is installed, because the front end can't show an empty list."""

SHIPPED = "tiny"
"""The model that comes with the package."""

ORIENTATION = 0x0112
"""EXIF tag of the orientation; 1 is upright."""


def _prefix() -> io.Input:
    tooltip = "Start of the file name; may name a subfolder, and have %width%, %year% or %batch_num% in it."
    return io.String.Input("filename_prefix", default="ComfyUI", tooltip=tooltip)


def _quality() -> io.Input:
    tooltip = "0 is the smallest file, 100 the best."
    return io.Int.Input("quality", default=50, min=0, max=100, tooltip=tooltip)


def _target_size() -> io.Input:
    tooltip = "If not 0: the best file that has no more bytes, instead of quality."
    return io.Int.Input("target_size", default=0, min=0, max=1 << 30, tooltip=tooltip, optional=True)


def _file() -> io.Input:
    tooltip = "A file of the input folder, or of the output folder with [output]. Press R to update the list."
    return io.Combo.Input("file", options=files.choices(), tooltip=tooltip)


def _model(names: list[str], tooltip: str) -> io.Input:
    options = names or [NO_MODELS]
    default = SHIPPED if SHIPPED in options else options[0]
    return io.Combo.Input("model", options=options, default=default, tooltip=tooltip)


def _options(quality: int, **others: int) -> dict[str, Any]:
    """The options that are not 0; where there is none, the quality. (More than one is an error of the package.)"""
    return {name: value for name, value in others.items() if value} or {"quality": quality}


def _shown(saved: list[tuple[Path, str]]) -> io.NodeOutput:
    """What the front end and clients of the API get: previews as ``images``, and the files as ``sdz``."""
    shown: list[ui.SavedResult] = []
    for path, _ in saved:
        with Image.open(path) as image:
            image.thumbnail((max(1, image.width // PREVIEW_PART), max(1, image.height // PREVIEW_PART)))
            shown += ui.PreviewImage(tensors.image_and_mask(image)[0]).as_dict()["images"]
    results = [ui.SavedResult(path.name, subfolder, io.FolderType.output) for path, subfolder in saved]
    return io.NodeOutput(ui={"images": shown, "sdz": results})


def _is_turned(image: Image.Image) -> bool:
    """Whether a picture's EXIF says that it is to be turned or mirrored; not where that cannot be read."""
    try:
        return bool(image.getexif().get(ORIENTATION, 1) != 1)
    except Exception:  # Pillow's reader may raise anything, and the latent is as good without it
        return False


def _log_what_a_latent_lacks(path: Path) -> None:
    """Warn where a file shows more than its latent does."""
    with Image.open(path) as image:
        missing = {
            "its orientation": _is_turned(image),
            "its alpha": "A" in image.getbands(),
            "its pixels in patches": bool(image.info["patches"]),
        }
    if any(missing.values()):
        words = " and ".join(part for part, is_there in missing.items() if is_there)
        logging.warning("%r: the latent is without %s; Load SDZ (IMAGE) has the whole picture", path.name, words)


class SdzSaveLatent(io.ComfyNode):
    """Save a LATENT, one file an item."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the front end shows."""
        model = "The model whose VAE made the latent, as `sdz-convert models add` named it."
        colors = "If not 0: entries of the palette, 2 to 4096, instead of quality."
        return io.Schema(
            node_id="SdzSaveLatent",
            display_name="Save SDZ (LATENT)",
            category=CATEGORY,
            description="Saves latents of Stable Diffusion 1.x, 2.x and SDXL, quantised, with the workflow.",
            inputs=[
                io.Latent.Input("latent"),
                _prefix(),
                _model(tensors.latent_models(), model),
                _quality(),
                io.Int.Input("colors", default=0, min=0, max=4096, tooltip=colors, optional=True),
                _target_size(),
                io.Boolean.Input("drop_noise_mask", default=False, tooltip="Save without the mask.", optional=True),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, model: str | None = None) -> bool | str:
        """Whether the model is there; the message says how to add one."""
        try:
            if model is not None:
                tensors.check_model(model)
        except (OSError, ValueError) as error:
            return str(error)
        return True

    @classmethod
    def execute(
        cls,
        latent: dict[str, Any],
        filename_prefix: str,
        model: str,
        quality: int,
        colors: int = 0,
        target_size: int = 0,
        drop_noise_mask: bool = False,
    ) -> io.NodeOutput:
        """Save each item of the batch."""
        tensors.check_model(model)
        arrays = tensors.arrays_of(latent, drop_noise_mask=drop_noise_mask)
        texts = tensors.batch_texts(latent, len(arrays))
        height, width = (side * tensors.FACTOR for side in arrays[0].shape[:2])
        options = _options(quality, colors=colors, target_size=target_size)
        workflow = files.workflow_texts(cls.hidden)
        saved = []
        new = files.new_files(filename_prefix, width, height)
        for array, text, (path, subfolder) in zip(arrays, texts, new, strict=False):
            pillow_sdz.write_latent(array, path, model=model, text=workflow | text, **options)
            saved.append((path, subfolder))
        return _shown(saved)


class SdzLoadLatent(io.ComfyNode):
    """Load a LATENT, as it was quantised."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the front end shows."""
        return io.Schema(
            node_id="SdzLoadLatent",
            display_name="Load SDZ (LATENT)",
            category=CATEGORY,
            description="Loads the latent of an .sdz file; KSampler at a low denoise removes its quantisation noise.",
            inputs=[_file()],
            outputs=[io.Latent.Output()],
        )

    @classmethod
    def validate_inputs(cls, file: str | None = None) -> bool | str:
        """Whether the file is there, is an .sdz file and is whole."""
        return files.problem_of(file)

    @classmethod
    def fingerprint_inputs(cls, file: str) -> str:
        """Changes when the file does."""
        return files.fingerprint_of(file)

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        """Load the latent."""
        path = files.path_of(file)
        latent = tensors.latent_of(pillow_sdz.read_latent(path))
        _log_what_a_latent_lacks(path)
        return io.NodeOutput(latent)


class SdzSaveImage(io.ComfyNode):
    """Save an IMAGE, one file an item."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the front end shows."""
        models = sorted({model.name for model in pillow_sdz.installed_models()})
        return io.Schema(
            node_id="SdzSaveImage",
            display_name="Save SDZ (IMAGE)",
            category=CATEGORY,
            description="Saves images in a few kilobytes, with the workflow. An alpha channel is kept.",
            inputs=[
                io.Image.Input("images"),
                _prefix(),
                _model(models, "The model that encodes. tiny comes with the package."),
                _quality(),
                _target_size(),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls, images: Tensor, filename_prefix: str, model: str, quality: int, target_size: int = 0
    ) -> io.NodeOutput:
        """Save each item of the batch."""
        pictures = tensors.pictures_of(images)
        options = _options(quality, target_size=target_size)
        workflow = files.workflow_texts(cls.hidden)
        saved = []
        for picture, (path, subfolder) in zip(
            pictures, files.new_files(filename_prefix, *pictures[0].size), strict=False
        ):
            pillow_sdz.write(picture, path, model=model, text=workflow, **options)
            saved.append((path, subfolder))
        return _shown(saved)


class SdzLoadImage(io.ComfyNode):
    """Load an IMAGE, and a MASK from its alpha."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the front end shows."""
        return io.Schema(
            node_id="SdzLoadImage",
            display_name="Load SDZ (IMAGE)",
            category=CATEGORY,
            description="Decodes an .sdz file of any model that is installed.",
            inputs=[_file()],
            outputs=[io.Image.Output(), io.Mask.Output()],
        )

    @classmethod
    def validate_inputs(cls, file: str | None = None) -> bool | str:
        """Whether the file is there, is an .sdz file and is whole."""
        return files.problem_of(file)

    @classmethod
    def fingerprint_inputs(cls, file: str) -> str:
        """Changes when the file does."""
        return files.fingerprint_of(file)

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        """Decode the file."""
        with Image.open(files.path_of(file)) as image:
            return io.NodeOutput(*tensors.image_and_mask(image))
