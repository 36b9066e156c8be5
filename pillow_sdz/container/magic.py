"""The signature of the format (magic): the first eight bytes of a file, and messages for files without it."""

from __future__ import annotations

from typing import Final

from pillow_sdz.errors import SdzFormatError, SdzTruncatedError

MAGIC: Final = b"\x89SDZ\r\n\x1a\n"
"""Built like the signature of PNG: a byte with its high bit set, the name, CR LF, control-Z, LF. The usual text-mode
transfers each change one of these bytes. A ZIP archive, which other programs name .sdz, starts with ``PK``."""


def has_magic(start: bytes) -> bool:
    """Whether these are the first bytes of an .sdz file."""
    return start.startswith(MAGIC)


def check_magic(start: bytes) -> None:
    """Refuse a file that does not start with the magic; the message says what it seems to be.

    Args:
        start: the first bytes of the file, all of them or at least 16.

    Raises:
        SdzFormatError: another format, or an .sdz file damaged by a text-mode transfer.
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
    # Losing the high bit, recoding the first byte (to UTF-8) or changing line ends leaves the letters near the start.
    if b"SDZ" in start[:7]:
        raise SdzFormatError(
            "this looks like an .sdz file damaged by a text-mode transfer",
            field="magic",
            found=found,
            expected=MAGIC.hex(" "),
            remedy="transfer it again in binary mode",
        )
    raise SdzFormatError("this is not an .sdz file", field="magic", found=found, expected=MAGIC.hex(" "))
