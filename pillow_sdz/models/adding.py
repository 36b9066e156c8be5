"""Models from checkpoints of Stable Diffusion, and their end: `add_model` and `remove_model`.

A model is built in a hidden folder beside its place and renamed when it is complete: the registry holds whole models
only, whatever happens on the way.
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pillow_sdz.errors import SdzError, SdzModelError
from pillow_sdz.models import registry
from pillow_sdz.models.manifest import FILE_NAME, NAME_PATTERN, CodeMapping, Context, Manifest, read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from pillow_sdz.models.checkpoint import Checkpoint, Network

WINDOW: Final = 64
"""Side of windows in latent positions: what Stable Diffusion 1.x was trained on."""

OVERLAP: Final = 16
"""Latent positions in which windows fade into each other: a quarter, as in diffusers' tiled autoencoders."""

STEPS: Final = 2
"""Steps of the U-Net by default; Bühlmann's schedule has as many, after which one of its timesteps comes twice."""

VERSION: Final = 1
REMEDY: Final = "the checkpoint's files do not belong together; get them again from their source"


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
    from pillow_sdz.models.runtime import isolated, require_torch
    from pillow_sdz.models.sources import SourceOptions, read_source

    _check_name(name)
    require_torch()
    import torch

    options = SourceOptions(revision, vae_only, scheduler, family, prediction, None if config is None else Path(config))
    with isolated(), torch.inference_mode(False), torch.no_grad():
        checkpoint = read_source(str(source), options)
        return _write(name, checkpoint), checkpoint.notes


def remove_model(name: str) -> Path:
    """Remove a model that `add_model` made, by its name; returns the folder that is gone.

    Raises:
        SdzModelError: there is no such model among those of the user, or it cannot be removed.
    """
    place = registry.writable_folder()
    folder = next((place / each for each in (f"{name}-{VERSION}", name) if (place / each / FILE_NAME).is_file()), None)
    if folder is None or not NAME_PATTERN.fullmatch(name):
        added = ", ".join(path.name.removesuffix(f"-{VERSION}") for path in _models_in(place)) or "none"
        raise SdzModelError(
            "no such model was added", field="model", found=name, expected=f"one of {added}",
            remedy=f"models that came with the package or lie outside {place} are not removed here",
        )  # fmt: skip
    hidden = place / f".{folder.name}.removed"
    try:
        folder.rename(hidden)  # at once: a model with half of its files would be worse than none
        shutil.rmtree(hidden)
    except OSError as error:
        raise SdzModelError(f"cannot remove the model: {error}", file=str(folder)) from error
    return folder


def _models_in(place: Path) -> list[Path]:
    return sorted(path.parent for path in place.glob(f"[!.]*/{FILE_NAME}"))


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


def _write(name: str, checkpoint: Checkpoint) -> Manifest:
    """Build the model's folder and put it in its place."""
    _check_fit(checkpoint)
    network = _built(checkpoint.vae)
    if checkpoint.unet is not None:
        _built(checkpoint.unet)
    place = registry.writable_folder()
    target = place / f"{name}-{VERSION}"
    temporary: Path | None = None
    try:
        place.mkdir(parents=True, exist_ok=True)
        _check_space(place, checkpoint)
        temporary = place / f".{name}.{uuid.uuid4().hex[:8]}"
        temporary.mkdir()
        fields = _manifest_fields(name, checkpoint, network, temporary)
        _write_parts(temporary, checkpoint)
        (temporary / FILE_NAME).write_text(json.dumps(fields, indent=1) + "\n")
        read_manifest(temporary)
        temporary.rename(target)
    except BaseException as error:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, SdzError) or not _is_writing(error):
            raise
        raise _not_written(error, place, checkpoint) from error
    return read_manifest(target)


def _built(part: Network) -> Any:
    """The network of a part, in float32: what cannot be built is not written.

    Raises:
        SdzModelError: naming the part.
    """
    from pillow_sdz.models.diffusers_parts import build

    try:
        return build(part.name, part.config, part.tensors, part.where, REMEDY)
    except SdzError as error:
        raise error if error.file is not None else error.with_file(str(part.where)) from error


def _is_writing(error: BaseException) -> bool:
    from safetensors import SafetensorError

    return isinstance(error, (OSError, SafetensorError))


def _not_written(error: BaseException, place: Path, checkpoint: Checkpoint) -> SdzModelError:
    full = getattr(error, "errno", None) == errno.ENOSPC or re.search(r"os error 28\b", str(error))
    if full:
        return _no_space(place, _size(checkpoint))
    return SdzModelError(
        f"cannot write the model: {error}", file=str(place), remedy=f"{registry.VARIABLE} names another folder"
    )


def _no_space(place: Path, needed: int) -> SdzModelError:
    return SdzModelError(
        "no space left for the model", file=str(place), expected=f"{needed:,} bytes",
        remedy=f"make room, or name a folder on another disk with {registry.VARIABLE}",
    )  # fmt: skip


def _check_space(place: Path, checkpoint: Checkpoint) -> None:
    needed, free = _size(checkpoint), shutil.disk_usage(place).free
    if free < needed:
        error = _no_space(place, needed)
        raise SdzModelError(
            error.problem, file=error.file, found=f"{free:,} bytes", expected=error.expected, remedy=error.remedy
        )


def _size(checkpoint: Checkpoint) -> int:
    """Bytes that the model's weights take."""
    networks = [part for part in (checkpoint.vae, checkpoint.unet) if part is not None]
    return sum(tensor.numel() * tensor.element_size() for part in networks for tensor in part.tensors.values())


def _check_fit(checkpoint: Checkpoint) -> None:
    """Check what the parts say of each other.

    Raises:
        SdzModelError: they do not fit, or the scheduler is not supported.
    """
    from pillow_sdz.models.empty_prompt import check_width
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


def _manifest_fields(name: str, checkpoint: Checkpoint, network: Any, folder: Path) -> dict[str, Any]:
    """What ``model.json`` will say; fits the preview on the way."""
    import torch

    from pillow_sdz.models.calibration import code_step, fit_preview, scaling_of
    from pillow_sdz.models.empty_prompt import to_bytes
    from pillow_sdz.models.fingerprint import fingerprint
    from pillow_sdz.models.model import Model

    vae, embedding = checkpoint.vae, checkpoint.embedding
    try:
        scaling, shift = scaling_of(vae.config, vae.name)
    except SdzModelError as error:
        raise error.with_file(str(vae.where)) from error
    channels = int(network.config.latent_channels)
    codes = CodeMapping(code_step(scaling), None, channels, _factor(network))
    draft = Manifest(
        folder=folder, name=name, version=VERSION, fingerprint="0" * 64, codes=codes,
        context=Context(OVERLAP, OVERLAP, OVERLAP), latent_scaling=scaling, latent_shift=shift, window=WINDOW,
        steps=0 if checkpoint.unet is None else STEPS, preview_matrix=(), licence="unknown", training_data=(),
    )  # fmt: skip
    network.requires_grad_(False).eval()
    matrix = fit_preview(Model(draft, network, None, None, "cpu", torch.float32))
    return {
        "format": "pillow_sdz model",
        "name": name,
        "version": VERSION,
        "licence": "unknown",  # that of the checkpoint, which its files do not say
        "source": checkpoint.source,
        "fingerprint": fingerprint(dict(_all_tensors(checkpoint)), codes),
        "codes": json.loads(codes.canonical_json()),
        "latent_scaling": scaling,
        "latent_shift": shift,
        "steps": draft.steps,
        "window": WINDOW,
        "context": {"encoder": OVERLAP, "decoder": OVERLAP, "unet": OVERLAP},
        "empty_prompt": None if embedding is None else hashlib.sha256(to_bytes(embedding)).hexdigest(),
        "preview_matrix": matrix.tolist(),
        "training_data": [],
    }


def _factor(network: Any) -> int:
    """Pixels per latent position along each axis: each block but one halves the sides."""
    config = network.config
    widths = config.get("encoder_block_out_channels") or config["block_out_channels"]
    return int(2 ** (len(widths) - 1))


def _all_tensors(checkpoint: Checkpoint) -> Iterable[tuple[str, Tensor]]:
    for prefix, part in (("vae", checkpoint.vae), ("unet", checkpoint.unet)):
        if part is not None:
            yield from ((f"{prefix}.{name}", tensor) for name, tensor in part.tensors.items())


def _write_parts(folder: Path, checkpoint: Checkpoint) -> None:
    """Write networks, scheduler and empty prompt in the layout that `loading` reads."""
    from pillow_sdz.models.configuration import CLASS, write_config
    from pillow_sdz.models.empty_prompt import FILE_NAME as PROMPT
    from pillow_sdz.models.empty_prompt import to_bytes
    from pillow_sdz.models.loading import SCHEDULER_FILE_NAME

    _write_network(folder / "vae", checkpoint.vae)
    if checkpoint.unet is None:
        return
    _write_network(folder / "unet", checkpoint.unet)
    assert checkpoint.scheduler is not None
    assert checkpoint.embedding is not None
    fields = dict(checkpoint.scheduler)
    (folder / "scheduler").mkdir()
    write_config(folder / "scheduler" / SCHEDULER_FILE_NAME, fields.pop(CLASS), fields)
    (folder / PROMPT).write_bytes(to_bytes(checkpoint.embedding))


def _write_network(folder: Path, network: Network) -> None:
    from pillow_sdz.models.configuration import FILE_NAME as CONFIG
    from pillow_sdz.models.configuration import write_config
    from pillow_sdz.models.weights import write_weights

    folder.mkdir()
    fields = {name: value for name, value in network.config.items() if not name.startswith("_")}
    write_config(folder / CONFIG, network.name, fields)
    write_weights(folder, network.tensors)
