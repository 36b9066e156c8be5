"""The folder of a model that is added from a checkpoint: networks, scheduler, empty prompt and manifest.

It is built under a hidden name beside its place and renamed when it is complete: the registry holds whole models only,
whatever happens on the way.
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
import shutil
import uuid
from typing import TYPE_CHECKING, Any, Final

from pillow_sdz.errors import SdzError, SdzModelError
from pillow_sdz.models import registry
from pillow_sdz.models.manifest import MANIFEST_NAME, CodeMapping, Context, Manifest, read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from torch import Tensor

    from pillow_sdz.models.checkpoints.checkpoint import Checkpoint, NetworkWeights

WINDOW: Final = 64
"""Side of windows in latent positions: what Stable Diffusion 1.x was trained on."""

OVERLAP: Final = 16
"""Latent positions in which windows fade into each other: a quarter, as in diffusers' tiled autoencoders."""

DENOISE_STEPS: Final = 2
"""Steps of the U-Net by default; Bühlmann's schedule has as many, after which one of its timesteps comes twice."""

VERSION: Final = 1
REMEDY: Final = "the checkpoint's files do not belong together; get them again from their source"


def write_model(name: str, checkpoint: Checkpoint) -> Manifest:
    """Build the model's folder and put it in its place.

    Raises:
        SdzModelError: a network cannot be built, the same weights are a model already, or the folder cannot be
            written; nothing is left behind.
    """
    from pillow_sdz.models.configuration import digests

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
        _check_alone(fields["fingerprint"])
        _write_parts(temporary, checkpoint)
        fields["configs"] = digests(temporary)
        (temporary / MANIFEST_NAME).write_text(json.dumps(fields, indent=1) + "\n")
        read_manifest(temporary)
        temporary.rename(target)
    except BaseException as error:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, SdzError) or not _is_writing(error):
            raise
        raise _not_written(error, place, checkpoint) from error
    return read_manifest(target)


def _check_alone(fingerprint: str) -> None:
    """Refuse a second model with the same weights: a file names its model by them, and would not know which.

    Raises:
        SdzModelError: naming the first.
    """
    if (twin := registry.describe(bytes.fromhex(fingerprint)[:8])) is not None:
        raise SdzModelError(
            "a model with the same weights is there already", field="fingerprint", found=twin,
            remedy=f"use that, or remove it first: sdz-convert models remove {twin}",
        )  # fmt: skip


def _built(part: NetworkWeights) -> Any:
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
        f"cannot write the model: {error}", file=str(place), remedy=f"{registry.MODELS_VARIABLE} names another folder"
    )


def _no_space(place: Path, needed: int) -> SdzModelError:
    return SdzModelError(
        "no space left for the model", file=str(place), expected=f"{needed:,} bytes",
        remedy=f"make room, or name a folder on another disk with {registry.MODELS_VARIABLE}",
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


def _manifest_fields(name: str, checkpoint: Checkpoint, network: Any, folder: Path) -> dict[str, Any]:
    """What ``model.json`` will say; fits the preview on the way."""
    import torch

    from pillow_sdz.models.checkpoints.calibration import code_step, fit_preview, scaling_of
    from pillow_sdz.models.checkpoints.empty_prompt import to_bytes
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
        denoise_steps=0 if checkpoint.unet is None else DENOISE_STEPS, preview_matrix=(), licence="unknown", training_data=(),
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
        "steps": draft.denoise_steps,
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
    from pillow_sdz.models.checkpoints.empty_prompt import EMBEDDING_NAME
    from pillow_sdz.models.checkpoints.empty_prompt import to_bytes
    from pillow_sdz.models.configuration import CLASS_KEY, write_config
    from pillow_sdz.models.loading import SCHEDULER_CONFIG_NAME

    _write_network(folder / "vae", checkpoint.vae)
    if checkpoint.unet is None:
        return
    _write_network(folder / "unet", checkpoint.unet)
    assert checkpoint.scheduler is not None
    assert checkpoint.embedding is not None
    fields = dict(checkpoint.scheduler)
    (folder / "scheduler").mkdir()
    write_config(folder / "scheduler" / SCHEDULER_CONFIG_NAME, fields.pop(CLASS_KEY), fields)
    (folder / EMBEDDING_NAME).write_bytes(to_bytes(checkpoint.embedding))


def _write_network(folder: Path, network: NetworkWeights) -> None:
    from pillow_sdz.models.configuration import CONFIG_NAME
    from pillow_sdz.models.configuration import write_config
    from pillow_sdz.models.weights import write_weights

    folder.mkdir()
    fields = {name: value for name, value in network.config.items() if not name.startswith("_")}
    write_config(folder / CONFIG_NAME, network.name, fields)
    write_weights(folder, network.tensors)
