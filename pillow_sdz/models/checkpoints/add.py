"""Adding models from checkpoints of Stable Diffusion, and uninstalling them.

`add_model` checks names and parts before anything is written; `new_folder` writes. torch and the modules that import it
are imported within functions, so that an absent torch is reported as such.
"""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pillow_sdz.errors import SdzModelError, naming_file
from pillow_sdz.models import registry
from pillow_sdz.models.checkpoints.checkpoint import SourceOptions
from pillow_sdz.models.checkpoints.new_folder import ADDED_VERSION, write_model
from pillow_sdz.models.checkpoints.sources import SCHEDULER_OPTIONS, read_source
from pillow_sdz.models.embedding import check_width
from pillow_sdz.models.loading import build_scheduler
from pillow_sdz.models.manifest import MANIFEST_NAME, NAME_PATTERN
from pillow_sdz.models.runtime import drawing, require_torch

if TYPE_CHECKING:
    from pillow_sdz.models.checkpoints.checkpoint import Checkpoint
    from pillow_sdz.models.manifest import Manifest

MAX_NAME: Final = 64
"""Longest name of a model, in characters."""


def add_model(
    name: str,
    source: str | Path,
    *,
    revision: str | None = None,
    vae_only: bool = False,
    scheduler: str | None = None,
    family: str | None = None,
    prediction: str | None = None,
    config: str | Path | None = None,
) -> tuple[Manifest, tuple[str, ...]]:
    """Make a model from a checkpoint, and install it.

    Args:
        name: what the model will be called: ``image.save(file, model=name)``.
        source: a folder in diffusers' layout (a pipeline, or an autoencoder alone), a .safetensors file in the layout
            of Stable Diffusion's authors, or a repository of the Hugging Face hub, ``owner/name``.
        revision: commit, tag or branch of the repository; None is ``main``. The manifest records the commit.
        vae_only: leave the U-Net out.
        scheduler: ``ddim``, ``pndm``, ``euler``, ``lms`` or ``unipc``; None is the checkpoint's own.
        family: ``sd1``, ``sd2`` or ``sdxl``; for a single file whose weights do not show its family.
        prediction: what the U-Net of a single file of family ``sd2`` predicts: ``epsilon`` or ``v_prediction``.
        config: folder with diffusers' configurations, for a single file of another family.

    Returns:
        The manifest of the new model, and notes to show to the user.

    Raises:
        SdzModelError: the name is taken or not allowed, or the source is incomplete, damaged or unsupported, cannot be
            reached, or does not fit on the disk; nothing is left behind.
        SdzDependencyError: transformers, which the unconditional embedding needs, is missing.
    """
    _check_name(name)
    require_torch()
    import torch

    options = SourceOptions(revision, vae_only, scheduler, family, prediction, None if config is None else Path(config))
    with drawing(), torch.inference_mode(False), torch.no_grad():
        checkpoint = read_source(str(source), options)
        _check_fit(checkpoint)
        return write_model(name, checkpoint), checkpoint.notes


def _check_name(name: str) -> None:
    if not NAME_PATTERN.fullmatch(name) or len(name) > MAX_NAME:
        raise SdzModelError(
            "a model cannot have this name",
            field="name",
            found=repr(name)[:80],
            expected="lower-case letters, digits, dots, underscores and inner hyphens, as sd15",
        )
    full_name = f"{name}-{ADDED_VERSION}"
    taken = {text for model in registry.installed() for text in (model.name, model.full_name)}
    if name in taken or full_name in taken or (registry.writable_folder() / full_name).exists():
        raise SdzModelError(
            "a model of this name is there already",
            field="name",
            found=name,
            remedy=f"choose another, or remove it first: sdz-convert models remove {name}",
        )


def _check_fit(checkpoint: Checkpoint) -> None:
    """Check that the parts fit each other, and that the scheduler is supported.

    Raises:
        SdzModelError: they do not, or it is not.
    """
    if checkpoint.unet is None:
        return
    assert checkpoint.scheduler is not None
    assert checkpoint.embedding is not None
    unet, channels = checkpoint.unet.config, checkpoint.vae.config.get("latent_channels", 4)
    with naming_file(checkpoint.unet.where):
        for field in ("in_channels", "out_channels"):
            if (found := unet.get(field, 4)) != channels:
                raise SdzModelError(
                    "the U-Net's channels do not fit the autoencoder",
                    field=field,
                    found=found,
                    expected=f"{channels}, as its latents have; U-Nets for inpainting or upscaling are not supported",
                )
        check_width(checkpoint.embedding, unet.get("cross_attention_dim", 1280))
    with naming_file(checkpoint.source or None):
        try:
            build_scheduler(checkpoint.scheduler)
        except SdzModelError as error:
            remedy = f"choose another for the same noise schedule: --scheduler {' or '.join(SCHEDULER_OPTIONS)}"
            raise SdzModelError(
                error.problem,
                field=error.field,
                found=error.found,
                expected=error.expected,
                remedy=remedy,
            ) from error


REMOVED: Final = ".removed"
"""Suffix of a model folder awaiting deletion."""


def remove_model(name: str) -> Path:
    """Uninstall a model that `add_model` made.

    Returns:
        The folder that was removed. If it was a symbolic link, its target stays.

    Raises:
        SdzModelError: no such model was added by the user, or it cannot be removed.
    """
    place = registry.writable_folder()
    folders = [place / each for each in (f"{name}-{ADDED_VERSION}", name)]
    folder = next((each for each in folders if (each / MANIFEST_NAME).is_file()), None)
    if folder is None or not NAME_PATTERN.fullmatch(name):
        added = sorted(path.parent.name for path in place.glob(f"[!.]*/{MANIFEST_NAME}"))
        names = ", ".join(each.removesuffix(f"-{ADDED_VERSION}") for each in added) or "none"
        raise SdzModelError(
            "no such model was added",
            field="model",
            found=name,
            expected=f"one of {names}",
            remedy=f"models that came with the package or lie outside {place} are not removed here",
        )
    awaiting = place / f".{folder.name}.{uuid.uuid4().hex[:8]}{REMOVED}"
    try:
        for left in place.glob(f".*{REMOVED}"):  # a removal was interrupted
            shutil.rmtree(left)
        if folder.is_symlink():
            folder.unlink()
        else:
            folder.rename(awaiting)  # first, so that the registry never sees a model with half of its files
            shutil.rmtree(awaiting)
    except OSError as error:
        raise SdzModelError(f"cannot remove the model: {error}", file=str(folder)) from error
    return folder
