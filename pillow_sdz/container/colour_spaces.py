"""The colour spaces that the header can name, so that the usual ICC profiles take no bytes.

What each of them is, `spec/sdz.md` specifies; `pillow_sdz.plugin.colour` recognises them and makes profiles of them.
"""

from __future__ import annotations

from typing import Final

COLOUR_SPACES: Final = (
    None, "sRGB", "Display P3", "Adobe RGB (1998)", "Rec. 2020", "grey gamma 2.2", "grey sRGB",
)  # fmt: skip
"""Names of the colour spaces, by their number in the header. None: an ICC profile of the file's own, or none at all."""

GREY_SPACES: Final = frozenset({"grey gamma 2.2", "grey sRGB"})
"""The colour spaces of one channel, which only fit `GREY_MODES`."""

GREY_MODES: Final = ("L", "LA")
"""The modes of one channel."""
