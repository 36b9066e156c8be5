"""What the project's own networks have in common: a configuration, and a folder that diffusers' classes also read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from torch import nn

from pillow_sdz.models.configuration import CONFIG_NAME, own_fields, write_config

if TYPE_CHECKING:
    from collections.abc import Mapping


class Network(nn.Module):
    """A module that is described by a dictionary.

    Attributes:
        class_name: what ``config.json`` calls it.
        fields: the names that the dictionary may have, which are arguments of the constructor.
        config: the dictionary, complete.
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
            folder: made if it is not there.
            safe_serialization: as in diffusers; there is no other form here.
        """
        from pillow_sdz.models.weights import write_weights

        if not safe_serialization:
            raise ValueError("weights are only written as safetensors")
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_config(folder / CONFIG_NAME, self.class_name, self.config)
        write_weights(folder, self.state_dict())
