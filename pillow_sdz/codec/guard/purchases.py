"""What the guard buys for a picture that a model has encoded: patches, or the whole picture as pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pillow_sdz import limits
from pillow_sdz.codec import pixels
from pillow_sdz.codec.guard.comparison import Comparison
from pillow_sdz.codec.guard.detector import detect
from pillow_sdz.codec.guard.findings import find
from pillow_sdz.codec.guard.settings import settings_for
from pillow_sdz.codec.patching import apply_patches, encode_patches
from pillow_sdz.container.framing import section_bytes
from pillow_sdz.payloads.pixels.payload import speed_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pillow_sdz.codec.guard.findings import Findings
    from pillow_sdz.codec.guard.settings import GuardSettings
    from pillow_sdz.container.patches import Rectangle
    from pillow_sdz.options import DecodeSettings, SaveOptions

MOSTLY: Final = 0.7
"""If the share of the active cells that matter and came out wrong is this large, the whole picture is pixels."""

MOSTLY_OF_DRAWN: Final = 0.35
"""The same for pictures that may be drawings."""

DRAWN: Final = 0.15
"""If the share of exactly flat cells is this large, the picture may be a drawing or a screenshot."""

MANY: Final = 0.1
"""If patches cover this share of the picture, the whole may cost less."""

FEATURES: Final = 0.85
"""How large the distance of features of AVIF may be, in multiples of the synthesised picture's, to be preferred."""

FEATURES_OF_DRAWN: Final = 1.1
"""The same for pictures that may be drawings. (LPIPS-VGG is the same at about 1.2.)"""

SELDOM_SYNTHESISED: Final = 60.0
"""From this quality on AVIF may be closer to the original at the same bytes, whatever the picture."""

ROOM: Final = 1.5
"""Most bytes of patches, in multiples of the file without them."""

SHARE_OF_TARGET: Final = 0.6
"""Most bytes of patches, as a share of a target size."""

LOWEST_QUALITY: Final = 10
"""Lowest AVIF quality of patches; where that is too large some are left out."""

COARSER: Final = 6
"""By how much the quality is lowered at a time to make patches fit."""


@dataclass(frozen=True)
class Purchases:
    """What was bought.

    Attributes:
        patches: body of the patches section, or None.
        whole: body of the layer of a file of pixels, which takes the place of everything else; or None.
    """

    patches: bytes | None = None
    whole: bytes | None = None


def choose(
    original: NDArray[np.uint8],
    decoded: NDArray[np.uint8],
    size: int,
    quality: float,
    options: SaveOptions,
    settings: DecodeSettings,
) -> Purchases:
    """Choose what to buy.

    Args:
        original: (H, W, 3).
        decoded: the same as the model decodes it.
        size: bytes that a layer of pixels may have in a file as large as the model's, or as the target size.
        quality: that of the model's file, 0 to 100.
        options: the options of saving.
        settings: how the file was decoded.
    """
    ladder = settings_for(quality)
    findings = find(original, decoded, detect(original), ladder)
    mostly = MOSTLY_OF_DRAWN if findings.flat >= DRAWN else MOSTLY
    if options.may_be_pixels and findings.marked >= mostly:
        whole = _whole(original, size, ladder, options)
        if whole is not None:
            return Purchases(whole=whole)
    has_target = options.target_size is not None
    room = int((SHARE_OF_TARGET if has_target else ROOM) * size)
    patches = _patches(original, findings, ladder, room, options.effort)
    picture, share = decoded, 0.0
    if patches is not None:
        picture = decoded.copy()
        share = apply_patches(picture, patches)
        size += 0 if has_target else section_bytes(len(patches))
    if options.may_be_pixels and _whole_may_be_better(findings, share, quality):
        whole = _closer_whole(original, picture, size, findings, ladder, options, settings)
        if whole is not None:
            return Purchases(whole=whole)
    return Purchases(patches)


def _patches(
    original: NDArray[np.uint8], findings: Findings, ladder: GuardSettings, room: int, effort: int
) -> bytes | None:
    """The body of a patches section of at most ``room`` bytes with its frame; None if there is nothing to buy."""
    best = ladder.faces if findings.faces else ladder.lettering
    for rectangles, quality in _attempts(findings.rectangles[: limits.MAX_PATCHES], best):
        body = encode_patches(original, rectangles, "av1", quality, speed_of(effort))
        if section_bytes(len(body)) <= room:
            return body
    return None


def _attempts(rectangles: Sequence[Rectangle], quality: int) -> Iterator[tuple[Sequence[Rectangle], int]]:
    """Rectangles and qualities to try, ever smaller: first the quality is lowered, then the least harmful left out."""
    while rectangles:
        yield rectangles, quality
        if quality > LOWEST_QUALITY:
            quality = max(LOWEST_QUALITY, quality - COARSER)
        else:
            rectangles = rectangles[: len(rectangles) * 2 // 3]


def _whole_may_be_better(findings: Findings, patched: float, quality: float) -> bool:
    """Whether it is worth the time to find out."""
    return findings.flat >= DRAWN or patched >= MANY or quality >= SELDOM_SYNTHESISED


def _closer_whole(
    original: NDArray[np.uint8],
    decoded: NDArray[np.uint8],
    size: int,
    findings: Findings,
    ladder: GuardSettings,
    options: SaveOptions,
    settings: DecodeSettings,
) -> bytes | None:
    """The body of the layer of a file of pixels, if with the same bytes it is closer than ``decoded``; or None."""
    found = pixels.fit_body(original, size, options.effort)
    if found is None:
        return None
    bias = FEATURES_OF_DRAWN if findings.flat >= DRAWN else FEATURES
    picture = pixels.decode_body(found.body, original.shape)
    if not Comparison(original, settings).pixels_are_closer(picture, decoded, bias):
        return None
    if found.quality > ladder.whole_at_most and options.target_size is None:
        return pixels.best_body(original, ladder.whole_at_most, options.effort)
    return found.body


def _whole(original: NDArray[np.uint8], size: int, ladder: GuardSettings, options: SaveOptions) -> bytes | None:
    """The body of the layer of a file of pixels, where that is decided; None if it does not fit a target size.

    Without a target size, it has as many bytes as the model's file, but its quality is neither lower nor much higher
    than that of other pictures of this quality.
    """
    found = pixels.fit_body(original, size, options.effort)
    if options.target_size is not None:
        return None if found is None else found.body
    if found is not None and ladder.whole <= found.quality <= ladder.whole_at_most:
        return found.body
    quality = ladder.whole if found is None or found.quality < ladder.whole else ladder.whole_at_most
    return pixels.best_body(original, quality, options.effort)
