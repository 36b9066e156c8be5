"""The folder of a model that is added from a checkpoint: networks, scheduler, unconditional embedding and manifest.

It is built under a hidden name beside its place and renamed when it is complete, so that the registry never sees a part
of a model. torch and the modules that import it are imported within functions.
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
import shutil
import uuid
from typing import TYPE_CHECKING, Any, Final

from pillow_sdz.errors import SdzError, SdzModelError, naming_file
from pillow_sdz.models import registry
from pillow_sdz.models.checkpoints.calibration import code_step, fit_preview, scaling_of
from pillow_sdz.models.code_mapping import CodeMapping
from pillow_sdz.models.configuration import CLASS_KEY, CONFIG_NAME, SCHEDULER_CONFIG_NAME, digests, write_config
from pillow_sdz.models.diffusers_parts import build
from pillow_sdz.models.embedding import EMBEDDING_NAME, to_bytes
from pillow_sdz.models.fingerprint import Decoding, decoding_tensors, digest_of, encoder_tensors, fingerprint
from pillow_sdz.models.manifest import MANIFEST_NAME, Manifest, ReceptiveRadius, read_manifest
from pillow_sdz.models.torch_model import TorchModel

if TYPE_CHECKING:
    from pathlib import Path

    from pillow_sdz.models.checkpoints.checkpoint import Checkpoint, NetworkWeights

WINDOW_SIDE: Final = 64
"""Side of windows in latent positions: what Stable Diffusion 1.x was trained on."""

WINDOW_OVERLAP: Final = 16
"""Latent positions in which windows are blended: a quarter of their side, as in diffusers' tiled autoencoders."""

DENOISE_STEPS: Final = 2
"""U-Net steps by default: as many as Bühlmann (2022) takes, whose scheduler visits one of its timesteps twice."""

ADDED_VERSION: Final = 1
"""Version of every model that is added. The user chooses the name, and must remove a model before the name is free."""

MISMATCH_REMEDY: Final = "the checkpoint's files do not belong together; get them again from their source"


def write_model(name: str, checkpoint: Checkpoint) -> Manifest:
    """Build the model's folder and put it in its place.

    Raises:
        SdzModelError: a network cannot be built, a model with the same weights exists, or the folder cannot be
            written; nothing is left behind.
    """
    from safetensors import SafetensorError

    autoencoder = _built(checkpoint.vae)
    if checkpoint.unet is not None:
        _built(checkpoint.unet)  # raises an error if it cannot be built
    place = registry.writable_folder()
    target = place / f"{name}-{ADDED_VERSION}"
    temporary: Path | None = None
    try:
        place.mkdir(parents=True, exist_ok=True)
        _check_space(place, checkpoint)
        temporary = place / f".{name}.{uuid.uuid4().hex[:8]}"
        temporary.mkdir()
        fields = _manifest_fields(name, checkpoint, autoencoder, temporary)
        _check_new(fields["fingerprint"], fields["encoder"])
        _write_parts(temporary, checkpoint)
        fields["configs"] = digests(temporary)
        (temporary / MANIFEST_NAME).write_text(json.dumps(fields, indent=1) + "\n")
        read_manifest(temporary)
        temporary.rename(target)
    except BaseException as error:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, SdzError) or not isinstance(error, OSError | SafetensorError):
            raise
        raise _not_written(error, place, checkpoint) from error
    return read_manifest(target)


def _check_new(digest: str, encoder: str) -> None:
    """Refuse a model that is there already. One that differs in the encoder is another to save with, not to open files.

    Raises:
        SdzModelError: there is one; the error names it.
    """
    for twin in registry.installed():
        if twin.fingerprint == digest and twin.encoder in (None, encoder):
            raise SdzModelError(
                "a model with the same weights is there already",
                field="fingerprint",
                found=twin.full_name,
                remedy=f"use that, or remove it first: sdz-convert models remove {twin.full_name}",
            )


def _built(part: NetworkWeights) -> Any:
    """The network of a part with its weights, in float32.

    Raises:
        SdzModelError: it cannot be built; the error names its file or folder.
    """
    from pillow_sdz.models.weights import adopt

    with naming_file(part.where):
        network = build(part.name, part.config)
        adopt(network, part.tensors, MISMATCH_REMEDY)
        return network


def _not_written(error: BaseException, place: Path, checkpoint: Checkpoint) -> SdzModelError:
    of_safetensors = re.search(r"os error 28\b", str(error))  # its errors have no errno; 28 is ENOSPC
    if getattr(error, "errno", None) == errno.ENOSPC or of_safetensors:
        return _no_space(place, _byte_count(checkpoint))
    remedy = f"{registry.MODELS_VARIABLE} names another folder"
    return SdzModelError(f"cannot write the model: {error}", file=str(place), remedy=remedy)


def _no_space(place: Path, needed: int, free: int | None = None) -> SdzModelError:
    return SdzModelError(
        "no space left for the model",
        file=str(place),
        found=None if free is None else f"{free:,} bytes",
        expected=f"{needed:,} bytes",
        remedy=f"make room, or name a folder on another disk with {registry.MODELS_VARIABLE}",
    )


def _check_space(place: Path, checkpoint: Checkpoint) -> None:
    needed, free = _byte_count(checkpoint), shutil.disk_usage(place).free
    if free < needed:
        raise _no_space(place, needed, free)


def _byte_count(checkpoint: Checkpoint) -> int:
    """Bytes that the model's weights take."""
    networks = [part for part in (checkpoint.vae, checkpoint.unet) if part is not None]
    return sum(tensor.numel() * tensor.element_size() for part in networks for tensor in part.tensors.values())


def _manifest_fields(name: str, checkpoint: Checkpoint, autoencoder: Any, folder: Path) -> dict[str, Any]:
    """The fields of ``model.json`` except ``configs``; calibrates the autoencoder."""
    import torch

    vae, unet, embedding = checkpoint.vae, checkpoint.unet, checkpoint.embedding
    with naming_file(vae.where):
        scaling, shift = scaling_of(vae.config, vae.name)
    channels = int(autoencoder.config.latent_channels)
    codes = CodeMapping(code_step(scaling), None, channels, _factor(autoencoder))
    unet_config = None if unet is None else {CLASS_KEY: unet.name, **unet.config}
    decoding = Decoding(codes, {CLASS_KEY: vae.name, **vae.config}, unet_config, checkpoint.scheduler, scaling, shift)
    tensors = decoding_tensors(vae.tensors, None if unet is None else unet.tensors)
    draft = Manifest(
        folder=folder,
        name=name,
        version=ADDED_VERSION,
        fingerprint=fingerprint(tensors, decoding),
        codes=codes,
        context=ReceptiveRadius(WINDOW_OVERLAP, WINDOW_OVERLAP, WINDOW_OVERLAP),
        latent_scaling=scaling,
        latent_shift=shift,
        window=WINDOW_SIDE,
        denoise_steps=0 if unet is None else DENOISE_STEPS,
        preview_matrix=(),
        licence="unknown",  # the checkpoint's own, which its files do not name
        training_data=(),
    )
    autoencoder.requires_grad_(False).eval()
    matrix = fit_preview(TorchModel(draft, autoencoder, None, None, "cpu", torch.float32))
    return {
        "format": "pillow_sdz model",
        "name": name,
        "version": draft.version,
        "licence": draft.licence,
        "source": checkpoint.source,
        "fingerprint": draft.fingerprint,
        "encoder": digest_of(encoder_tensors(vae.tensors)),
        "codes": codes.manifest_fields(),
        "latent_scaling": scaling,
        "latent_shift": shift,
        "steps": draft.denoise_steps,
        "window": draft.window,
        "context": dict.fromkeys(("encoder", "decoder", "unet"), WINDOW_OVERLAP),
        "empty_prompt": None if embedding is None else hashlib.sha256(to_bytes(embedding)).hexdigest(),
        "preview_matrix": matrix.tolist(),
        "training_data": [],
    }


def _factor(autoencoder: Any) -> int:
    """Pixels per latent position along each axis: every resolution after the first halves the sides."""
    config = autoencoder.config
    widths = config.get("encoder_block_out_channels") or config["block_out_channels"]
    return int(2 ** (len(widths) - 1))


def _write_parts(folder: Path, checkpoint: Checkpoint) -> None:
    """Write networks, scheduler and embedding in the layout that `pillow_sdz.models.loading` reads."""
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
    from pillow_sdz.models.weights import write_weights

    folder.mkdir()
    fields = {name: value for name, value in network.config.items() if not name.startswith("_")}
    write_config(folder / CONFIG_NAME, network.name, fields)
    write_weights(folder, network.tensors)
