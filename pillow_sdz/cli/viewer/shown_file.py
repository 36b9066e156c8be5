"""One file as the page shows it: its facts as JSON, its preview, error map and decoded pictures as PNG."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from pillow_sdz import options
from pillow_sdz.cli.inspection import details_of, facts, read_source
from pillow_sdz.cli.viewer.orientation import UPRIGHT, Box, orientation_of, upright, upright_box, upright_size
from pillow_sdz.codec.decode import decode
from pillow_sdz.codec.patching import blend
from pillow_sdz.codec.preview import FAST_VALUES, decode_preview, preview_scale, preview_size
from pillow_sdz.container.patches import CELL
from pillow_sdz.container.stored_error import HIGHEST_LEVEL, cell_side
from pillow_sdz.errors import naming_file
from pillow_sdz.payloads.preview_networks import STRIDES
from pillow_sdz.plugin.pixels import to_raw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pillow_sdz.cli.sources import Source
    from pillow_sdz.codec.file import SdzFile
    from pillow_sdz.codec.picture import Picture

PREVIEW: Final = "preview.png"
ERROR_MAP: Final = "error-map.png"
PICTURE: Final = "picture.png"
WITHOUT_PATCHES: Final = "without-patches.png"
"""Names of the pictures of a file; the last two are decoded."""

COMPRESSION: Final = 1
"""Of PNG: the fastest, since the bytes go no further than the browser on this machine."""

RAMP: Final = ((60, 20, 130, 51), (130, 30, 130, 97), (215, 50, 80, 140), (250, 140, 40, 184), (255, 245, 140, 230))
"""Colours of the error map over a grey picture, from the lowest level to the highest: RGB and opacity. Both brightness
and opacity rise, so that levels can be told apart without seeing colours. The page's style has the same."""


@dataclass(frozen=True)
class ShownFile:
    """A file that was read.

    Attributes:
        source: where it was read from.
        data: its bytes.
        file: its structure.
        orientation: how its picture has to be turned, 1 to 8.
        icc_profile: the profile of its colours, also if the file names a colour space; or None.
    """

    source: Source
    data: bytes
    file: SdzFile
    orientation: int
    icc_profile: bytes | None

    @property
    def revision(self) -> str:
        """Changes when the file does."""
        return f"{zlib.crc32(self.data):08x}"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels as stored, before the picture is turned."""
        return self.file.header.width, self.file.header.height

    def about(self) -> dict[str, Any]:
        """What the page needs to know, as JSON can hold it. Boxes are left, top, width and height in upright pixels.

        Raises:
            SdzError: metadata or what the file says about its error are damaged.
        """
        with naming_file(self.source.name):
            details = details_of(self.file, len(self.data))
        words = facts(details)
        words.pop("as decoded", None)  # the page has the figures
        if all(layer["entries"] is None for layer in details["layers"]):  # there is nothing to say but their bytes
            words = {name: text for name, text in words.items() if not name.startswith("layer ")}
        if self.orientation != UPRIGHT:
            words["orientation"] = f"{self.orientation}, shown upright"
        width, height = upright_size(self.size, self.orientation)
        return {
            "revision": self.revision,
            "width": width,
            "height": height,
            "alpha": self.file.header.has_alpha,
            "facts": words,
            "error": details["stored_error"],
            "parts": details["parts"],
            "text": details["text"],
            "preview": self._preview_box() if details["preview"] else None,
            "error_map": self._error_map_box() if details["error_map"] else None,
            "patches": list(self._patches()),
        }

    def preview(self) -> bytes:
        """The preview as PNG: the finest one that takes a few tenths of a second.

        Raises:
            SdzError: the file is damaged, or needs the prior of a model that is missing.
        """
        with naming_file(self.source.name):
            return self._png(decode_preview(self.file, self._stride()))

    def error_map(self) -> bytes | None:
        """The error map as PNG, a pixel for each cell; None where there is none.

        Raises:
            SdzError: the section is damaged.
        """
        with naming_file(self.source.name):
            levels = self.file.error_map()
        if levels is None:
            return None
        return _as_png(upright(Image.fromarray(colours_of(levels)), self.orientation), None)

    def decoded(self) -> Iterator[tuple[str, bytes]]:
        """Decode the picture. Of a file with patches there are two, with and without them, for one decoding.

        Yields:
            The name of a picture, and the picture as PNG.

        Raises:
            SdzError: the file is damaged, its model is missing or does not fit it, or a package is missing.
        """
        how = options.DecodeSettings(
            **{each.name: getattr(options.decode, each.name) for each in fields(options.DecodeSettings)}
        )
        with naming_file(self.source.name):
            picture = decode(self.file, replace(how, patches=False))
            if self.file.patches is not None:
                yield WITHOUT_PATCHES, self._png(picture)
                rgb = np.require(picture.rgb, requirements="W")
                blend(rgb, self.file.patches)
                picture = replace(picture, rgb=rgb)
            yield PICTURE, self._png(picture)

    def _png(self, picture: Picture) -> bytes:
        pixels = to_raw(picture)
        return _as_png(
            upright(Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels), self.orientation),
            self.icc_profile,
        )

    def _upright(self, box: Box) -> Box:
        return upright_box(box, self.size, self.orientation)

    def _stride(self) -> int:
        """The smallest stride with few values to decode, or the largest one."""
        channels = self.file.header.channels if self.file.needs_model else 0
        sizes = {stride: preview_size(self.file, stride) for stride in STRIDES}
        fast = [stride for stride, (width, height) in sizes.items() if width * height * channels <= FAST_VALUES]
        return min(fast, default=STRIDES[-1])

    def _preview_box(self) -> Box:
        """Where the preview lies; its last row and column may reach beyond the picture."""
        stride = self._stride()
        scale, (width, height) = preview_scale(self.file, stride), preview_size(self.file, stride)
        return self._upright((0, 0, width * scale, height * scale))

    def _error_map_box(self) -> Box:
        side = cell_side(*self.size)
        columns, rows = (-(-length // side) for length in self.size)
        return self._upright((0, 0, columns * side, rows * side))

    def _patches(self) -> Iterator[Box]:
        """The rectangles of the patches, within the picture."""
        if self.file.patches is None:
            return
        for each in self.file.patches.rectangles:
            left, top = each.x * CELL, each.y * CELL
            right, bottom = left + each.width * CELL, top + each.height * CELL
            yield self._upright((left, top, min(right, self.size[0]) - left, min(bottom, self.size[1]) - top))


def read(source: Source) -> ShownFile:
    """Read a file.

    Raises:
        SdzError: it is damaged.
        OSError: it cannot be read.
    """
    with naming_file(source.name):
        data, file = read_source(source)
        with Image.open(io.BytesIO(data), formats=["SDZ"]) as image:  # has the profile of a colour space that is named
            return ShownFile(source, data, file, orientation_of(image), image.info.get("icc_profile"))


def colours_of(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An error map in the colours of `RAMP`.

    Args:
        levels: (rows, columns), 0 to `HIGHEST_LEVEL`.

    Returns:
        (rows, columns, 4).
    """
    steps = np.linspace(0, len(RAMP) - 1, HIGHEST_LEVEL + 1)
    ramp = np.stack([np.interp(steps, range(len(RAMP)), channel) for channel in np.transpose(RAMP)], axis=1)
    return ramp.round().astype(np.uint8)[levels]


def _as_png(image: Image.Image, icc_profile: bytes | None) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=COMPRESSION, icc_profile=icc_profile)
    return stream.getvalue()
