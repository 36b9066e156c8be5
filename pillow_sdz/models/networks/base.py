"""Base class of this project's networks: a configuration and weights, in folders of diffusers' layout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from torch import nn

from pillow_sdz.models.configuration import CONFIG_NAME, own_fields, write_config
from pillow_sdz.models.weights import write_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BLOCKS: Final = 64
"""Most blocks of one kind at one resolution; shipped networks have fewer than 10."""


class Network(nn.Module):
    """A module that is built from a configuration.

    Attributes:
        class_name: its name in ``config.json``.
        fields: the names of the configuration's fields, which are the arguments of the constructor.
        config: the configuration, with the defaults of fields that were left out.
    """

    class_name: ClassVar[str]
    fields: ClassVar[tuple[str, ...]]
    config: dict[str, Any]

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the network that a ``config.json`` describes.

        Raises:
            SdzModelError: a field is unknown or has a value that this class does not support; it names the field.
        """
        return cls(**own_fields(config, cls.fields))

    def save_pretrained(self, folder: str | Path, *, safe_serialization: bool = True) -> None:
        """Write configuration and weights into ``folder``, in the number types that the parameters have.

        Args:
            folder: created if it does not exist.
            safe_serialization: as in diffusers; must be true.
        """
        if not safe_serialization:
            raise ValueError("weights are only written as safetensors")
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_config(folder / CONFIG_NAME, self.class_name, self.config)
        write_weights(folder, self.state_dict())
