"""Reading bits, most significant first, as headers of AV1 store numbers."""

from __future__ import annotations

from pillow_sdz.errors import SdzTruncatedError


class BitReader:
    """Reads unsigned numbers bit by bit.

    Args:
        data: the bytes.
        field: what errors name.

    >>> reader = BitReader(bytes([0b101_00001]), "sequence header")
    >>> reader.read(3), reader.read(5)
    (5, 1)
    """

    def __init__(self, data: bytes, field: str) -> None:
        self._bits = int.from_bytes(data, "big")
        self._field = field
        self.left = 8 * len(data)
        """Bits that are not read yet."""

    def read(self, count: int) -> int:
        """The next ``count`` bits as a number.

        Raises:
            SdzTruncatedError: fewer are left.
        """
        if count > self.left:
            raise SdzTruncatedError(
                "the data ends too early", field=self._field, found=f"{self.left} bits", expected=f"{count} bits",
                remedy="get the file again",
            )  # fmt: skip
        self.left -= count
        return self._bits >> self.left & ((1 << count) - 1)
