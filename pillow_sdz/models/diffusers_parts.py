"""Networks of diffusers' own classes: the autoencoders and the U-Net of Stable Diffusion, built around their weights.

Every field of a configuration is checked before diffusers sees it, and every weight must be there: diffusers itself
would go on with random numbers in the place of those that are missing.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
import threading
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from pillow_sdz.errors import SdzModelError
from pillow_sdz.limits import MAX_CHANNELS
from pillow_sdz.models.configuration import own_fields, whole, wholes, wrong
from pillow_sdz.models.manifest import REINSTALL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from torch import Tensor


MAX_WIDTH, MAX_LAYERS = 4096, 16
BLOCKS = range(1, 8)  # a factor of 64 pixels is the most that a manifest allows

OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Names of the autoencoder's attention layers before and since diffusers 0.18; checkpoints with the old ones abound."""


class Kind(NamedTuple):
    """One of diffusers' classes: the module that holds it, what checks its configuration, and fields that it adds."""

    module: str
    check: Callable[[Mapping[str, Any]], None]
    added: tuple[str, ...] = ()


def build(name: str, config: Mapping[str, Any], tensors: Mapping[str, Tensor], folder: Path, remedy: str) -> Any:
    """Build a network of diffusers in float32 on the CPU.

    Args:
        name: the class, one of `KINDS`.
        config: what ``config.json`` holds.
        tensors: the weights, by the names of the class's state dictionary, see `renamed`.
        folder: named in errors.
        remedy: what errors about weights tell the user to do.

    Raises:
        SdzModelError: the configuration is not supported, or the weights are not those it asks for.
    """
    import torch

    from pillow_sdz.models.weights import adopt

    kind = KINDS[name]
    network_class = diffusers_class(kind.module, name)
    signature = inspect.signature(network_class.__init__).parameters
    fields = own_fields(config, [*signature, *kind.added])
    defaults = {key: value.default for key, value in signature.items() if value.default is not inspect.Parameter.empty}
    kind.check(defaults | fields)
    try:
        with torch.device("meta"):
            network = network_class(**{key: value for key, value in fields.items() if key not in kind.added})
    except (ValueError, TypeError, KeyError, IndexError, NotImplementedError, ZeroDivisionError) as error:
        raise SdzModelError(f"{name} cannot be built from this configuration: {error}", file=str(folder)) from error
    adopt(network, tensors, folder, remedy)
    return network


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of an autoencoder under the names that diffusers uses today."""
    result = {}
    for name, tensor in tensors.items():
        head, dot, tail = name.partition("mid_block.attentions.0.")
        old, _, kind = tail.partition(".")
        if dot and old in OLD_ATTENTION:
            name = f"{head}{dot}{OLD_ATTENTION[old]}.{kind}"
        if dot and tensor.ndim == 4:  # 1x1 convolutions before they were linear layers
            tensor = tensor[:, :, 0, 0]
        result[name] = tensor
    return result


def read(name: str, folder: Path, config: dict[str, Any]) -> Any:
    """What `loading.Builder` is for a class of diffusers: (network, tensors)."""
    from pillow_sdz.models.weights import read_weights

    tensors = read_weights(folder)
    return build(name, config, tensors, folder, REINSTALL), tensors


def _check_kl(config: Mapping[str, Any]) -> None:
    widths = wholes(config, "block_out_channels", 1, MAX_WIDTH, BLOCKS)
    whole(config, "layers_per_block", 1, MAX_LAYERS)
    whole(config, "latent_channels", 1, MAX_CHANNELS)
    _check_groups(config, widths)
    _check_types(config, "down_block_types", {"DownEncoderBlock2D", "AttnDownEncoderBlock2D"}, len(widths))
    _check_types(config, "up_block_types", {"UpDecoderBlock2D", "AttnUpDecoderBlock2D"}, len(widths))
    _check_colours(config)


def _check_tiny(config: Mapping[str, Any]) -> None:
    whole(config, "latent_channels", 1, MAX_CHANNELS)
    encoder = wholes(config, "encoder_block_out_channels", 1, MAX_WIDTH, BLOCKS)
    blocks = range(len(encoder), len(encoder) + 1)
    wholes(config, "decoder_block_out_channels", 1, MAX_WIDTH, blocks)
    for field in ("num_encoder_blocks", "num_decoder_blocks"):
        wholes(config, field, 1, MAX_LAYERS, blocks)
    whole(config, "upsampling_scaling_factor", 2, 2)
    _check_colours(config)


UNET_ABSENT = (
    "addition_embed_type", "class_embed_type", "encoder_hid_dim", "encoder_hid_dim_type", "num_class_embeds",
    "time_cond_proj_dim", "time_embedding_dim", "projection_class_embeddings_input_dim",
)  # fmt: skip
"""Fields of U-Nets that need more beside the latent than the timestep and the prompt, such as SDXL's."""

UNET_BLOCKS = {
    "down_block_types": {"DownBlock2D", "CrossAttnDownBlock2D"},
    "up_block_types": {"UpBlock2D", "CrossAttnUpBlock2D"},
}


def _check_unet(config: Mapping[str, Any]) -> None:
    for field in UNET_ABSENT:
        if config.get(field) is not None:
            raise wrong(field, config[field], "null; SDXL's U-Net and its like are used by their autoencoder alone")
    for field in ("in_channels", "out_channels"):
        whole(config, field, 1, MAX_CHANNELS)
    widths = wholes(config, "block_out_channels", 1, MAX_WIDTH, BLOCKS)
    _check_groups(config, widths)
    whole(config, "cross_attention_dim", 1, MAX_WIDTH)
    counts = range(len(widths), len(widths) + 1)
    limits = {
        "layers_per_block": MAX_LAYERS,
        "transformer_layers_per_block": MAX_LAYERS,
        "attention_head_dim": MAX_WIDTH,
    }
    for field, high in limits.items():
        if isinstance(config[field], (list, tuple)):
            wholes(config, field, 1, high, counts)
        else:
            whole(config, field, 1, high)
    for field, allowed in UNET_BLOCKS.items():
        _check_types(config, field, allowed, len(widths))
    if config["mid_block_type"] != "UNetMidBlock2DCrossAttn":
        raise wrong("mid_block_type", config["mid_block_type"], "UNetMidBlock2DCrossAttn")


def _check_groups(config: Mapping[str, Any], widths: tuple[int, ...]) -> None:
    groups = whole(config, "norm_num_groups", 1, MAX_WIDTH)
    if any(width % groups for width in widths):
        raise wrong("block_out_channels", widths, f"multiples of norm_num_groups, which is {groups}")


def _check_types(config: Mapping[str, Any], field: str, allowed: set[str], count: int) -> None:
    found = config[field]
    if not isinstance(found, (list, tuple)) or len(found) != count or any(str(item) not in allowed for item in found):
        raise wrong(field, found, f"{count} of {', '.join(sorted(allowed))}")


def _check_colours(config: Mapping[str, Any]) -> None:
    for field in ("in_channels", "out_channels"):
        whole(config, field, 3, 3)


KINDS: Mapping[str, Kind] = {
    "AutoencoderKL": Kind("models.autoencoders.autoencoder_kl", _check_kl),
    "AutoencoderTiny": Kind("models.autoencoders.autoencoder_tiny", _check_tiny, ("block_out_channels",)),
    "UNet2DConditionModel": Kind("models.unets.unet_2d_condition", _check_unet),
}
"""What this package uses of diffusers."""


NAME = "transformers"
_lock = threading.RLock()


class _Deferred(type):
    """Metaclass of a class that stands for ``transformers.NAME`` without importing it."""

    def _real(cls) -> Any:
        return getattr(importlib.import_module(NAME), cls.__name__)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):  # asked by machinery such as inspect, not by users of the class
            raise AttributeError(name)
        return getattr(cls._real(), name)

    def __call__(cls, *arguments: Any, **keywords: Any) -> Any:
        return cls._real()(*arguments, **keywords)

    def __instancecheck__(cls, instance: object) -> bool:
        return NAME in sys.modules and isinstance(instance, cls._real())  # not imported: there are no instances

    def __subclasscheck__(cls, subclass: type) -> bool:
        return NAME in sys.modules and issubclass(subclass, cls._real())


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Deferred(name, (), {"__module__": NAME})


@contextlib.contextmanager
def deferred_transformers() -> Iterator[None]:
    """Within the block, ``from transformers import X`` gives a stand-in, unless transformers is there already."""
    with _lock:
        if NAME in sys.modules:
            yield
            return
        module = _StandIn(NAME)
        module.__spec__ = ModuleSpec(NAME, None)
        sys.modules[NAME] = module
        try:
            yield
        finally:
            if sys.modules.get(NAME) is module:
                del sys.modules[NAME]


def diffusers_class(module: str, name: str) -> Any:
    """The class ``name`` of ``diffusers.MODULE``, imported without transformers.

    Raises:
        ImportError: diffusers, or something that this module of it needs, is missing.
    """
    with deferred_transformers():
        return getattr(importlib.import_module(f"diffusers.{module}"), name)
