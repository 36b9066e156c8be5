"""Loads a model's folder into torch: safetensors only, networks of a few known classes, fingerprint checked.

The shipped model's classes are this project's own, because importing diffusers takes longer than decoding.

torch and the modules that import it (``networks/``, `weights`) are imported within functions: this module is imported
to find and to describe models, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pillow_sdz.errors import SdzModelError, naming_file
from pillow_sdz.models.configuration import CLASS_KEY, CONFIG_NAME, SCHEDULER_CONFIG_NAME, read_config
from pillow_sdz.models.diffusion.ddim import Ddim, DiffusersDdim, covers
from pillow_sdz.models.diffusion.denoise import UNetAdapter
from pillow_sdz.models.diffusion.noise_schedule import prediction_of
from pillow_sdz.models.diffusion.schedulers import SAMPLERS, Sampler
from pillow_sdz.models.embedding import read_embedding
from pillow_sdz.models.fingerprint import ENCODER_PREFIXES, encoder_tensors
from pillow_sdz.models.integrity import check_digests, check_weights
from pillow_sdz.models.runtime import drawing
from pillow_sdz.models.torch_model import TorchModel

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import Tensor

    from pillow_sdz.models.manifest import Manifest
    from pillow_sdz.models.networks.base import Network
    from pillow_sdz.models.protocols import NoisePredictor, Scheduler

SCHEDULER_CLASSES: Final = ("DDIMScheduler", *SAMPLERS)
"""Names of diffusers' schedulers that models may have, as ``scheduler_config.json`` has them."""


class Part(NamedTuple):
    """One network of a model.

    Attributes:
        network: in float32, on the CPU; an autoencoder or a U-Net of `pillow_sdz.models.protocols`.
        tensors: its weights by the names of its state dictionary, as they are stored; for the fingerprint.
        config: its configuration.
    """

    network: Any
    tensors: Mapping[str, Tensor]
    config: Mapping[str, Any]


Builder = Callable[["Path", dict[str, Any]], Part]
"""Given a part's folder and its configuration, builds the network with its weights."""


def load_model(manifest: Manifest, device: str, dtype: str) -> TorchModel:
    """Load the networks in ``manifest.folder``, and check their weights and configurations against the manifest.

    Raises:
        SdzModelError: a part is missing, damaged, of an unknown class, or the fingerprint differs.
    """
    import torch

    number_type: torch.dtype = getattr(torch, dtype)
    with drawing(), torch.inference_mode(False), torch.no_grad():
        vae = load_part(manifest.folder / "vae", AUTOENCODER_BUILDERS)
        configs: dict[str, Any] = {"vae": vae.config}
        unet = scheduler = predictor = None
        if (manifest.folder / "unet").is_dir():
            unet = load_part(manifest.folder / "unet", UNET_BUILDERS)
            scheduler = load_scheduler(manifest.folder / "scheduler")
            configs |= {"unet": unet.config, "scheduler": _scheduler_config(manifest)}
        check_digests(manifest)  # first, because its error names the file
        check_weights(manifest, vae.tensors, None if unet is None else unet.tensors, configs)
        # some autoencoders overflow in float16: their configuration says so, and diffusers upcasts them, too
        upcast = number_type == torch.float16 and getattr(vae.network.config, "force_upcast", False)
        vae_type = torch.float32 if upcast else number_type
        _prepare(vae.network, device, vae_type)
        if unet is not None and scheduler is not None:
            _prepare(unet.network, device, number_type)
            predictor = _noise_predictor(manifest, unet.network, scheduler, device, number_type)
    can_encode = bool(encoder_tensors(vae.tensors))
    return TorchModel(manifest, vae.network, predictor, scheduler, device, number_type, vae_type, can_encode)


def _scheduler_config(manifest: Manifest) -> dict[str, Any]:
    return read_config(manifest.folder / "scheduler" / SCHEDULER_CONFIG_NAME)


def _noise_predictor(
    manifest: Manifest, unet: Any, scheduler: Scheduler, device: str, dtype: torch.dtype
) -> NoisePredictor:
    """The U-Net itself, or an adapter if it takes a prompt or is trained for v-prediction."""
    embedding = None
    if hasattr(unet.config, "cross_attention_dim"):
        embedding = read_embedding(manifest, unet.config.cross_attention_dim).to(device, dtype)
    prediction = prediction_of(_scheduler_config(manifest))
    alphas = scheduler.alphas_cumprod if prediction == "v_prediction" else None
    if embedding is None and alphas is None:
        predictor: NoisePredictor = unet
        return predictor
    return UNetAdapter(unet, embedding, alphas)


def _prepare(network: torch.nn.Module, device: str, dtype: torch.dtype) -> None:
    """Make a network ready for inference, in place: device, number type, memory format, no gradients."""
    import torch

    from pillow_sdz.models.networks.base import Network
    from pillow_sdz.models.networks.winograd import use_winograd

    # torch's own `to`: the one of diffusers logs a warning about modules to keep in float32, even for none
    move: Any = torch.nn.Module.to
    move(network, device, dtype, memory_format=torch.channels_last)
    network.requires_grad_(False).eval()
    if (device, dtype) == ("cpu", torch.float32) and isinstance(network, Network):
        use_winograd(network)  # not for the large networks of diffusers: transformed kernels take four times the memory


def load_part(folder: Path, builders: Mapping[str, Builder]) -> Part:
    """A network from ``folder`` (config.json and safetensors), in float32.

    Args:
        folder: ``vae`` or ``unet`` of a model.
        builders: class name in config.json -> what builds it.

    Raises:
        SdzModelError: the class is not among them, its configuration is not supported, or the weights do not fit.
    """
    path = folder / CONFIG_NAME
    with naming_file(path):
        config = read_config(path)
        name = config.get(CLASS_KEY)
        if not isinstance(name, str) or name not in builders:
            raise SdzModelError("unknown network", field=CLASS_KEY, found=name, expected=" or ".join(builders))
        return builders[name](folder, config)


def _with_weights(network: torch.nn.Module, folder: Path, config: Mapping[str, Any]) -> Part:
    """Give a network on the ``meta`` device the weights of ``folder``.

    The weights that decoding needs are rounded to float16, in which the fingerprint covers them, so that float32 and
    float16 copies of a checkpoint give the same pictures. An autoencoder without an encoder's weights only decodes.
    """
    from pillow_sdz.models.weights import adopt, read_weights

    tensors = read_weights(folder)
    if any(name.startswith("decoder.") for name in tensors) and not encoder_tensors(tensors):
        for prefix in ENCODER_PREFIXES:
            setattr(network, prefix.removesuffix("."), None)
    rounded = {name: t if name.startswith(ENCODER_PREFIXES) else t.half() for name, t in tensors.items()}
    with naming_file(folder):
        adopt(network, rounded)
    return Part(network, tensors, config)


def _own(kind: type[Network], folder: Path, config: dict[str, Any]) -> Part:
    """Build a network of this project; on ``meta``, nothing is initialised that the weights then replace."""
    import torch

    with torch.device("meta"):
        network = kind.from_config(config)
    return _with_weights(network, folder, config)


def _autoencoder_dc(folder: Path, config: dict[str, Any]) -> Part:
    from pillow_sdz.models.networks.autoencoder import Autoencoder

    return _own(Autoencoder, folder, config)


def _latent_unet(folder: Path, config: dict[str, Any]) -> Part:
    from pillow_sdz.models.networks.latent_unet import LatentUNet

    return _own(LatentUNet, folder, config)


def _diffusers(name: str) -> Builder:
    """What builds a network of one of diffusers' classes."""

    def build(folder: Path, config: dict[str, Any]) -> Part:
        from pillow_sdz.models import diffusers_parts

        return _with_weights(diffusers_parts.build(name, config), folder, config)

    return build


AUTOENCODER_BUILDERS: Final[Mapping[str, Builder]] = {
    "AutoencoderDC": _autoencoder_dc,
    "AutoencoderKL": _diffusers("AutoencoderKL"),
    "AutoencoderTiny": _diffusers("AutoencoderTiny"),
}
"""What builds a model's autoencoder, by class name."""

UNET_BUILDERS: Final[Mapping[str, Builder]] = {
    "LatentUNet": _latent_unet,
    "UNet2DConditionModel": _diffusers("UNet2DConditionModel"),
}
"""What builds a model's U-Net, by class name."""


def load_scheduler(folder: Path) -> Scheduler:
    """The scheduler of a model.

    Raises:
        SdzModelError: it is of an unknown class, or its noise schedule is not supported.
        SdzDependencyError: it needs a package that is not installed.
    """
    path = folder / SCHEDULER_CONFIG_NAME
    with naming_file(path):
        return build_scheduler(read_config(path))


def build_scheduler(config: Mapping[str, Any]) -> Scheduler:
    """The scheduler that a configuration describes, for epsilon-prediction; `UNetAdapter` converts v-prediction to it.

    Raises:
        SdzModelError, SdzDependencyError: as `load_scheduler`.
    """
    name = config.get(CLASS_KEY)
    if name not in SCHEDULER_CLASSES:
        raise SdzModelError("unknown scheduler", field=CLASS_KEY, found=name, expected=" or ".join(SCHEDULER_CLASSES))
    prediction_of(config)  # raises an error for other kinds of prediction
    config = {**config, "prediction_type": "epsilon"}
    if name in SAMPLERS:
        return Sampler(str(name), config)
    return Ddim(config) if covers(config) else DiffusersDdim(config)
