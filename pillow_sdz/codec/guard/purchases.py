"""What the guard buys for a picture that a model has encoded: patches, or the whole picture as pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from pillow_sdz.codec import pixels
from pillow_sdz.codec.guard.comparison import Comparison
from pillow_sdz.codec.guard.detector import detect
from pillow_sdz.codec.guard.findings import find, flat_share
from pillow_sdz.codec.guard.periodicity import regular
from pillow_sdz.codec.guard.settings import settings_for
from pillow_sdz.codec.patching import apply_patches, encode_patches
from pillow_sdz.container.framing import section_bytes
from pillow_sdz.errors import SdzLimitError
from pillow_sdz.payloads.pixels.payload import speed_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from pillow_sdz.codec.guard.findings import Findings
    from pillow_sdz.codec.guard.settings import GuardSettings
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
"""The same for pictures that may be drawings, and at high qualities. (LPIPS-VGG is the same at about 1.2.)"""

REGULAR: Final = 0.3
"""If so much of the active cells is regular structure, AVIF need not be closer than the synthesised picture by much."""

FEATURES_OF_REGULAR: Final = 1.0
"""The limit for features then."""

LATTICES: Final = 0.25
"""If so much of the active cells is lattices, structure decides, unless features are much worse."""

FEATURES_OF_LATTICES: Final = 1.6
"""The limit for features then."""

FACES: Final = 0.5
"""If so much of the patches is faces, the sheet has their quality."""

SELDOM_SYNTHESISED: Final = 60.0
"""From this quality on AVIF may be closer to the original at the same bytes, whatever the picture."""

ROOM: Final = 1.5
"""Most bytes of patches, in multiples of the file without them."""

ROOM_OF_FACES: Final = 3.0
"""The same where the patches have the quality of faces."""

SHARE_OF_TARGET: Final = 0.6
"""Most bytes of patches, as a share of a target size."""

AS_LARGE: Final = 1.03
"""What counts as the same size: qualities of AV1 are some percent apart."""

LOWEST_QUALITY: Final = 10
"""Lowest AVIF quality of patches; where that is too large some are left out."""

LOWEST_OF_FACES: Final = 48
"""Lowest AVIF quality of faces: below, they are worse than those of the model."""

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


class _Patched(NamedTuple):
    """Patches, the picture with them, and the share of it that they cover."""

    body: bytes | None
    picture: NDArray[np.uint8]
    share: float


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
    findings = find(original, decoded, detect(original), regular(original))
    may_be_pixels = options.may_be_pixels and pixels.can_hold(original)
    if may_be_pixels and _is_mostly_wrong(findings):
        whole = _whole(original, size, ladder, options)
        if whole is not None:
            return Purchases(whole=whole)
    has_target = options.target_size is not None
    comparison = Comparison(original, settings)
    room = int((SHARE_OF_TARGET if has_target else ROOM) * size)
    findings = _settled(original, decoded, findings, ladder, room, options.effort, comparison)
    if findings.faces >= FACES and not has_target:
        room = int(ROOM_OF_FACES * size)
    patched = _patched(original, decoded, findings, ladder, room, options.effort)
    if patched.body is not None and not has_target:
        size += section_bytes(len(patched.body))
    features = _features_limit(findings, patched.share, quality)
    if may_be_pixels and features is not None:
        whole = _closer_whole(comparison, original, patched.picture, size, features, ladder, options)
        if whole is not None:
            return Purchases(whole=whole)
    return Purchases(patched.body)


def may_be_drawn(original: NDArray[np.uint8]) -> bool:
    """Whether a picture (H, W, 3) may be a drawing or a screenshot."""
    return flat_share(original) >= DRAWN


def whole_of_drawn(
    original: NDArray[np.uint8], decoded: NDArray[np.uint8], size: int, quality: float, options: SaveOptions
) -> bytes | None:
    """The body of the layer of a file of pixels, if nearly all of a picture that may be drawn came out wrong.

    Refinement would not change that, but takes most of the time: this is asked before it.

    Args:
        original, decoded, size, quality, options: see `choose`.
    """
    if not options.may_be_pixels or not pixels.can_hold(original):
        return None
    findings = find(original, decoded, detect(original), regular(original))
    return _whole(original, size, settings_for(quality), options) if _is_mostly_wrong(findings) else None


def _is_mostly_wrong(findings: Findings) -> bool:
    """Whether so much came out wrong that pixels are better whatever they cost."""
    mostly = MOSTLY_OF_DRAWN if findings.flat >= DRAWN else MOSTLY
    return findings.settled().faces < FACES and findings.wrong >= mostly


def _settled(
    original: NDArray[np.uint8],
    decoded: NDArray[np.uint8],
    findings: Findings,
    ladder: GuardSettings,
    room: int,
    effort: int,
    comparison: Comparison,
) -> Findings:
    """The findings with those doubtful regions alone that look closer with patches, which are tried on their own."""
    made = _fitting(original, findings.in_doubt(), ladder, room, effort)
    if made is None:
        return findings.settled()
    body, tried = made
    picture = decoded.copy()
    apply_patches(picture, body)
    worth_it = tried.worth_it(original, picture)
    return findings.settled(worth_it.looking_closer(partial(comparison.features_in, picture, decoded)))


def _patched(
    original: NDArray[np.uint8],
    decoded: NDArray[np.uint8],
    findings: Findings,
    ladder: GuardSettings,
    room: int,
    effort: int,
) -> _Patched:
    """The patches that are worth it, in at most ``room`` bytes with the frame of their section."""
    while findings.order:
        made = _fitting(original, findings, ladder, room, effort)
        if made is None:
            break
        body, findings = made
        picture = decoded.copy()
        share = apply_patches(picture, body)
        worth_it = findings.worth_it(original, picture)
        if worth_it.order == findings.order:
            return _Patched(body, picture, share)
        findings = worth_it
    return _Patched(None, decoded, 0.0)


def _fitting(
    original: NDArray[np.uint8], findings: Findings, ladder: GuardSettings, room: int, effort: int
) -> tuple[bytes, Findings] | None:
    """The body of a patches section of at most ``room`` bytes with its frame, and what it holds; or None."""
    best, lowest = ladder.lettering, LOWEST_QUALITY
    if findings.faces >= FACES:
        best, lowest = ladder.faces, min(ladder.faces, LOWEST_OF_FACES)
    for smaller, quality in _attempts(findings, best, lowest):
        try:
            body = encode_patches(original, smaller.rectangles, "av1", quality, speed_of(effort))
        except SdzLimitError:  # there are more than a file may have
            continue
        if section_bytes(len(body)) <= room:
            return body, smaller
    return None


def _attempts(findings: Findings, quality: int, lowest: int) -> Iterator[tuple[Findings, int]]:
    """What to try, ever smaller: first the quality is lowered, then the least harmful regions are left out."""
    while findings.order:
        yield findings, quality
        if quality > lowest:
            quality = max(lowest, quality - COARSER)
        else:
            findings = findings.without_the_last_third()


def _features_limit(findings: Findings, patched: float, quality: float) -> float | None:
    """How large the distance of features of AVIF may be (see `FEATURES`); None if comparing is not worth the time."""
    limits = []
    if patched >= MANY:
        limits.append(FEATURES)
    if findings.flat >= DRAWN or quality >= SELDOM_SYNTHESISED:
        limits.append(FEATURES_OF_DRAWN)
    if findings.regular >= REGULAR:
        limits.append(FEATURES_OF_REGULAR)
    if findings.lattices >= LATTICES:
        limits.append(FEATURES_OF_LATTICES)
    return max(limits, default=None)


def _closer_whole(
    comparison: Comparison,
    original: NDArray[np.uint8],
    decoded: NDArray[np.uint8],
    size: int,
    features: float,
    ladder: GuardSettings,
    options: SaveOptions,
) -> bytes | None:
    """The body of the layer of a file of pixels, if with the same bytes it is closer than ``decoded``; or None."""
    found = pixels.fit_body(original, _room(size, options), options.effort)
    if found is None:
        return None
    picture = pixels.decode_body(found.body, original.shape)
    if not comparison.pixels_are_closer(picture, decoded, features):
        return None
    if found.quality > ladder.whole_at_most and options.target_size is None:
        return pixels.best_body(original, ladder.whole_at_most, options.effort)
    return found.body


def _whole(original: NDArray[np.uint8], size: int, ladder: GuardSettings, options: SaveOptions) -> bytes | None:
    """The body of the layer of a file of pixels, where that is decided; None if it does not fit a target size.

    Without a target size, it has as many bytes as the model's file, but its quality is neither lower nor much higher
    than that of other pictures of this quality.
    """
    found = pixels.fit_body(original, _room(size, options), options.effort)
    if options.target_size is not None:
        return None if found is None else found.body
    if found is not None and ladder.whole <= found.quality <= ladder.whole_at_most:
        return found.body
    quality = ladder.whole if found is None or found.quality < ladder.whole else ladder.whole_at_most
    return pixels.best_body(original, quality, options.effort)


def _room(size: int, options: SaveOptions) -> int:
    """Bytes for pixels in the place of a model's file. Without a target size, they may be slightly more."""
    return size if options.target_size is not None else int(AS_LARGE * size)
