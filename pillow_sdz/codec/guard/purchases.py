"""What the guard buys for a picture that a model has encoded: patches, or the whole picture as pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
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


@dataclass
class Guard:
    """Looks at what a model made of a picture. What there is to see in the original is found once.

    Attributes:
        original: (H, W, 3).
        options: the options of saving.
        settings: how files are decoded.
    """

    original: NDArray[np.uint8]
    options: SaveOptions
    settings: DecodeSettings

    @cached_property
    def may_be_drawn(self) -> bool:
        """Whether the picture may be a drawing or a screenshot."""
        return flat_share(self.original) >= DRAWN

    def whole_of_drawn(self, decoded: NDArray[np.uint8], size: int, quality: float) -> bytes | None:
        """The body of the layer of a file of pixels, if nearly all of a picture that may be drawn came out wrong.

        Refinement would not change that, but takes most of the time: this is asked before it.

        Args:
            decoded, size, quality: see `choose`.
        """
        if not self._may_be_pixels or not _is_mostly_wrong(self._found(decoded)):
            return None
        return _whole(self.original, size, settings_for(quality), self.options)

    def choose(self, decoded: NDArray[np.uint8], size: int, quality: float) -> Purchases:
        """Choose what to buy.

        Args:
            decoded: the picture as the model decodes it, (H, W, 3).
            size: bytes that a layer of pixels may have in a file as large as the model's, or as the target size.
            quality: that of the model's file, 0 to 100.
        """
        ladder, findings = settings_for(quality), self._found(decoded)
        if self._may_be_pixels and _is_mostly_wrong(findings):
            whole = _whole(self.original, size, ladder, self.options)
            if whole is not None:
                return Purchases(whole=whole)
        has_target = self.options.target_size is not None
        room = int((SHARE_OF_TARGET if has_target else ROOM) * size)
        findings = self._settled(decoded, findings, ladder, room)
        if findings.faces >= FACES and not has_target:
            room = int(ROOM_OF_FACES * size)
        patched = self._patched(decoded, findings, ladder, room)
        if patched.body is not None and not has_target:
            size += section_bytes(len(patched.body))
        features = _features_limit(findings, patched.share, quality)
        if self._may_be_pixels and features is not None:
            whole = self._closer_whole(patched.picture, size, features, ladder)
            if whole is not None:
                return Purchases(whole=whole)
        return Purchases(patched.body)

    @property
    def _may_be_pixels(self) -> bool:
        return self.options.may_be_pixels and pixels.can_hold(self.original)

    def _found(self, decoded: NDArray[np.uint8]) -> Findings:
        return find(self.original, decoded, *self._seen)

    @cached_property
    def _seen(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """What the detector and the spectrum see in the original."""
        return detect(self.original), regular(self.original)

    @cached_property
    def _comparison(self) -> Comparison:
        return Comparison(self.original, self.settings)

    def _settled(self, decoded: NDArray[np.uint8], findings: Findings, ladder: GuardSettings, room: int) -> Findings:
        """The findings with those doubtful regions alone that patches bring closer, tried on their own."""
        made = _fitting(self.original, findings.in_doubt(), ladder, room, self.options.effort)
        if made is None:
            return findings.settled()
        body, tried = made
        picture = decoded.copy()
        apply_patches(picture, body)
        worth_it = tried.worth_it(self.original, picture)
        return findings.settled(worth_it.looking_closer(partial(self._comparison.features_in, picture, decoded)))

    def _patched(self, decoded: NDArray[np.uint8], findings: Findings, ladder: GuardSettings, room: int) -> _Patched:
        """The patches that are worth it, in at most ``room`` bytes with the frame of their section."""
        while findings.order:
            made = _fitting(self.original, findings, ladder, room, self.options.effort)
            if made is None:
                break
            body, findings = made
            picture = decoded.copy()
            share = apply_patches(picture, body)
            worth_it = findings.worth_it(self.original, picture)
            if worth_it.order == findings.order:
                return _Patched(body, picture, share)
            findings = worth_it
        return _Patched(None, decoded, 0.0)

    def _closer_whole(
        self, decoded: NDArray[np.uint8], size: int, features: float, ladder: GuardSettings
    ) -> bytes | None:
        """The body of the layer of a file of pixels, if with the same bytes it is closer than ``decoded``; or None."""
        found = pixels.fit_body(self.original, _room(size, self.options), self.options.effort)
        if found is None:
            return None
        picture = pixels.decode_body(found.body, self.original.shape)
        if not self._comparison.pixels_are_closer(picture, decoded, features):
            return None
        if found.quality > ladder.whole_at_most and self.options.target_size is None:
            return pixels.best_body(self.original, ladder.whole_at_most, self.options.effort)
        return found.body


def _is_mostly_wrong(findings: Findings) -> bool:
    """Whether so much came out wrong that pixels are better whatever they cost."""
    mostly = MOSTLY_OF_DRAWN if findings.flat >= DRAWN else MOSTLY
    return findings.settled().faces < FACES and findings.wrong >= mostly


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
