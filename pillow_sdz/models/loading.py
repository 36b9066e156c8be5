"""From a model folder to networks in memory: diffusers' own loading code, safetensors only, fingerprint checked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models.manifest import REINSTALL, Manifest
from pillow_sdz.models.model import Model
from pillow_sdz.models.runtime import isolated

if TYPE_CHECKING:
    from pathlib import Path

MAX_CONFIG_BYTES = 1 << 20


def load_model(manifest: Manifest, device: str, dtype: str) -> Model:
    """Load the networks of ``manifest.folder`` and check that they are the ones it names.

    Raises:
        SdzModelError: a part is missing, damaged, of an unknown class, or the fingerprint differs.
    """
    import torch

    from pillow_sdz.models.fingerprint import fingerprint
    from pillow_sdz.models.inplace import reuse_memory
    from pillow_sdz.models.winograd import use_winograd

    with isolated(), torch.inference_mode(False), torch.no_grad():
        vae = load_part(manifest.folder / "vae", {"AutoencoderDC": _autoencoder_dc})
        unet = scheduler = None
        tensors = {f"vae.{name}": tensor for name, tensor in vae.state_dict().items()}
        if (manifest.folder / "unet").is_dir():
            unet = load_part(manifest.folder / "unet", {"LatentUNet": _latent_unet})
            tensors |= {f"unet.{name}": tensor for name, tensor in unet.state_dict().items()}
            scheduler = load_scheduler(manifest.folder / "scheduler")
        found = fingerprint(tensors, manifest.codes)
        if found != manifest.fingerprint:
            raise SdzModelError(
                f"the weights of model {manifest.full_name} are not those of its manifest",
                file=str(manifest.folder),
                field="fingerprint",
                found=found[:16],
                expected=manifest.fingerprint[:16],
                remedy=REINSTALL,
            )
        for network in (vae, unet):
            if network is not None:
                # torch's own `to`: the one of diffusers logs a warning about modules to keep in float32, even for none
                move: Any = torch.nn.Module.to
                move(network, device, getattr(torch, dtype), memory_format=torch.channels_last)
                network.requires_grad_(False).eval()
                if (device, dtype) == ("cpu", "float32"):
                    use_winograd(network)
        reuse_memory(vae)
    return Model(manifest, vae, unet, scheduler, device, getattr(torch, dtype))


def _autoencoder_dc() -> Any:
    from diffusers.models.autoencoders.autoencoder_dc import AutoencoderDC

    return AutoencoderDC


def _latent_unet() -> Any:
    from pillow_sdz.models.networks import LatentUNet

    return LatentUNet


def load_part(folder: Path, classes: dict[str, Any]) -> Any:
    """A network from ``folder`` (config.json and safetensors), in float32.

    Args:
        folder: ``vae`` or ``unet`` of a model.
        classes: class name in config.json -> function that imports the class.
    """
    name = _config(folder / "config.json").get("_class_name")
    if name not in classes:
        expected = " or ".join(classes)
        raise SdzModelError(
            "unknown network", file=str(folder / "config.json"), field="_class_name", found=name, expected=expected
        )
    import torch

    try:
        return classes[name]().from_pretrained(
            str(folder), use_safetensors=True, local_files_only=True, low_cpu_mem_usage=False, torch_dtype=torch.float32
        )
    except Exception as error:  # diffusers and safetensors raise many kinds; each means that the folder is not usable
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SdzModelError(f"cannot load the weights: {reason}", file=str(folder), remedy=REINSTALL) from error


def load_scheduler(folder: Path) -> Any:
    """The scheduler of a model, its timesteps set so that threads can share it."""
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    config = _config(folder / "scheduler_config.json")
    if config.get("_class_name") != "DDIMScheduler":
        raise SdzModelError(
            "unknown scheduler",
            file=str(folder / "scheduler_config.json"),
            field="_class_name",
            found=config.get("_class_name"),
            expected="DDIMScheduler",
        )
    try:
        scheduler = DDIMScheduler.from_config(config)
        scheduler.set_timesteps(scheduler.config.num_train_timesteps)
    except (TypeError, ValueError, KeyError, NotImplementedError) as error:
        raise SdzModelError(f"cannot build the scheduler: {error}", file=str(folder), remedy=REINSTALL) from error
    return scheduler


def _config(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            config = json.loads(file.read(MAX_CONFIG_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise SdzModelError(
            f"cannot read a network's configuration: {error}", file=str(path), remedy=REINSTALL
        ) from error
    if not isinstance(config, dict):
        raise SdzModelError("not a configuration", file=str(path), expected="a JSON object", remedy=REINSTALL)
    return config
