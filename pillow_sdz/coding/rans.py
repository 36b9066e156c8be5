"""Table-driven asymmetric numeral systems (rANS, Duda 2013): symbols to 16-bit words and back, in whole numbers.

One or many *lanes*, each a state of 32 bits, share one stream of words. Symbol i of a batch belongs to lane i modulo
the number of lanes. A single lane runs in plain Python, many lanes run at once in numpy; the bytes are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.errors import SdzFormatError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LOWEST: Final = 1 << 16
"""States lie from 2**16 to 2**32 - 1; this is where an encoder starts and a decoder ends."""

PRECISION: Final = 12
"""The frequencies of a table sum to 2**12."""

SYMBOLS: Final = 64
"""Most symbols of a table."""

_MASK: Final = (1 << PRECISION) - 1

SYMBOLS_A_LANE: Final = 1 << 13
"""With many lanes each has this many symbols or more, so that its state of four bytes costs next to nothing."""

SINGLE_BELOW: Final = 1 << 19
"""Planes with fewer symbols use a single lane: numpy gains nothing on them."""

MOST_LANES: Final = 1024


@dataclass(frozen=True)
class FrequencyTables:
    """The tables that symbols are coded with, one after the other.

    Attributes:
        frequency, start: (tables * 64,) int64: of symbol s of table t, at 64 * t + s, how often it occurs among 4096,
            and how often those before it do.
        slots: tables * 4096 bytes, the symbol at each place of the cumulative frequencies.
    """

    frequency: NDArray[np.int64]
    start: NDArray[np.int64]
    slots: bytes


def lanes_for(symbols: int) -> int:
    """How many lanes a file with so many values has.

    >>> lanes_for(100), lanes_for(1 << 19), lanes_for(1 << 30)
    (1, 64, 1024)
    """
    if symbols < SINGLE_BELOW:
        return 1
    return min(MOST_LANES, 1 << ((symbols // SYMBOLS_A_LANE).bit_length() - 1))


class AnsEncoder:
    """Collect batches of symbols with `put`, then take the bytes with `finish`."""

    def __init__(self, lanes: int, tables: FrequencyTables) -> None:
        self._lanes, self._tables = lanes, tables
        self._batches: list[NDArray[np.int64]] = []

    def put(self, table: NDArray[np.int64], symbol: NDArray[np.int64]) -> None:
        """Append a batch: symbol i is coded with table i."""
        if len(table):
            self._batches.append(table * SYMBOLS + symbol)

    def finish(self) -> bytes:
        """The states of the lanes, then the words, all little-endian."""
        states, words = self._single() if self._lanes == 1 else self._many()
        return np.array(states, "<u4").tobytes() + words.astype("<u2").tobytes()

    def _single(self) -> tuple[Sequence[int] | NDArray[np.int64], NDArray[np.int64]]:
        state, words = LOWEST, []
        at = np.concatenate(self._batches)[::-1] if self._batches else np.zeros(0, np.int64)
        frequencies, starts = self._tables.frequency[at].tolist(), self._tables.start[at].tolist()
        for frequency, start in zip(frequencies, starts, strict=True):
            if state >= frequency << (32 - PRECISION):
                words.append(state & 0xFFFF)
                state >>= 16
            high, low = divmod(state, frequency)
            state = (high << PRECISION) + low + start
        return [state], np.array(words[::-1], np.int64)

    def _many(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        states, words = np.full(self._lanes, LOWEST, np.int64), []
        for batch in reversed(self._batches):
            for first in range((len(batch) - 1) // self._lanes * self._lanes, -1, -self._lanes):
                at = batch[first : first + self._lanes]
                frequency, state = self._tables.frequency[at], states[: len(at)]
                full = state >= frequency << (32 - PRECISION)
                words.append(state[full] & 0xFFFF)
                state[full] >>= 16
                high, low = np.divmod(state, frequency)
                state[:] = (high << PRECISION) + low + self._tables.start[at]
        return states, np.concatenate(words[::-1]) if words else np.zeros(0, np.int64)


class AnsDecoder:
    """Read batches of symbols from the bytes of `AnsEncoder.finish`.

    Args:
        data: the bytes.
        lanes: as the encoder had.
        symbols: how many there can be at most. Each takes a word or none.
        tables: as the encoder had.
        field: named in errors.

    Raises:
        SdzFormatError: too few bytes for the states, more than the symbols can take, an odd number of bytes, or a state
            out of range.
    """

    def __init__(self, data: bytes, lanes: int, symbols: int, tables: FrequencyTables, *, field: str) -> None:
        self._tables, self._field, self._lanes = tables, field, lanes
        if not 4 * lanes <= len(data) <= 4 * lanes + 2 * symbols or len(data) % 2:
            raise self._damaged("has a length that no encoder gives")
        self._states = np.frombuffer(data, "<u4", lanes).astype(np.int64)
        if (self._states < LOWEST).any():
            raise self._damaged("starts with a state that no encoder gives")
        self._words = np.frombuffer(data, "<u2", offset=4 * lanes).astype(np.int64)
        self._at = 0
        if lanes == 1:
            self._state, self._list = int(self._states[0]), self._words.tolist()
            self._frequency, self._start = self._tables.frequency.tolist(), self._tables.start.tolist()
        else:
            self._slots = np.frombuffer(self._tables.slots, np.uint8)

    def get(self, table: NDArray[np.int64]) -> NDArray[np.int64]:
        """Read one symbol for each table number.

        Raises:
            SdzFormatError: the words end too early.
        """
        return self._single(table) if self._lanes == 1 else self._many(table)

    def _single(self, table: NDArray[np.int64]) -> NDArray[np.int64]:
        state, at, words, slots = self._state, self._at, self._list, self._tables.slots
        frequency, start, symbols = self._frequency, self._start, []
        try:
            for row in table.tolist():
                slot = state & _MASK
                symbol = slots[(row << PRECISION) | slot]
                symbols.append(symbol)
                row = row * SYMBOLS + symbol
                state = frequency[row] * (state >> PRECISION) + slot - start[row]
                if state < LOWEST:
                    state = (state << 16) | words[at]
                    at += 1
        except IndexError:
            raise self._damaged("ends too early") from None
        self._state, self._at = state, at
        return np.array(symbols, np.int64)

    def _many(self, table: NDArray[np.int64]) -> NDArray[np.int64]:
        result = np.empty(len(table), np.int64)
        for first in range(0, len(table), self._lanes):
            row = table[first : first + self._lanes]
            state = self._states[: len(row)]
            slot = state & _MASK
            symbol = self._slots[(row << PRECISION) | slot]
            result[first : first + self._lanes] = symbol
            index = row * SYMBOLS + symbol
            state >>= PRECISION
            state *= self._tables.frequency[index]
            state += slot - self._tables.start[index]
            empty = np.flatnonzero(state < LOWEST)
            words = self._words[self._at : self._at + len(empty)]
            if len(words) < len(empty):
                raise self._damaged("ends too early")
            state[empty] = (state[empty] << 16) | words
            self._at += len(empty)
        return result

    def finish(self) -> None:
        """Check that every lane is back where an encoder starts, and that no words are left.

        Raises:
            SdzFormatError: it is not so.
        """
        states = [self._state] if self._lanes == 1 else self._states.tolist()
        if self._at != len(self._words) or any(state != LOWEST for state in states):
            raise self._damaged("does not end where its last symbol ends")

    def _damaged(self, problem: str) -> SdzFormatError:
        return SdzFormatError(problem, field=self._field, remedy="the file is damaged; get it again from its source")
