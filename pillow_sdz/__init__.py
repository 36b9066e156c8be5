"""Pillow plugin for .sdz: photos in a few kilobytes, as latents of a Stable-Diffusion-style autoencoder.

Importing the package registers the format; then Pillow does the rest:

    import pillow_sdz
    from PIL import Image

    Image.open("photo.jpg").save("photo.sdz", quality=50)
    Image.open("photo.sdz").show()

The names in `__all__` are the public interface; every other module is private.

- `options`: the options of saving, and ``options.decode``, the settings of decoding; `limits`: what is refused.
- `write`: save a file whole or not at all.
- `write_latent`, `read_latent`, `StoredLatent`: latents, for programs that have the autoencoder themselves.
- `SdzImageFile`: what ``Image.open`` returns; `register_sdz_opener`: register the format once more.
- `installed_models`, `add_model`, `remove_model`: models, also from checkpoints of Stable Diffusion.
- `SdzError` and its subclasses: everything that can go wrong.

Inside, imports point down this list: `cli` (sdz-convert), `integrations` (other programs), `evaluation` (other codecs,
metrics, the report), `plugin` (Pillow's interface), `codec` (pictures to files and back), `models` (networks and where
they are found), `options`, `container` (header, sections, metadata), `payloads` (how codes are stored, a folder for
each kind), `coding` (entropy coders), `limits` and `errors`. `spec/architecture.md` is the map.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pillow_sdz import limits, options
from pillow_sdz.errors import (
    SdzDependencyError,
    SdzError,
    SdzFormatError,
    SdzLimitError,
    SdzModelError,
    SdzOptionError,
    SdzTruncatedError,
    SdzVersionError,
)
from pillow_sdz.plugin.image_file import SdzImageFile, register_sdz_opener
from pillow_sdz.plugin.latents import read_latent, write_latent
from pillow_sdz.plugin.save import write

if TYPE_CHECKING:
    from pillow_sdz.codec.latents import StoredLatent
    from pillow_sdz.models.checkpoints.add import add_model, remove_model
    from pillow_sdz.models.registry import installed_models

__all__ = [
    "SdzDependencyError",
    "SdzError",
    "SdzFormatError",
    "SdzImageFile",
    "SdzLimitError",
    "SdzModelError",
    "SdzOptionError",
    "SdzTruncatedError",
    "SdzVersionError",
    "StoredLatent",
    "__version__",
    "add_model",
    "installed_models",
    "limits",
    "options",
    "read_latent",
    "register_sdz_opener",
    "remove_model",
    "write",
    "write_latent",
]
__version__ = "0.1.0"

_IMPORTED_WHEN_USED = {
    "StoredLatent": "pillow_sdz.codec.latents",
    "add_model": "pillow_sdz.models.checkpoints.add",
    "installed_models": "pillow_sdz.models.registry",
    "remove_model": "pillow_sdz.models.checkpoints.add",
}


def __getattr__(name: str) -> Any:
    if name not in _IMPORTED_WHEN_USED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_IMPORTED_WHEN_USED[name]), name)


register_sdz_opener()
