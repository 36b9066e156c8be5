"""The first eight bytes of a file, and what a file without them may be."""

from __future__ import annotations

from typing import Final

from pillow_sdz.errors import SdzFormatError, SdzTruncatedError

MAGIC: Final = b"\x89SDZ\r\n\x1a\n"
"""First eight bytes of a file. As in PNG: a byte with its high bit set, letters, CR LF, control-Z and LF, so that
every usual kind of text-mode transfer damages it. It cannot be taken for a ZIP archive (``PK``)."""


def has_magic(start: bytes) -> bool:
    """Whether a file that starts like this is ours."""
    return start.startswith(MAGIC)


def check_magic(start: bytes) -> None:
    """Refuse what does not start with the magic, and say what it looks like instead.

    Args:
        start: the first bytes of the file, all of them or at least 16.

    Raises:
        SdzFormatError: something else, or an .sdz file damaged by a text-mode transfer.
        SdzTruncatedError: an empty file, or one that ends within the magic.
    """
    if start.startswith(MAGIC):
        return
    if not start:
        raise SdzTruncatedError("the file is empty", field="magic", found="0 bytes", expected=MAGIC.hex(" "))
    found = start[: len(MAGIC)].hex(" ")
    if MAGIC.startswith(start):
        raise SdzTruncatedError("the file ends within the magic", field="magic", found=found, expected=MAGIC.hex(" "))
    if start.startswith(b"PK"):
        raise SdzFormatError(
            "this is a ZIP archive, perhaps a Spring RTS map, which also uses the name .sdz",
            field="magic",
            found=found,
            expected=MAGIC.hex(" "),
        )
    # A lost high bit, a recoded first byte or changed line ends leave the three letters near the start.
    if b"SDZ" in start[:7]:
        raise SdzFormatError(
            "this looks like an .sdz file damaged by a text-mode transfer",
            field="magic",
            found=found,
            expected=MAGIC.hex(" "),
            remedy="transfer it again in binary mode",
        )
    raise SdzFormatError("this is not an .sdz file", field="magic", found=found, expected=MAGIC.hex(" "))
