"""Saving and opening latents, for programs that have the autoencoder themselves; see `pillow_sdz.codec.latents`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pillow_sdz.errors import SdzFormatError, SdzOptionError, naming_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pillow_sdz.codec.latents import StoredLatent


def write_latent(
    latent: NDArray[np.floating[Any]],
    path: str | os.PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    **options: Any,
) -> None:
    """Save a latent as .sdz, whole or not at all; neither torch nor the networks of the model are loaded.

    The file is one as ``image.save`` makes it: ``Image.open`` decodes it to a picture of mode RGB. Only what needs the
    picture is missing: refinement, the guard and the stored error.

    Args:
        latent: (h, w, C) of a float type, in the units of the autoencoder's latents: what its encoder gives, before
            ``scaling_factor``. (C, h, w) of a tensor becomes it with ``tensor.permute(1, 2, 0)``. Values beyond 127.5
            steps of the model either way (23.2 for Stable Diffusion 1.x) are limited to that, with a warning.
        path: the file to write; its suffix does not matter.
        size: (width, height) of the picture in pixels, where it is not a multiple of the model's factor. The latent of
            such a picture is that of the picture continued to the next multiple: w = ceil(width / factor).
        options: ``model`` (the one whose autoencoder made the latent), ``quality``, ``colors``, ``step``, ``payload``,
            ``target_size``, ``effort``, ``denoise_steps``, ``text``, ``exif``, ``xmp`` and ``icc_profile``, as for
            ``image.save``.

    Raises:
        SdzError: an option is wrong or needs the picture, the model is missing, or the latent does not fit it.
        OSError: writing failed.
    """
    from pillow_sdz.codec.latents import encode_latent
    from pillow_sdz.plugin.atomic_file import write_atomically
    from pillow_sdz.plugin.save_keywords import save_options

    with naming_file(os.fspath(path)):
        checked, metadata = save_options(options, {})
        data = encode_latent(_as_float32(latent), size, checked, metadata)
    write_atomically(Path(path), data)


def read_latent(source: str | os.PathLike[str] | IO[bytes]) -> StoredLatent:
    """Read the latent of a .sdz: neither torch nor the networks of its model are loaded, but the model must be there.

    The latent is the dequantised one. Images that ``Image.open`` opens lose the quantisation noise to the U-Net.

    Args:
        source: path of the file, or a binary stream, which is read to its end.

    Returns:
        The latent, with the size of the picture, the name of the model, its scale and the texts of the file.

    Raises:
        SdzFormatError: the file is damaged, is no .sdz, or holds pixels and no latent.
        SdzError: its model is missing, or it is too large.
        OSError: reading failed.
    """
    from pillow_sdz.codec.file import read, read_all
    from pillow_sdz.codec.latents import decode_latent
    from pillow_sdz.container.magic import has_magic

    if isinstance(source, str | os.PathLike):
        with naming_file(source), Path(source).open("rb") as stream:
            return read_latent(stream)
    data = read_all(source)
    if not has_magic(data):
        raise SdzFormatError("not an .sdz file", field="magic", remedy="check which file this is")
    return decode_latent(read(data))


def _as_float32(latent: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """The latent in the number type of the package.

    Raises:
        SdzOptionError: it is no array of floats.
    """
    import numpy as np

    if not isinstance(latent, np.ndarray) or not np.issubdtype(latent.dtype, np.floating):
        found = getattr(latent, "dtype", type(latent).__name__)
        raise SdzOptionError("is no array of floats", field="latent", found=found, expected="numpy array (h, w, C)")
    return latent.astype(np.float32, copy=False)
