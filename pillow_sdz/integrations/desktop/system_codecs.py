"""Decoding AVIF and WebP with the system's libheif and libwebp, through their C interfaces.

Files of stored pixels need a decoder of AV1 or WebP. The system's Python may have no Pillow, or one without AVIF
(before 11.3), while these libraries are on most desktops. Of both interfaces only functions are used that have not
changed since libheif 1.0 and libwebp 0.5. See libheif/api/libheif/heif.h and webp/decode.h.
"""

from __future__ import annotations

import ctypes
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pillow_sdz.errors import SdzDependencyError, SdzFormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIBHEIF: Final = "libheif.so.1"
LIBWEBP: Final = "libwebp.so.7"

_RGB: Final = 1
"""``heif_colorspace_RGB``."""

_INTERLEAVED_RGB: Final = 10
"""``heif_chroma_interleaved_RGB``, and ``heif_channel_interleaved``."""


class _HeifError(ctypes.Structure):
    """``struct heif_error``."""

    _fields_ = (("code", ctypes.c_int), ("subcode", ctypes.c_int), ("message", ctypes.c_char_p))


def decode(data: bytes, width: int, height: int) -> NDArray[np.uint8]:
    """Decode a picture.

    Args:
        data: an AVIF or WebP file, whose headers were checked.
        width, height: what it must have, in pixels.

    Returns:
        (height, width, 3).

    Raises:
        SdzDependencyError: the library is not there, or cannot decode AV1.
        SdzFormatError: the data are damaged, or the picture has another size.
    """
    return (_decode_webp if data.startswith(b"RIFF") else _decode_avif)(data, width, height)


def _library(name: str, coding: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(name)
    except OSError as error:
        raise SdzDependencyError(
            f"the pixels are coded as {coding}, which neither this Python's Pillow nor {name} can decode ({error})",
            remedy="install that library, or Pillow 11.3 or newer",
        ) from error


def _decode_webp(data: bytes, width: int, height: int) -> NDArray[np.uint8]:
    library = _library(LIBWEBP, "WebP")
    library.WebPDecodeRGB.restype = ctypes.c_void_p
    library.WebPDecodeRGB.argtypes = ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p
    library.WebPFree.argtypes = (ctypes.c_void_p,)
    found_width, found_height = ctypes.c_int(), ctypes.c_int()
    pixels = library.WebPDecodeRGB(data, len(data), ctypes.byref(found_width), ctypes.byref(found_height))
    if not pixels:
        raise SdzFormatError("libwebp cannot decode the stream", field="layer 1")
    try:
        _check_size(found_width.value, found_height.value, width, height)
        return _copied(pixels, width, height, 3 * width)
    finally:
        library.WebPFree(pixels)


def _decode_avif(data: bytes, width: int, height: int) -> NDArray[np.uint8]:
    library = _library(LIBHEIF, "AV1")
    pointer, number = ctypes.c_void_p, ctypes.c_int

    def function(name: str, result: Any, *arguments: Any) -> Any:
        found = getattr(library, name)
        found.restype, found.argtypes = result, arguments
        return found

    def check(error: _HeifError) -> None:
        if error.code:
            message = (error.message or b"").decode(errors="replace")
            raise SdzFormatError(f"libheif cannot decode the stream: {message}", field="layer 1")

    handle, image, row_bytes = pointer(), pointer(), number()
    with ExitStack() as cleaning:
        context = function("heif_context_alloc", pointer)()
        cleaning.callback(function("heif_context_free", None, pointer), context)
        function("heif_context_set_maximum_image_size_limit", None, pointer, number)(context, max(width, height))
        read = function(
            "heif_context_read_from_memory_without_copy", _HeifError, pointer, ctypes.c_char_p, ctypes.c_size_t, pointer
        )
        check(read(context, data, len(data), None))
        check(
            function("heif_context_get_primary_image_handle", _HeifError, pointer, pointer)(
                context, ctypes.byref(handle)
            )
        )
        cleaning.callback(function("heif_image_handle_release", None, pointer), handle)
        find_size = [function(f"heif_image_handle_get_{side}", number, pointer) for side in ("width", "height")]
        _check_size(find_size[0](handle), find_size[1](handle), width, height)
        decode_image = function("heif_decode_image", _HeifError, pointer, pointer, number, number, pointer)
        check(decode_image(handle, ctypes.byref(image), _RGB, _INTERLEAVED_RGB, None))
        cleaning.callback(function("heif_image_release", None, pointer), image)
        find_size = [function(f"heif_image_get_{side}", number, pointer, number) for side in ("width", "height")]
        _check_size(find_size[0](image, _INTERLEAVED_RGB), find_size[1](image, _INTERLEAVED_RGB), width, height)
        plane = function("heif_image_get_plane_readonly", pointer, pointer, number, pointer)
        pixels = plane(image, _INTERLEAVED_RGB, ctypes.byref(row_bytes))
        if not pixels or row_bytes.value < 3 * width:
            raise SdzFormatError("libheif gives no RGB", field="layer 1")
        return _copied(pixels, width, height, row_bytes.value)


def _check_size(found_width: int, found_height: int, width: int, height: int) -> None:
    if (found_width, found_height) != (width, height):
        found = f"{found_width} x {found_height}"
        raise SdzFormatError(
            "the coded picture has another size", field="layer 1", found=found, expected=f"{width} x {height}"
        )


def _copied(pixels: int, width: int, height: int, row_bytes: int) -> NDArray[np.uint8]:
    """The pixels (height, width, 3) at an address."""
    last = (height - 1) * row_bytes + 3 * width  # the last row may end before its padding
    flat = np.ctypeslib.as_array(ctypes.cast(pixels, ctypes.POINTER(ctypes.c_uint8)), (last,))
    rows = np.lib.stride_tricks.as_strided(flat, (height, 3 * width), (row_bytes, 1), writeable=False)
    return rows.reshape(height, width, 3).copy()
