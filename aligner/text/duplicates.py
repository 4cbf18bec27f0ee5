"""Which of many sentence pairs have been there before, in bounded memory.

Each pair is known by a hash of 128 bits, on disk. Equal pairs are found by parts of the
space of hashes, one after the other, each small enough to be sorted in memory.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aligner.text.scratch import BLOCK, GrowingArray, mapped_full
from aligner.text.words import canonical

PART = 1 << 18  # pairs that are compared at once, about

Hashes = NDArray[np.uint64]


class PairHashes:
    """The hashes of sentence pairs, which grow at their end."""

    def __init__(self) -> None:
        """Begin without any."""
        self._halves = [GrowingArray(np.uint64) for _ in range(2)]
        self._pending = bytearray()

    def add(self, src: Sequence[str], tgt: Sequence[str]) -> None:
        """Add a pair; no word may hold a space or a line end."""
        text = canonical(f"{' '.join(src)}\n{' '.join(tgt)}")
        encoded = text.encode("utf-8", "surrogatepass")
        self._pending += hashlib.blake2b(encoded, digest_size=16).digest()
        if len(self._pending) >= BLOCK:
            self._write()

    def _write(self) -> None:
        hashes = np.frombuffer(bytes(self._pending), np.uint64).reshape(-1, 2)
        for half, values in zip(self._halves, hashes.T, strict=True):
            half.append(values)
        self._pending.clear()

    def repeated(self) -> NDArray[np.bool_]:
        """Return whether each pair is equal to an earlier one, on disk."""
        self._write()
        high, low = (half.finish() for half in self._halves)
        repeated = mapped_full(len(high), 0, np.bool_)
        bits = (len(high) // PART).bit_length()
        for part in range(1 << bits):
            places = _places(high, part, bits)
            order = np.lexsort((low[places], high[places]))  # equal ones as they came
            ordered = places[order]
            same = np.ones(max(len(places) - 1, 0), bool)
            for values in (high[ordered], low[ordered]):
                same &= values[1:] == values[:-1]
            repeated[ordered[1:][same]] = True
        return repeated


def _places(high: Hashes, part: int, bits: int) -> NDArray[np.int64]:
    """Return where the hashes stand whose first bits are those of a part."""
    if not bits:
        return np.arange(len(high))
    shift = np.uint64(64 - bits)
    return np.concatenate(
        [
            np.flatnonzero(high[first : first + BLOCK] >> shift == part) + first
            for first in range(0, len(high), BLOCK)
        ]
    )
