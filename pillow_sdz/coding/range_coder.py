"""A range coder on whole numbers with exact arithmetic, the last step of the context coders.

A symbol is an interval [low, high) of the whole numbers below a total that both sides know. The encoder narrows an
interval of 64-bit numbers symbol by symbol; the decoder follows. Totals may be any number from 1 to 2**31.
`spec/sdz.md` gives the same steps in words.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.errors import SdzFormatError

if TYPE_CHECKING:
    from collections.abc import Sequence

_WORD: Final = 32
_SPAN: Final = 1 << (2 * _WORD)
_REFILL: Final = 1 << _WORD
_MASK: Final = _SPAN - 1
_END_TOTAL: Final = 256
"""The end mark is the symbol [0, 1) of 256: a damaged stream passes for a sound one once in 256 times at most."""


class RangeEncoder:
    """Collect symbols with `put`, then take the bytes with `finish`."""

    def __init__(self) -> None:
        self._low = 0
        self._span = _SPAN - 1
        self._words: list[int] = []

    def put(self, lows: Sequence[int], highs: Sequence[int], totals: Sequence[int]) -> None:
        """Append one symbol per item: the interval [low, high) of [0, total), 0 <= low < high <= total."""
        low, span, words = self._low, self._span, self._words
        for start, end, total in zip(lows, highs, totals, strict=True):
            unit = span // total
            low += start * unit
            span = (end - start) * unit
            if low > _MASK:
                low &= _MASK
                self._carry()
            while span < _REFILL:
                words.append(low >> _WORD)
                low = (low << _WORD) & _MASK
                span <<= _WORD
        self._low, self._span = low, span

    def _carry(self) -> None:
        """Add one to the number formed by the words written so far."""
        words = self._words
        at = len(words) - 1
        while words[at] == _REFILL - 1:
            words[at] = 0
            at -= 1
        words[at] += 1

    def finish(self) -> bytes:
        """Append the end mark and return the shortest bytes that decode to the symbols; none of them ends in zero."""
        self.put([0], [1], [_END_TOTAL])
        value = _shortest(self._low, self._span)
        if value > _MASK:
            self._carry()
        words = [*self._words, (value >> _WORD) & (_REFILL - 1), value & (_REFILL - 1)]
        return b"".join(word.to_bytes(4, "big") for word in words).rstrip(b"\0")


class RangeDecoder:
    """Read symbols from the bytes of `RangeEncoder.finish`.

    Args:
        data: the bytes; beyond their end zeros are read.
        field: named in errors.
    """

    def __init__(self, data: bytes, *, field: str) -> None:
        self._length = len(data)
        self._data = data
        padded = data + bytes(-len(data) % 4)
        self._words = np.frombuffer(padded, ">u4").astype(np.uint32).data  # four bytes a word; a list takes forty
        self._field = field
        self._span = _SPAN - 1
        self._next = 2
        first = [*self._words[:2], 0, 0]
        self._code = (first[0] << _WORD) | first[1]

    def get(self, cumulative: Sequence[int], rows: int, entries: int) -> list[int]:
        """Read one symbol per row.

        Args:
            cumulative: rows x entries numbers, flat; no row falls; entry k of it is the end
                of the interval of symbol k, the last its total.
            rows: how many symbols to read.
            entries: how many symbols there are to choose from.

        Raises:
            SdzFormatError: no encoder writes these bytes.
        """
        code, span, words, at = self._code, self._span, self._words, self._next
        known = len(words)
        symbols = []
        for base in range(0, rows * entries, entries):
            total = cumulative[base + entries - 1]
            unit = span // total
            value = code // unit
            if value >= total:
                raise self._damaged("holds a number outside every symbol's interval")
            found = bisect_right(cumulative, value, base, base + entries)
            start = cumulative[found - 1] if found > base else 0
            code -= start * unit
            span = (cumulative[found] - start) * unit
            while span < _REFILL:
                code = (code << _WORD) | (words[at] if at < known else 0)
                at += 1
                span <<= _WORD
            symbols.append(found - base)
        self._code, self._span, self._next = code, span, at
        return symbols

    def finish(self) -> None:
        """Check the end mark, and that the bytes are exactly those that the encoder would have written.

        Raises:
            SdzFormatError: they are not.
        """
        unit = self._span // _END_TOTAL
        if self._code >= unit:
            raise self._damaged("does not end where its last symbol ends")
        self._span = unit
        while self._span < _REFILL:
            self._code = (self._code << _WORD) | (self._words[self._next] if self._next < len(self._words) else 0)
            self._next += 1
            self._span <<= _WORD
        window = [self._words[at] if at < len(self._words) else 0 for at in (self._next - 2, self._next - 1)]
        value = (window[0] << _WORD) | window[1]
        low = (value - self._code) & _MASK
        if self._length > 4 * self._next or self._data.endswith(b"\0") or _shortest(low, self._span) & _MASK != value:
            raise self._damaged("does not end where its last symbol ends")

    def _damaged(self, problem: str) -> SdzFormatError:
        return SdzFormatError(problem, field=self._field, remedy="the file is damaged; get it again from its source")


def _shortest(low: int, span: int) -> int:
    """The multiple of the highest power of 256 in [low, low + span), the smallest such multiple."""
    for bits in range(2 * _WORD, 0, -8):
        value = -(-low >> bits) << bits
        if value < low + span:
            return value
    return low
