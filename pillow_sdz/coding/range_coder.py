"""A range coder (Martin 1979) for adaptive frequencies: the entropy coder of palettes and index planes.

A symbol is given by its interval [low, high) of cumulative frequencies and their total, from 1 to 2**31. The encoder
narrows an interval [low, low + span) of 64-bit numbers symbol by symbol. The decoder narrows the same interval, and
keeps the offset of the stream in it. When the span falls below 2**32, both renormalise by one word of 32 bits.
`spec/sdz.md` gives the same steps, where the span is called range (Range coder, Writing the range coder's stream).
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.errors import SdzFormatError

if TYPE_CHECKING:
    from collections.abc import Sequence

_WORD_BITS: Final = 32
_FULL_RANGE: Final = 1 << (2 * _WORD_BITS)
_WORD_RANGE: Final = 1 << _WORD_BITS
"""Number of values of a word; a smaller span is renormalised."""

_MASK: Final = _FULL_RANGE - 1
_END_TOTAL: Final = 256
"""Every stream ends with the symbol [0, 1) of this total: a damaged stream is accepted once in 256 times at most."""


class RangeEncoder:
    """Collect symbols with `put`, then take the bytes with `finish`."""

    def __init__(self) -> None:
        self._low = 0
        self._span = _FULL_RANGE - 1
        self._words: list[int] = []

    def put(self, lows: Sequence[int], highs: Sequence[int], totals: Sequence[int]) -> None:
        """Encode one symbol per item: its interval [low, high) of cumulative frequencies, 0 <= low < high <= total."""
        low, span, words = self._low, self._span, self._words
        for start, end, total in zip(lows, highs, totals, strict=True):
            unit = span // total
            low += start * unit
            span = (end - start) * unit
            if low > _MASK:
                low &= _MASK
                self._carry()
            while span < _WORD_RANGE:
                words.append(low >> _WORD_BITS)
                low = (low << _WORD_BITS) & _MASK
                span <<= _WORD_BITS
        self._low, self._span = low, span

    def _carry(self) -> None:
        """Propagate a carry: add one to the number that the words written so far form."""
        words = self._words
        last = len(words) - 1
        while words[last] == _WORD_RANGE - 1:
            words[last] = 0
            last -= 1
        words[last] += 1

    def finish(self) -> bytes:
        """Encode the end mark and return the shortest bytes that decode to the symbols; the last one is not zero."""
        self.put([0], [1], [_END_TOTAL])
        value = _shortest(self._low, self._span)
        if value > _MASK:
            self._carry()
        words = [*self._words, (value >> _WORD_BITS) & (_WORD_RANGE - 1), value & (_WORD_RANGE - 1)]
        return b"".join(word.to_bytes(4, "big") for word in words).rstrip(b"\0")


class RangeDecoder:
    """Decode symbols from the bytes of `RangeEncoder.finish`.

    Args:
        data: the bytes. They may be empty: beyond their end zeros are read.
        field: the field that errors name.
    """

    def __init__(self, data: bytes, *, field: str) -> None:
        self._length = len(data)
        self._data = data
        padded = data + bytes(-len(data) % 4)
        self._words = np.frombuffer(padded, ">u4").astype(np.uint32).data  # 4 bytes a word; a list of ints takes 40
        self._field = field
        self._span = _FULL_RANGE - 1
        self._next = 2
        first = [*self._words[:2], 0, 0]
        self._offset = (first[0] << _WORD_BITS) | first[1]

    def get(self, cumulative: Sequence[int], rows: int, entries: int) -> list[int]:
        """Decode one symbol per row of cumulative frequencies.

        Args:
            cumulative: rows * entries numbers, row after row. Number k of a row is the sum of the frequencies of the
                symbols 0 .. k, so rows never fall, and the last number of a row is its total.
            rows: how many symbols to decode.
            entries: size of the alphabet: symbols are 0 .. entries - 1.

        Returns:
            The symbols, one for each row.

        Raises:
            SdzFormatError: the bytes are no output of `RangeEncoder`.
        """
        offset, span, words, next_word = self._offset, self._span, self._words, self._next
        word_count = len(words)
        symbols = []
        for base in range(0, rows * entries, entries):
            total = cumulative[base + entries - 1]
            unit = span // total
            slot = offset // unit
            if slot >= total:
                raise self._damaged("holds a number outside every symbol's interval")
            column = bisect_right(cumulative, slot, base, base + entries)
            start = cumulative[column - 1] if column > base else 0
            offset -= start * unit
            span = (cumulative[column] - start) * unit
            while span < _WORD_RANGE:
                offset = (offset << _WORD_BITS) | (words[next_word] if next_word < word_count else 0)
                next_word += 1
                span <<= _WORD_BITS
            symbols.append(column - base)
        self._offset, self._span, self._next = offset, span, next_word
        return symbols

    def finish(self) -> None:
        """Decode the end mark, and check that the bytes are exactly those that the encoder writes for these symbols.

        Raises:
            SdzFormatError: the end mark is missing, or the bytes differ.
        """
        unit = self._span // _END_TOTAL
        if self._offset >= unit:
            raise self._damaged("does not end where its last symbol ends")
        self._span = unit
        while self._span < _WORD_RANGE:
            self._offset = (self._offset << _WORD_BITS) | self._word(self._next)
            self._next += 1
            self._span <<= _WORD_BITS
        value = (self._word(self._next - 2) << _WORD_BITS) | self._word(self._next - 1)
        low = (value - self._offset) & _MASK
        if self._length > 4 * self._next or self._data.endswith(b"\0") or _shortest(low, self._span) & _MASK != value:
            raise self._damaged("does not end where its last symbol ends")

    def _word(self, number: int) -> int:
        return self._words[number] if number < len(self._words) else 0

    def _damaged(self, problem: str) -> SdzFormatError:
        return SdzFormatError(problem, field=self._field, remedy="the file is damaged; get it again from its source")


def _shortest(low: int, span: int) -> int:
    """The number in [low, low + span) with the most zero bytes at its end; of several, the smallest.

    That is the smallest multiple, in this interval, of the greatest power of 256 that has a multiple in it.
    """
    for bits in range(2 * _WORD_BITS, 0, -8):
        value = -(-low >> bits) << bits
        if value < low + span:
            return value
    return low
