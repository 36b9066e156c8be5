"""Models from checkpoints of Stable Diffusion: `add_model`, and what it checks before anything is written."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models import registry
from pillow_sdz.models.checkpoints.new_folder import VERSION, write_model
from pillow_sdz.models.manifest import MANIFEST_NAME, NAME_PATTERN

if TYPE_CHECKING:
    from pathlib import Path

    from pillow_sdz.models.checkpoints.checkpoint import Checkpoint
    from pillow_sdz.models.manifest import Manifest


def add_model(
    name: str, source: str | Path, *, revision: str | None = None, vae_only: bool = False,
    scheduler: str | None = None, family: str | None = None, prediction: str | None = None,
    config: str | Path | None = None,
) -> tuple[Manifest, tuple[str, ...]]:  # fmt: skip
    """Make a model of the registry from a checkpoint.

    Args:
        name: what the model will be called: ``image.save(file, model=name)``.
        source: a folder in diffusers' layout (a pipeline, or an autoencoder alone), a .safetensors file in the layout
            of Stable Diffusion's authors, or a repository of the Hugging Face hub, ``owner/name``.
        revision: of the repository: a commit, tag or branch; None is ``main``. The commit is recorded.
        vae_only: leave the U-Net out.
        scheduler: ``ddim``, ``pndm``, ``euler``, ``lms`` or ``unipc``; None is the checkpoint's own.
        family: of a single file, if it does not show it: ``sd1``, ``sd2`` or ``sdxl``.
        prediction: what the U-Net of a single file of family ``sd2`` predicts: ``epsilon`` or ``v_prediction``.
        config: folder with diffusers' configurations for a single file of another family.

    Returns:
        The manifest of the new model, and what the user should know.

    Raises:
        SdzModelError: the name is taken or not allowed, or the source is incomplete, damaged or unsupported, cannot be
            reached, or does not fit on the disk; nothing is left behind.
        SdzDependencyError: transformers is missing, and the empty prompt needs it.
    """
    from pillow_sdz.models.checkpoints.sources import SourceOptions, read_source
    from pillow_sdz.models.runtime import drawing, require_torch

    _check_name(name)
    require_torch()
    import torch

    options = SourceOptions(revision, vae_only, scheduler, family, prediction, None if config is None else Path(config))
    with drawing(), torch.inference_mode(False), torch.no_grad():
        checkpoint = read_source(str(source), options)
        _check_fit(checkpoint)
        return write_model(name, checkpoint), checkpoint.notes


def _check_name(name: str) -> None:
    if not NAME_PATTERN.fullmatch(name) or len(name) > 64:
        raise SdzModelError(
            "a model cannot have this name", field="name", found=repr(name)[:80],
            expected="lower-case letters, digits, dots, underscores and inner hyphens, as sd15",
        )  # fmt: skip
    taken = {text for model in registry.installed() for text in (model.name, model.full_name)}
    if name in taken or f"{name}-{VERSION}" in taken or (registry.writable_folder() / f"{name}-{VERSION}").exists():
        raise SdzModelError(
            "a model of this name is there already", field="name", found=name,
            remedy=f"choose another, or remove it first: sdz-convert models remove {name}",
        )  # fmt: skip


def _check_fit(checkpoint: Checkpoint) -> None:
    """Check what the parts say of each other.

    Raises:
        SdzModelError: they do not fit, or the scheduler is not supported.
    """
    from pillow_sdz.models.checkpoints.empty_prompt import check_width
    from pillow_sdz.models.loading import build_scheduler

    if (unet := checkpoint.unet) is None:
        return
    channels = checkpoint.vae.config.get("latent_channels", 4)
    for field in ("in_channels", "out_channels"):
        if (found := unet.config.get(field, 4)) != channels:
            raise SdzModelError(
                "the U-Net's channels do not fit the autoencoder", file=str(unet.where), field=field, found=found,
                expected=f"{channels}, as its latents have; U-Nets for inpainting or upscaling are not supported",
            )  # fmt: skip
    assert checkpoint.scheduler is not None
    assert checkpoint.embedding is not None
    check_width(checkpoint.embedding, unet.config.get("cross_attention_dim", 1280), str(unet.where))
    try:
        build_scheduler(checkpoint.scheduler)
    except SdzModelError as error:
        remedy = "choose a scheduler for the same schedule: --scheduler ddim, pndm, euler, lms or unipc"
        raise SdzModelError(
            error.problem, file=error.file or checkpoint.source or None, field=error.field, found=error.found,
            expected=error.expected, remedy=remedy,
        ) from error  # fmt: skip


REMOVED: Final = ".removed"
"""How the hidden folder of a model ends that is being removed."""


def remove_model(name: str) -> Path:
    """Remove a model that `adding.add_model` made, by its name; returns the folder that is gone. Of a folder that is
    a symbolic link the link goes, and what it points to stays.

    Raises:
        SdzModelError: there is no such model among those of the user, or it cannot be removed.
    """
    place = registry.writable_folder()
    folder = next(
        (place / each for each in (f"{name}-{VERSION}", name) if (place / each / MANIFEST_NAME).is_file()), None
    )
    if folder is None or not NAME_PATTERN.fullmatch(name):
        added = ", ".join(path.name.removesuffix(f"-{VERSION}") for path in _models_in(place)) or "none"
        raise SdzModelError(
            "no such model was added", field="model", found=name, expected=f"one of {added}",
            remedy=f"models that came with the package or lie outside {place} are not removed here",
        )  # fmt: skip
    hidden = place / f".{folder.name}.{uuid.uuid4().hex[:8]}{REMOVED}"
    try:
        for left in place.glob(f".*{REMOVED}"):  # of a removal that was interrupted
            shutil.rmtree(left)
        if folder.is_symlink():
            folder.unlink()
        else:
            folder.rename(hidden)  # at once: a model with half of its files would be worse than none
            shutil.rmtree(hidden)
    except OSError as error:
        raise SdzModelError(f"cannot remove the model: {error}", file=str(folder)) from error
    return folder


def _models_in(place: Path) -> list[Path]:
    return sorted(path.parent for path in place.glob(f"[!.]*/{MANIFEST_NAME}"))
