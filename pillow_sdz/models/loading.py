"""From a model folder to networks in memory: safetensors only, built by name from a short list, fingerprint checked.

The classes of the shipped models are this project's own, because importing diffusers takes longer than decoding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pillow_sdz.errors import SdzError, SdzModelError
from pillow_sdz.models.configuration import CLASS, FILE_NAME, read_config
from pillow_sdz.models.manifest import REINSTALL, Manifest
from pillow_sdz.models.model import Model
from pillow_sdz.models.runtime import isolated

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from pillow_sdz.models.network import Network


class Part(NamedTuple):
    """One network of a model.

    Attributes:
        network: a module in float32, on the CPU.
        tensors: its weights by the names of its state dictionary, as they are stored; for the fingerprint.
    """

    network: Any
    tensors: Mapping[str, Tensor]


Builder = Callable[["Path", dict[str, Any]], Part]
"""Given a part's folder and its configuration, builds the network with its weights."""


def load_model(manifest: Manifest, device: str, dtype: str) -> Model:
    """Load the networks of ``manifest.folder`` and check that they are the ones it names.

    Raises:
        SdzModelError: a part is missing, damaged, of an unknown class, or the fingerprint differs.
    """
    import torch

    with isolated(), torch.inference_mode(False), torch.no_grad():
        vae = load_part(manifest.folder / "vae", AUTOENCODERS)
        unet = scheduler = None
        if (manifest.folder / "unet").is_dir():
            unet = load_part(manifest.folder / "unet", UNETS)
            scheduler = load_scheduler(manifest.folder / "scheduler")
        _check_fingerprint(manifest, vae, unet)
        for part in (vae, unet):
            if part is not None:
                _settle(part.network, device, dtype)
    return Model(manifest, vae.network, unet and unet.network, scheduler, device, getattr(torch, dtype))


def _check_fingerprint(manifest: Manifest, vae: Part, unet: Part | None) -> None:
    from pillow_sdz.models.fingerprint import fingerprint

    tensors = {f"vae.{name}": tensor for name, tensor in vae.tensors.items()}
    if unet is not None:
        tensors |= {f"unet.{name}": tensor for name, tensor in unet.tensors.items()}
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


def _settle(network: Any, device: str, dtype: str) -> None:
    """Make a network ready for inference, in place."""
    import torch

    from pillow_sdz.models.winograd import use_winograd

    # torch's own `to`: the one of diffusers logs a warning about modules to keep in float32, even for none
    move: Any = torch.nn.Module.to
    move(network, device, getattr(torch, dtype), memory_format=torch.channels_last)
    network.requires_grad_(False).eval()
    if (device, dtype) == ("cpu", "float32"):
        use_winograd(network)


def load_part(folder: Path, builders: Mapping[str, Builder]) -> Part:
    """A network from ``folder`` (config.json and safetensors), in float32.

    Args:
        folder: ``vae`` or ``unet`` of a model.
        builders: class name in config.json -> what builds it.

    Raises:
        SdzModelError: the class is not among them, its configuration is not supported, or the weights do not fit.
    """
    path = folder / FILE_NAME
    config = read_config(path)
    name = config.get(CLASS)
    if not isinstance(name, str) or name not in builders:
        expected = " or ".join(builders)
        raise SdzModelError("unknown network", file=str(path), field=CLASS, found=name, expected=expected)
    try:
        return builders[name](folder, config)
    except SdzError as error:
        if error.file is not None:
            raise
        raise error.with_file(str(path)) from error


def _own(kind: type[Network], folder: Path, config: dict[str, Any]) -> Part:
    """Build a network of this project around the weights of ``folder``; nothing is initialised only to be replaced."""
    import torch

    from pillow_sdz.models.weights import adopt, read_weights

    with torch.device("meta"):
        network = kind.from_config(config)
    tensors = read_weights(folder)
    adopt(network, tensors, folder)
    return Part(network, tensors)


def _autoencoder_dc(folder: Path, config: dict[str, Any]) -> Part:
    from pillow_sdz.models.autoencoder import Autoencoder

    return _own(Autoencoder, folder, config)


def _latent_unet(folder: Path, config: dict[str, Any]) -> Part:
    from pillow_sdz.models.networks import LatentUNet

    return _own(LatentUNet, folder, config)


AUTOENCODERS: Mapping[str, Builder] = {"AutoencoderDC": _autoencoder_dc}
UNETS: Mapping[str, Builder] = {"LatentUNet": _latent_unet}


def load_scheduler(folder: Path) -> Any:
    """The scheduler of a model, safe to share between threads.

    Raises:
        SdzModelError: it is of an unknown class, or its configuration makes no sense.
    """
    from pillow_sdz.models.ddim import Ddim, covers

    path = folder / "scheduler_config.json"
    config = read_config(path)
    if config.get(CLASS) != "DDIMScheduler":
        raise SdzModelError(
            "unknown scheduler", file=str(path), field=CLASS, found=config.get(CLASS), expected="DDIMScheduler"
        )
    if not covers(config):
        return _diffusers_ddim(config, folder)
    try:
        return Ddim(config)
    except SdzError as error:
        raise error.with_file(str(path)) from error


def _diffusers_ddim(config: dict[str, Any], folder: Path) -> Any:
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    try:
        scheduler = DDIMScheduler.from_config(config)
        scheduler.set_timesteps(scheduler.config.num_train_timesteps)
    except (TypeError, ValueError, KeyError, NotImplementedError) as error:
        raise SdzModelError(f"cannot build the scheduler: {error}", file=str(folder), remedy=REINSTALL) from error
    return scheduler
