"""From a model folder to networks in memory: safetensors only, built by name from a short list, fingerprint checked.

The classes of the shipped models are this project's own, because importing diffusers takes longer than decoding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pillow_sdz.errors import SdzError, SdzModelError
from pillow_sdz.models.configuration import CLASS_KEY, CONFIG_NAME, digest, read_config
from pillow_sdz.models.diffusion.schedulers import KINDS, Sampler, betas_of, prediction_of
from pillow_sdz.models.fingerprint import all_tensors, check_weights
from pillow_sdz.models.manifest import REINSTALL, Manifest
from pillow_sdz.models.model import Model
from pillow_sdz.models.runtime import drawing

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from pillow_sdz.models.networks.base import Network


SCHEDULER_CONFIG_NAME = "scheduler_config.json"


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

    with drawing(), torch.inference_mode(False), torch.no_grad():
        vae = load_part(manifest.folder / "vae", AUTOENCODERS)
        unet = scheduler = None
        if (manifest.folder / "unet").is_dir():
            unet = load_part(manifest.folder / "unet", UNETS)
            scheduler = load_scheduler(manifest.folder / "scheduler")
        check_weights(manifest, all_tensors(vae.tensors, None if unet is None else unet.tensors))
        _check_configs(manifest)
        vae_dtype = _autoencoder_dtype(vae.network, dtype)
        _settle(vae.network, device, vae_dtype)
        predictor = None
        if unet is not None:
            _settle(unet.network, device, dtype)
            predictor = _predictor(manifest, unet.network, scheduler, device, getattr(torch, dtype))
    number_types = getattr(torch, dtype), getattr(torch, vae_dtype)
    return Model(manifest, vae.network, predictor, scheduler, device, *number_types)


def _autoencoder_dtype(vae: Any, dtype: str) -> str:
    """Some autoencoders overflow in float16; their configuration says so, and diffusers' pipelines do the same."""
    return "float32" if dtype == "float16" and getattr(vae.config, "force_upcast", False) else dtype


def _predictor(manifest: Manifest, unet: Any, scheduler: Any, device: str, dtype: Any) -> Any:
    """The U-Net as `denoise.denoise` calls it."""
    from pillow_sdz.models.checkpoints.empty_prompt import read_embedding
    from pillow_sdz.models.diffusion.denoise import Conditioned

    embedding = None
    if hasattr(unet.config, "cross_attention_dim"):
        embedding = read_embedding(manifest, unet.config.cross_attention_dim).to(device, dtype)
    prediction = prediction_of(read_config(manifest.folder / "scheduler" / SCHEDULER_CONFIG_NAME))
    alphas = scheduler.alphas_cumprod if prediction == "v_prediction" else None
    return unet if embedding is None and alphas is None else Conditioned(unet, embedding, alphas)


def _check_configs(manifest: Manifest) -> None:
    for name, expected in manifest.configs:
        path = manifest.folder / name
        if (found := digest(read_config(path))) != expected:
            raise SdzModelError(
                f"the configuration is not the one that model {manifest.full_name} was made with", file=str(path),
                field="SHA-256", found=found[:16], expected=expected[:16], remedy=manifest.reinstall,
            )  # fmt: skip


def _settle(network: Any, device: str, dtype: str) -> None:
    """Make a network ready for inference, in place."""
    import torch

    from pillow_sdz.models.networks.base import Network
    from pillow_sdz.models.networks.winograd import use_winograd

    # torch's own `to`: the one of diffusers logs a warning about modules to keep in float32, even for none
    move: Any = torch.nn.Module.to
    move(network, device, getattr(torch, dtype), memory_format=torch.channels_last)
    network.requires_grad_(False).eval()
    if (device, dtype) == ("cpu", "float32") and isinstance(network, Network):
        use_winograd(network)  # not the large networks of diffusers: their kernels would take four times the memory


def load_part(folder: Path, builders: Mapping[str, Builder]) -> Part:
    """A network from ``folder`` (config.json and safetensors), in float32.

    Args:
        folder: ``vae`` or ``unet`` of a model.
        builders: class name in config.json -> what builds it.

    Raises:
        SdzModelError: the class is not among them, its configuration is not supported, or the weights do not fit.
    """
    path = folder / CONFIG_NAME
    config = read_config(path)
    name = config.get(CLASS_KEY)
    if not isinstance(name, str) or name not in builders:
        expected = " or ".join(builders)
        raise SdzModelError("unknown network", file=str(path), field=CLASS_KEY, found=name, expected=expected)
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
    from pillow_sdz.models.networks.autoencoder import Autoencoder

    return _own(Autoencoder, folder, config)


def _latent_unet(folder: Path, config: dict[str, Any]) -> Part:
    from pillow_sdz.models.networks.latent_unet import LatentUNet

    return _own(LatentUNet, folder, config)


def _diffusers(name: str) -> Builder:
    def builder(folder: Path, config: dict[str, Any]) -> Part:
        from pillow_sdz.models.diffusers_parts import read

        return Part(*read(name, folder, config))

    return builder


AUTOENCODERS: Mapping[str, Builder] = {
    "AutoencoderDC": _autoencoder_dc,
    "AutoencoderKL": _diffusers("AutoencoderKL"),
    "AutoencoderTiny": _diffusers("AutoencoderTiny"),
}
UNETS: Mapping[str, Builder] = {
    "LatentUNet": _latent_unet,
    "UNet2DConditionModel": _diffusers("UNet2DConditionModel"),
}
SCHEDULERS = ("DDIMScheduler", *KINDS)
"""Names of diffusers' schedulers, as ``scheduler_config.json`` has them."""


def load_scheduler(folder: Path) -> Any:
    """The scheduler of a model, safe to share between threads.

    It takes what is predicted for noise; where the U-Net predicts velocity, `conditioning.Conditioned` converts it.

    Raises:
        SdzModelError: it is of an unknown class, or its configuration makes no sense.
    """
    path = folder / SCHEDULER_CONFIG_NAME
    try:
        return build_scheduler(read_config(path))
    except SdzError as error:
        raise error if error.file is not None else error.with_file(str(path)) from error


def build_scheduler(config: Mapping[str, Any]) -> Any:
    """The scheduler that a configuration describes, as `load_scheduler` returns it.

    Raises:
        SdzModelError: as there.
    """
    from pillow_sdz.models.diffusion.schedulers import Ddim, covers

    name = config.get(CLASS_KEY)
    if name not in SCHEDULERS:
        raise SdzModelError("unknown scheduler", field=CLASS_KEY, found=name, expected=" or ".join(SCHEDULERS))
    prediction_of(config)  # which checks it
    config = {**config, "prediction_type": "epsilon"}
    if name != "DDIMScheduler":
        return Sampler(name, config)
    return Ddim(config) if covers(config) else _diffusers_ddim(config)


def _diffusers_ddim(config: Mapping[str, Any]) -> Any:
    from pillow_sdz.models.diffusers_parts import diffusers_class

    betas_of({"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear", **config})  # diffusers' own defaults
    try:
        scheduler = diffusers_class("schedulers.scheduling_ddim", "DDIMScheduler").from_config(config)
        scheduler.set_timesteps(scheduler.config.num_train_timesteps)
    except (TypeError, ValueError, KeyError, NotImplementedError) as error:
        raise SdzModelError(f"cannot build the scheduler: {error}", remedy=REINSTALL) from error
    return scheduler
