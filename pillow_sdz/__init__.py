"""Pillow plugin for .sdz: photos in a few kilobytes, as latents of a Stable-Diffusion-style autoencoder.

Importing the package registers the format; then Pillow does the rest:

    import pillow_sdz
    from PIL import Image

    Image.open("photo.jpg").save("photo.sdz", quality=50)
    Image.open("photo.sdz").show()

- `pillow_sdz.options`: the options of saving, and ``options.decode``, the settings of decoding.
- `pillow_sdz.errors`: what can go wrong; all of it is an `SdzError`.
"""

from pillow_sdz import options
from pillow_sdz.errors import SdzError
from pillow_sdz.plugin.image_file import register_sdz_opener

__all__ = ["SdzError", "__version__", "options", "register_sdz_opener"]
__version__ = "0.1.0"

register_sdz_opener()
