"""Networks of diffusers' classes: the autoencoders and the U-Net of Stable Diffusion, built without weights.

Every field of a configuration is checked before diffusers sees it. `pillow_sdz.models.weights.adopt` gives the networks
their weights, and refuses missing ones; diffusers itself would leave random numbers in their place.

torch and diffusers are imported within functions: commands about models need neither. diffusers imports transformers,
which takes seconds and which these networks do not use; `diffusers_class` keeps it from doing so.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
import threading
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pillow_sdz.errors import SdzModelError, needs_packages
from pillow_sdz.limits import MAX_CHANNELS
from pillow_sdz.models.configuration import MAX_STAGES, MAX_WIDTH, own_fields, whole, wholes, wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torch import Tensor

MAX_LAYERS_PER_STAGE: Final = 16
"""Most layers of one kind at one resolution; networks in use have at most 10."""

STAGES: Final = range(1, MAX_STAGES + 1)
"""How many resolutions a network may have."""

OLD_ATTENTION: Final = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Names of the autoencoder's attention layers before and since diffusers 0.18; many checkpoints have the old ones."""


class SupportedClass(NamedTuple):
    """One of diffusers' classes.

    Attributes:
        module: where it is, within ``diffusers``.
        check: raises `SdzModelError` for unsupported fields of a complete configuration.
        added: fields that the class writes into its configuration and does not read.
    """

    module: str
    check: Callable[[Mapping[str, Any]], None]
    added: tuple[str, ...] = ()


def build(name: str, config: Mapping[str, Any]) -> Any:
    """Build a network of diffusers on the ``meta`` device, without weights.

    Args:
        name: the class, one of `SUPPORTED`.
        config: what ``config.json`` holds.

    Raises:
        SdzModelError: the configuration is not supported.
        SdzDependencyError: diffusers cannot be imported.
    """
    import torch

    supported = SUPPORTED[name]
    network_class = diffusers_class(supported.module, name)
    signature = inspect.signature(network_class.__init__).parameters
    fields = own_fields(config, [*signature, *supported.added])
    defaults = {key: value.default for key, value in signature.items() if value.default is not inspect.Parameter.empty}
    supported.check(defaults | fields)
    try:
        with torch.device("meta"):
            return network_class(**{key: value for key, value in fields.items() if key not in supported.added})
    except (ValueError, TypeError, KeyError, IndexError, NotImplementedError, ZeroDivisionError) as error:
        raise SdzModelError(f"{name} cannot be built from this configuration: {error}") from error


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of an autoencoder under the names that diffusers uses today."""
    result = {}
    for name, tensor in tensors.items():
        head, dot, tail = name.partition("mid_block.attentions.0.")
        old, _, kind = tail.partition(".")
        if dot and old in OLD_ATTENTION:
            name = f"{head}{dot}{OLD_ATTENTION[old]}.{kind}"
        if dot and tensor.ndim == 4:  # linear layers were 1x1 convolutions once
            tensor = tensor[:, :, 0, 0]
        result[name] = tensor
    return result


def _check_kl(config: Mapping[str, Any]) -> None:
    widths = wholes(config, "block_out_channels", 1, MAX_WIDTH, STAGES)
    whole(config, "layers_per_block", 1, MAX_LAYERS_PER_STAGE)
    whole(config, "latent_channels", 1, MAX_CHANNELS)
    _check_groups(config, widths)
    _check_types(config, "down_block_types", {"DownEncoderBlock2D", "AttnDownEncoderBlock2D"}, len(widths))
    _check_types(config, "up_block_types", {"UpDecoderBlock2D", "AttnUpDecoderBlock2D"}, len(widths))
    _check_colours(config)


def _check_tiny(config: Mapping[str, Any]) -> None:
    whole(config, "latent_channels", 1, MAX_CHANNELS)
    encoder = wholes(config, "encoder_block_out_channels", 1, MAX_WIDTH, STAGES)
    stages = range(len(encoder), len(encoder) + 1)
    wholes(config, "decoder_block_out_channels", 1, MAX_WIDTH, stages)
    for field in ("num_encoder_blocks", "num_decoder_blocks"):
        wholes(config, field, 1, MAX_LAYERS_PER_STAGE, stages)
    whole(config, "upsampling_scaling_factor", 2, 2)
    _check_colours(config)


UNET_ABSENT: Final = (
    "addition_embed_type",
    "class_embed_type",
    "encoder_hid_dim",
    "encoder_hid_dim_type",
    "num_class_embeds",
    "time_cond_proj_dim",
    "time_embedding_dim",
    "projection_class_embeddings_input_dim",
)
"""Fields that must be null: U-Nets with them need further inputs than latent, timestep and prompt, as SDXL's does."""

UNET_BLOCKS: Final = {
    "down_block_types": {"DownBlock2D", "CrossAttnDownBlock2D"},
    "up_block_types": {"UpBlock2D", "CrossAttnUpBlock2D"},
}
"""The block types that a U-Net may have, by the field that lists them."""


def _check_unet(config: Mapping[str, Any]) -> None:
    for field in UNET_ABSENT:
        if config.get(field) is not None:
            raise wrong(field, config[field], "null; of SDXL and its like, add the autoencoder alone")
    for field in ("in_channels", "out_channels"):
        whole(config, field, 1, MAX_CHANNELS)
    widths = wholes(config, "block_out_channels", 1, MAX_WIDTH, STAGES)
    _check_groups(config, widths)
    whole(config, "cross_attention_dim", 1, MAX_WIDTH)
    counts = range(len(widths), len(widths) + 1)
    ranges = {
        "layers_per_block": MAX_LAYERS_PER_STAGE,
        "transformer_layers_per_block": MAX_LAYERS_PER_STAGE,
        "attention_head_dim": MAX_WIDTH,
    }
    for field, high in ranges.items():
        if isinstance(config[field], list | tuple):
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
    if not isinstance(found, list | tuple) or len(found) != count or any(str(item) not in allowed for item in found):
        raise wrong(field, found, f"{count} of {', '.join(sorted(allowed))}")


def _check_colours(config: Mapping[str, Any]) -> None:
    for field in ("in_channels", "out_channels"):
        whole(config, field, 3, 3)


SUPPORTED: Final[Mapping[str, SupportedClass]] = {
    "AutoencoderKL": SupportedClass("models.autoencoders.autoencoder_kl", _check_kl),
    "AutoencoderTiny": SupportedClass("models.autoencoders.autoencoder_tiny", _check_tiny, ("block_out_channels",)),
    "UNet2DConditionModel": SupportedClass("models.unets.unet_2d_condition", _check_unet),
}
"""diffusers' networks that models may have, by class name."""


TRANSFORMERS: Final = "transformers"
_lock = threading.RLock()


class _Deferred(type):
    """Metaclass of stand-ins for transformers' classes: the real class is imported when its stand-in is first used."""

    def _real(cls) -> Any:
        return getattr(importlib.import_module(TRANSFORMERS), cls.__name__)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):  # inspect and the like look for these; the import must not happen for them
            raise AttributeError(name)
        return getattr(cls._real(), name)

    def __call__(cls, *arguments: Any, **keywords: Any) -> Any:
        return cls._real()(*arguments, **keywords)

    def __instancecheck__(cls, instance: object) -> bool:
        return TRANSFORMERS in sys.modules and isinstance(instance, cls._real())  # no import, no instances

    def __subclasscheck__(cls, subclass: type) -> bool:
        return TRANSFORMERS in sys.modules and issubclass(subclass, cls._real())


class _StandIn(ModuleType):
    """Stand-in for the module transformers: each of its attributes is a `_Deferred` class."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Deferred(name, (), {"__module__": TRANSFORMERS})


@contextlib.contextmanager
def deferred_transformers() -> Iterator[None]:
    """Within the block, ``from transformers import X`` gives a stand-in, unless transformers is imported already."""
    with _lock:
        if TRANSFORMERS in sys.modules:
            yield
            return
        module = _StandIn(TRANSFORMERS)
        module.__spec__ = ModuleSpec(TRANSFORMERS, None)
        sys.modules[TRANSFORMERS] = module
        try:
            yield
        finally:
            if sys.modules.get(TRANSFORMERS) is module:
                del sys.modules[TRANSFORMERS]


def diffusers_class(module: str, name: str) -> Any:
    """The class or function ``name`` of ``diffusers.MODULE``, imported without transformers.

    Raises:
        SdzDependencyError: diffusers, or something that this module of it needs, is missing.
    """
    with needs_packages(name, install="'pillow-sdz[sd]'"), deferred_transformers():
        return getattr(importlib.import_module(f"diffusers.{module}"), name)
