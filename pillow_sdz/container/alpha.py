"""The alpha section: one lossless plane of opacity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillow_sdz.coding.planes import decode_planes, encode_planes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def encode_alpha(alpha: NDArray[np.uint8], effort: int = 4) -> bytes:
    """Code an alpha plane without loss.

    Args:
        alpha: shape (H, W), 0 (transparent) to 255 (opaque).
        effort: 0 (fast) to 9 (small).

    Returns:
        The body of the alpha section.

    >>> import numpy as np
    >>> encode_alpha(np.full((3000, 4000), 255, np.uint8))
    b'\\x01\\xff'
    """
    return encode_planes(alpha[None], effort)


def decode_alpha(body: bytes, width: int, height: int, file: str = "<bytes>") -> NDArray[np.uint8]:
    """Decode the body of the alpha section.

    Args:
        body: the body.
        width: picture width in pixels, from the checked header.
        height: picture height in pixels, from the checked header.
        file: name for error messages.

    Returns:
        Shape (height, width), 0 to 255.

    Raises:
        SdzFormatError: the body does not give exactly one plane of this size.
        SdzVersionError: the coding is unknown.
    """
    plane: NDArray[np.uint8] = decode_planes(body, (1, height, width), field="alpha", file=file)[0]
    return plane
