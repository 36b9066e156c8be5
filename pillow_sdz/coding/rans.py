"""Range variant of asymmetric numeral systems (rANS, Duda 2013) with fixed frequency tables and interleaved states.

Each *lane* is a state of 32 bits; all lanes share one stream of 16-bit words. Symbol i of a batch belongs to lane
i mod lanes. One lane is coded in plain Python, many are coded together in numpy; the format is the same. As in every
ANS coder, the encoder goes through the symbols backwards, from the last to the first. See `spec/sdz.md` (rANS coder).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.errors import SdzFormatError, SdzTruncatedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LOWEST_STATE: Final = 1 << 16
"""Smallest state (the largest is 2**32 - 1): where an encoder starts and a decoder must end."""

STATE_BYTES: Final = 4
"""Bytes of a lane's initial state."""

PRECISION: Final = 12
"""The frequencies of every table add up to 2**12."""

SYMBOLS: Final = 64
"""Symbols of a table; those that a table does not use have frequency 0."""

_MASK: Final = (1 << PRECISION) - 1

_REMEDY: Final = "the file is damaged; get it again from its source"

SYMBOLS_A_LANE: Final = 1 << 13
"""Fewest symbols per lane if there are several lanes, so that the four bytes of a state hardly count."""

SINGLE_BELOW: Final = 1 << 19
"""Latents of fewer values use a single lane: with so few, numpy is no faster."""

MOST_LANES: Final = 1024
"""Largest number of lanes, however many values there are."""


@dataclass(frozen=True)
class FrequencyTables:
    """The frequency tables of all distributions, concatenated.

    Attributes:
        frequency: (tables * 64,) int64; number 64 * t + s is the frequency of symbol s in table t, 0 to 4096.
        start: (tables * 64,) int64; the sum of the frequencies of the symbols before s in table t.
        slots: tables * 4096 bytes; byte 4096 * t + i is the symbol of table t with start <= i < start + frequency.
    """

    frequency: NDArray[np.int64]
    start: NDArray[np.int64]
    slots: bytes

    @cached_property
    def steps(self) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """For each of `slots` the frequency of its symbol, and how far it is from the first slot of that symbol."""
        slot = np.arange(len(self.slots))
        rows = (slot >> PRECISION) * SYMBOLS + np.frombuffer(self.slots, np.uint8)
        return self.frequency[rows].astype(np.uint32), ((slot & _MASK) - self.start[rows]).astype(np.uint32)


def lanes_for(symbols: int) -> int:
    """Number of lanes for a latent of ``symbols`` values: a power of two; part of the format.

    >>> lanes_for(100), lanes_for(1 << 19), lanes_for(1 << 30)
    (1, 64, 1024)
    """
    if symbols < SINGLE_BELOW:
        return 1
    return min(MOST_LANES, 1 << ((symbols // SYMBOLS_A_LANE).bit_length() - 1))


def state_bytes(symbols: int) -> int:
    """Bytes of the initial states, with which a stream for a latent of ``symbols`` values starts.

    >>> state_bytes(100)
    4
    """
    return STATE_BYTES * lanes_for(symbols)


class AnsEncoder:
    """Collect batches of symbols with `put`, then take the bytes with `finish`.

    Args:
        lanes: from `lanes_for`.
        tables: the frequency tables that symbols are coded with.
    """

    def __init__(self, lanes: int, tables: FrequencyTables) -> None:
        self._lanes, self._tables = lanes, tables
        self._pieces: list[list[NDArray[np.int64]]] = [[]]

    def put(self, table: NDArray[np.int64], symbol: NDArray[np.int64]) -> None:
        """Append a batch.

        Args:
            table: (n,), the number of the table of each symbol.
            symbol: (n,), the symbols; their frequencies in these tables are above 0.
        """
        if len(table):
            self._pieces[-1].append(table * SYMBOLS + symbol)

    def start_piece(self) -> None:
        """Divide the bytes here: later batches need no byte of the pieces before, but the state of their lanes."""
        self._pieces.append([])

    def finish(self) -> list[bytes]:
        """Encode; return the bytes of each piece: little-endian words, in the first one after the states of the lanes.

        Joined, they are the bytes that would come without `start_piece`.
        """
        states = np.full(self._lanes, LOWEST_STATE, np.int64)
        encode = self._encode_single_lane if self._lanes == 1 else self._encode_lanes
        words = [encode(piece, states) for piece in reversed(self._pieces)][::-1]
        first, *others = (piece.astype("<u2").tobytes() for piece in words)
        return [states.astype("<u4").tobytes() + first, *others]

    def _encode_single_lane(self, batches: Sequence[NDArray[np.int64]], states: NDArray[np.int64]) -> NDArray[np.int64]:
        """The words of a piece; the states change from those after the piece to those before it."""
        state, words = int(states[0]), []
        rows = np.concatenate(batches)[::-1] if batches else np.zeros(0, np.int64)
        frequencies, starts = self._tables.frequency[rows].tolist(), self._tables.start[rows].tolist()
        for frequency, start in zip(frequencies, starts, strict=True):
            if state >= frequency << (32 - PRECISION):
                words.append(state & 0xFFFF)
                state >>= 16
            high, low = divmod(state, frequency)
            state = (high << PRECISION) + low + start
        states[0] = state
        return np.array(words[::-1], np.int64)

    def _encode_lanes(self, batches: Sequence[NDArray[np.int64]], states: NDArray[np.int64]) -> NDArray[np.int64]:
        """As `_encode_single_lane`."""
        words = []
        for batch in reversed(batches):
            for first in range((len(batch) - 1) // self._lanes * self._lanes, -1, -self._lanes):
                rows = batch[first : first + self._lanes]
                frequency, state = self._tables.frequency[rows], states[: len(rows)]
                overflows = state >= frequency << (32 - PRECISION)  # these lanes renormalise
                words.append(state[overflows] & 0xFFFF)
                state[overflows] >>= 16
                high, low = np.divmod(state, frequency)
                state[:] = (high << PRECISION) + low + self._tables.start[rows]
        return np.concatenate(words[::-1]) if words else np.zeros(0, np.int64)


class AnsDecoder:
    """Decode batches of symbols from the pieces of `AnsEncoder.finish`.

    Args:
        data: the first piece.
        lanes: the encoder's.
        tables: the encoder's.
        field: the field that errors name.
        cut: whether the end of the piece is missing; see `start_piece`.

    Raises:
        SdzTruncatedError: too few bytes for the states.
        SdzFormatError: an odd number of bytes, or a state out of range.
    """

    def __init__(self, data: bytes, lanes: int, tables: FrequencyTables, *, field: str, cut: bool = False) -> None:
        self._tables, self._lanes, self._field, self._cut = tables, lanes, field, False
        if len(data) < STATE_BYTES * lanes:
            raise SdzTruncatedError("ends too early", field=field, found=f"{len(data)} bytes", remedy=_REMEDY)
        self._states = np.frombuffer(data, "<u4", lanes).astype(np.uint32)
        if (self._states < LOWEST_STATE).any():
            raise self._damaged("starts with a state that no encoder gives")
        self._words, self._next = np.zeros(0, np.uint16), 0
        self._word_list: list[int] = []
        if lanes == 1:
            self._state = int(self._states[0])
            self._frequency, self._start = self._tables.frequency.tolist(), self._tables.start.tolist()
        else:
            self._slots = np.frombuffer(self._tables.slots, np.uint8)
        self.start_piece(memoryview(data)[STATE_BYTES * lanes :], field=field, cut=cut)

    def start_piece(self, data: bytes | memoryview, *, field: str, cut: bool = False) -> None:
        """Go on with the next piece.

        Args:
            data: its bytes.
            field: the field that errors name from now on.
            cut: whether the end of the piece is missing. After its last word `get` returns fewer symbols, and then
                none, instead of raising an error.

        Raises:
            SdzFormatError: words of the piece before are left, or there is an odd number of bytes.
        """
        self._check_all_read()
        self._field, self._cut, self._next = field, cut, 0
        if len(data) % 2 and not cut:
            raise self._damaged("has a length that no encoder gives")
        self._words = np.frombuffer(data, "<u2", len(data) // 2)
        if self._lanes == 1:
            self._word_list = self._words.tolist()

    @property
    def _exhausted(self) -> bool:
        """Whether a cut piece has no symbols left."""
        return self._cut and self._next > len(self._words)

    def get(self, table: NDArray[np.int64]) -> NDArray[np.int64]:
        """Decode a batch, of the size that the encoder put.

        Args:
            table: (n,), the number of the table of each symbol.

        Returns:
            (n,) symbols; of a cut piece perhaps fewer.

        Raises:
            SdzFormatError: the words end too early.
        """
        if self._exhausted:
            return np.zeros(0, np.int64)
        return self._decode_single_lane(table) if self._lanes == 1 else self._decode_lanes(table)

    def _decode_single_lane(self, table: NDArray[np.int64]) -> NDArray[np.int64]:
        state, next_word, words, slots = self._state, self._next, self._word_list, self._tables.slots
        frequency, start, symbols = self._frequency, self._start, []
        try:
            for number in table.tolist():
                slot = state & _MASK
                symbol = slots[(number << PRECISION) | slot]
                symbols.append(symbol)
                row = number * SYMBOLS + symbol
                state = frequency[row] * (state >> PRECISION) + slot - start[row]
                if state < LOWEST_STATE:
                    state = (state << 16) | words[next_word]
                    next_word += 1
        except IndexError:
            self._end_of_words()
            return np.array(symbols, np.int64)
        self._state, self._next = state, next_word
        return np.array(symbols, np.int64)

    def _decode_lanes(self, table: NDArray[np.int64]) -> NDArray[np.int64]:
        factors, addends = self._tables.steps
        rows = table << PRECISION  # then rows of `FrequencyTables.slots`
        decoded = len(table)
        for first in range(0, len(table), self._lanes):
            row = rows[first : first + self._lanes]
            state = self._states[: len(row)]
            row |= state & _MASK
            state >>= PRECISION
            state *= factors.take(row)
            state += addends.take(row)
            underflows = state < LOWEST_STATE  # these lanes renormalise
            low = state[underflows]
            words = self._words[self._next : self._next + len(low)]
            if len(words) < len(low):
                self._end_of_words()
                decoded = first + len(row)
                break
            low <<= 16
            low |= words
            state[underflows] = low
            self._next += len(low)
        return self._slots.take(rows[:decoded]).astype(np.int64)

    def _end_of_words(self) -> None:
        """A lane needs a word that is not there. The symbol that was decoded last is still right."""
        if not self._cut:
            raise self._damaged("ends too early")
        self._next = len(self._words) + 1

    def finish(self) -> None:
        """Check that every lane is back in the state `LOWEST_STATE`, and that no words are left.

        Raises:
            SdzFormatError: a lane is in another state, or words are left.
        """
        self._check_all_read()
        states = [self._state] if self._lanes == 1 else self._states.tolist()
        if any(state != LOWEST_STATE for state in states):
            raise self._damaged("does not end where its last symbol ends")

    def _check_all_read(self) -> None:
        if self._next < len(self._words):
            raise self._damaged("does not end where its last symbol ends")

    def _damaged(self, problem: str) -> SdzFormatError:
        return SdzFormatError(problem, field=self._field, remedy=_REMEDY)
