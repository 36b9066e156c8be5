"""Opening with Pillow: identify a file, read its headers, and decode it when the pixels are asked for.

Only ``load`` of the full picture needs the model's networks, and with them torch or ONNX Runtime. Identifying, size,
mode, info, ``verify`` and previews need numpy, and for a scalar payload small files of the model: its prior, and for
previews its preview networks. Imports are local so that importing the package is fast.
"""

from __future__ import annotations

import math
import mimetypes
import os
from typing import TYPE_CHECKING, Final

from PIL import Image, ImageFile

from pillow_sdz import options
from pillow_sdz.container.magic import has_magic
from pillow_sdz.errors import naming_file, notice
from pillow_sdz.plugin.save import save, save_all

if TYPE_CHECKING:
    from PIL import _imaging

    from pillow_sdz.codec.file import SdzFile

FORMAT: Final = "SDZ"
EXTENSION: Final = ".sdz"
MIME: Final = "image/x-sdz"


class SdzImageFile(ImageFile.ImageFile):
    """An .sdz file.

    Before the picture is loaded, ``denoise_steps``, ``strength``, ``device``, ``tile_size``, ``dtype``, ``runtime`` and
    ``patches`` may be set; they have the meaning and the ranges of `pillow_sdz.options.DecodeOptions`, and take
    precedence over ``pillow_sdz.options.decode``. (``steps`` is a deprecated name of ``denoise_steps``.)

    ``info`` holds, besides ICC profile, EXIF, XMP and texts:

    - ``colour_space``: name of the colour space, if the file names it, one of
      `pillow_sdz.container.colour_spaces.COLOUR_SPACES`; ``icc_profile`` is then a profile of that space (str);
    - ``model``: name and version of the model, or its fingerprint in hex where it is not installed (str); None for a
      payload of pixels, which needs no model;
    - ``fingerprint``: first 8 bytes of the model's fingerprint, in hex (str);
    - ``payload``: kind of payload, one of `pillow_sdz.payloads.kinds.KINDS` (str);
    - ``colors``: palette entries of each layer (tuple of int; empty for other payloads);
    - ``step``: the quantiser's step in codes (float; scalar payloads only);
    - ``layers``: number of layers that are there as a whole (int);
    - ``missing_layers``: number of layers that the end of a truncated file lacks, 0 for a whole file (int);
    - ``patches``: number of patches (int);
    - ``patched``: share of the picture that they cover, 0 to 1 (float);
    - ``bpp``: bits of the file per pixel (float);
    - ``denoise_steps``: U-Net steps that the file asks for (int); ``steps`` is a deprecated name of it;
    - ``noise``: rms error of the quantisation, in codes; with a scalar payload the rms of a uniform distribution over
      one step (float);
    - ``psnr`` (in dB, 100 for the same pixels), ``ms_ssim``, ``ssimulacra2``: how close the decoded picture is to the
      original, before alpha; those that the encoder measured (float);
    - ``synthesised``, ``whole``: shares of the area that a model decodes, and that is stored as pixels, 0 to 1; in
      files that have such figures (float).
    """

    format = FORMAT
    format_description = "Stable Diffusion latent image"
    n_frames = 1
    is_animated = False

    denoise_steps = options.Setting(options.check_denoise_steps)
    strength = options.Setting(options.check_strength)
    device = options.Setting(options.check_device)
    tile_size = options.Setting(options.check_tile_size)
    dtype = options.Setting(options.check_dtype)
    runtime = options.Setting(options.check_runtime)
    patches = options.Setting(options.check_patches)
    steps = options.deprecated_name("steps", "denoise_steps")

    _thumbnail_size: tuple[float, float] | None = None
    """The size that `thumbnail` is making, while it runs."""

    _preview_box: tuple[float, float, float, float] | None = None
    """The part of the preview that shows the picture, once `draft` has chosen one."""

    def _open(self) -> None:
        from pillow_sdz.codec.file import read, read_all
        from pillow_sdz.plugin.info import describe

        assert self.fp is not None
        with naming_file(self._file_name()):
            data = read_all(self.fp)
            if not has_magic(data):
                raise SyntaxError("not an SDZ file")
            file = read(data, allow_truncated=ImageFile.LOAD_TRUNCATED_IMAGES)
            self._size = file.header.width, file.header.height
            self._mode = file.header.mode
            self.info.update(describe(file, len(data)))
        self._set_tile(file, preview=None)

    def _file_name(self) -> str:
        name = self.filename or getattr(self.fp, "name", "")
        return os.fsdecode(name) if isinstance(name, str | bytes) and name else "<stream>"

    def _set_tile(self, file: SdzFile, *, preview: int | None) -> None:
        """What to decode: the picture, or the preview of a stride."""
        arguments = (file, self._file_name(), preview)
        self.tile = [ImageFile._Tile("sdz", (0, 0, *self._size), 0, arguments)]

    def draft(  # type: ignore[override]  # Pillow's own readers return float boxes, too
        self,
        mode: str | None,  # noqa: ARG002
        size: tuple[int, int] | None,
    ) -> tuple[str, tuple[float, float, float, float]] | None:
        """Switch to the smallest preview that is large enough; previews are computed from the codes, without patches.

        There are four, with the shipped model 1/8, 1/16, 1/32 and 1/64 of the width and height. Large enough is one
        that is not smaller than the picture would be when fitted into ``size``, keeping its aspect ratio.

        Args:
            mode: ignored.
            size: width and height that the caller wants, or None.

        Returns:
            The mode, and the part of the preview that shows the picture, as a box in its pixels: the last row and
            column may reach beyond the picture. None if nothing was changed.
        """
        if size is None or len(self.tile) != 1 or min(size) < 1:
            return None
        from pillow_sdz.codec.preview import MOST_ENLARGED, has_preview, preview_scale, preview_size, stride_for

        file, _, preview = self._tile_arguments()
        if preview is not None or preview_scale(file, 1) == 1 or not has_preview(file):
            return None
        if self._thumbnail_size is None:
            stride = stride_for(file, *size, math.inf)
        else:
            stride = stride_for(file, *self._thumbnail_size, MOST_ENLARGED)
        if stride is None:
            return None
        (width, height), scale = self._size, preview_scale(file, stride)
        self._size = preview_size(file, stride)
        self._set_tile(file, preview=stride)
        self._preview_box = (0, 0, width / scale, height / scale)
        return self.mode, self._preview_box

    def thumbnail(
        self,
        size: tuple[float, float],
        resample: Image.Resampling = Image.Resampling.BICUBIC,
        reducing_gap: float | None = 2.0,
    ) -> None:
        """Make a thumbnail as `PIL.Image.Image.thumbnail` does, from the smallest preview of at least its size.

        Other formats are asked for ``reducing_gap`` times that size, because they leave pixels out. A preview's pixel
        is the mean of those that it stands for, as exact as scaling down can be. With a ``reducing_gap`` of None the
        thumbnail is made from the whole picture.
        """
        self._thumbnail_size, self._preview_box = size, None
        try:
            super().thumbnail(size, resample, reducing_gap)
        finally:
            self._thumbnail_size = None
        if self.tile and self._preview_box is not None:  # the preview has the size asked for: Pillow does nothing
            self.load()  # the file may be closed later
            if self._preview_box != (0, 0, *self.size):
                self.im = self.resize(self.size, resample, self._preview_box).im

    def _new(self, im: _imaging.ImagingCore) -> Image.Image:
        """A copy, resized or converted: with EXIF as it was edited through ``getexif``, which Pillow does not copy."""
        new = super()._new(im)
        if self._exif is not None:  # otherwise nobody has asked for it
            from pillow_sdz.plugin.metadata.edits import current_info

            new.info = current_info(self)
        return new

    def _tile_arguments(self) -> tuple[SdzFile, str, int | None]:
        arguments: tuple[SdzFile, str, int | None] = self.tile[0][3]  # type: ignore[assignment]
        return arguments

    def load(self) -> _imaging.PixelAccess | None:
        """Decode the picture, on the first call. A failure leaves the image as it was: the next call fails again."""
        if self.tile:
            check_bomb(self._size)
            file, name, _ = self._tile_arguments()
            if truncation := file.container.truncation:
                arrived, announced = len(file.container.layers), file.header.layer_count
                part = " and a part of the next" if truncation.part and file.progressive else ""
                notice(f"{name} is truncated or damaged: decoding {arrived} of {announced} layers{part}")
            elif file.container.lacks_patches:
                notice(f"{name} is truncated or damaged: decoding without its patches")
            self.decoderconfig = (options.decode.resolved(self),)
        return super().load()

    def load_seek(self, pos: int) -> None:
        """Do nothing, since the whole file was read by ``_open``. Pillow checks that this method exists: with it
        ``ImageFile.Parser`` waits for all of the data, and ``load`` does not map the file into memory.
        """

    def verify(self) -> None:
        """Read the file again, check everything that can be checked without a model's weights, and close the file.

        Raises:
            SdzError: the file is damaged.
            RuntimeError: called after ``load``.
        """
        from pillow_sdz.codec.file import read, read_all

        if self.fp is None:
            raise RuntimeError("verify must be called directly after open")
        self.fp.seek(0)
        with naming_file(self._file_name()):
            read(read_all(self.fp)).check()
        super().verify()


class SdzDecoder(ImageFile.PyDecoder):
    """The decoder that Pillow calls to fill an `SdzImageFile`'s pixels. It raises errors and never returns an error
    code, after which Pillow would treat the image as loaded.
    """

    _pulls_fd = True

    def decode(self, buffer: object) -> tuple[int, int]:  # noqa: ARG002
        """Decode the picture or its preview; see `SdzImageFile`."""
        from pillow_sdz.codec.decode import decode
        from pillow_sdz.codec.preview import decode_preview
        from pillow_sdz.plugin.pixels import to_raw

        file, name, preview, settings = self.args
        with naming_file(name):
            picture = decode(file, settings) if preview is None else decode_preview(file, preview)
        self.set_as_raw(to_raw(picture))  # type: ignore[arg-type]  # any buffer: a copy as bytes would take memory
        return -1, 0


def check_bomb(size: tuple[int, int]) -> None:
    """Re-check Pillow's decompression-bomb limit, for images that ``Image.open`` did not check; do not warn twice.

    Raises:
        PIL.Image.DecompressionBombError: ``size`` has more than twice ``Image.MAX_IMAGE_PIXELS`` pixels.
    """
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and size[0] * size[1] > 2 * limit:
        Image._decompression_bomb_check(size)


def register_sdz_opener() -> None:
    """Register the format with Pillow, and its media type with `mimetypes`.

    Importing the package does so already. A spawned worker process starts without it: import the package there, or pass
    this function as the pool's initialiser.
    """
    Image.register_open(FORMAT, SdzImageFile, has_magic)
    Image.register_decoder("sdz", SdzDecoder)
    Image.register_save(FORMAT, save)
    Image.register_save_all(FORMAT, save_all)
    Image.register_extension(FORMAT, EXTENSION)
    Image.register_mime(FORMAT, MIME)
    mimetypes.add_type(MIME, EXTENSION)
