"""Sequences of numbers in flat arrays: words or subwords of text, places, tables."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from aligner.text.scratch import GrowingArray, blocks

Ids = NDArray[np.int32]
Ints = NDArray[np.int64]
Indices = NDArray[np.integer]

SENTENCES = 4096  # that are handled at once


@dataclass(frozen=True)
class RaggedArray:
    """Sequences of ids, end to end in one array: sentences, words, or places in them.

    Attributes:
        ids: the words or the subwords of all sentences.
        ends: for each sentence, where it ends in `ids`; 0 comes first.
    """

    ids: Ids
    ends: Ints

    @classmethod
    def gather(cls, sentences: Iterable[Ids]) -> "RaggedArray":
        """Lay a few sentences, each an array of ids, end to end."""
        chunks = list(sentences)
        ends = np.cumsum([0, *map(len, chunks)], dtype=np.int64)
        ids = np.concatenate(chunks) if chunks else np.empty(0, np.int32)
        return cls(ids.astype(np.int32, copy=False), ends)

    def __len__(self) -> int:
        """Return the number of sentences."""
        return len(self.ends) - 1

    def __getitem__(self, index: int) -> Ids:
        """Return the ids of one sentence."""
        return self.ids[self.ends[index] : self.ends[index + 1]]

    def lengths(self, sentences: Indices | None = None) -> Ints:
        """Return the number of ids of some sentences, by default of every one."""
        if sentences is None:
            return np.diff(self.ends)
        lengths: Ints = self.ends[sentences + 1] - self.ends[sentences]
        return lengths

    def flat(self, sentences: Indices) -> Ids:
        """Return the ids of some sentences end to end."""
        lengths = self.lengths(sentences)
        places = np.repeat(self.ends[sentences], lengths) + steps(lengths)
        ids: Ids = self.ids[places]
        return ids

    def select(self, sentences: Ints) -> "RaggedArray":
        """Return the sentences at some indices, in that order, on disk."""
        chosen = GrowingRagged()
        for block in blocks(sentences, SENTENCES):
            chosen.append(self.flat(block), self.lengths(block))
        return chosen.finish()

    def part(self, first: int, last: int) -> "RaggedArray":
        """Return the sentences from a first one up to another."""
        ends = self.ends[first : last + 1]
        return RaggedArray(self.ids[ends[0] : ends[-1]], ends - ends[0])

    def spelt(self, table: "RaggedArray") -> "RaggedArray":
        """Return the text with the ids that a table has for each of its own."""
        spelt = GrowingRagged()
        for ids, ends in self._blocks():
            spelt.append(table.flat(ids), _sums(table.lengths(ids), ends))
        return spelt.finish()

    def places(self, table: "RaggedArray") -> "RaggedArray":
        """Return where in its sentence each id stood that `spelt` replaces."""
        places = GrowingRagged()
        for ids, ends in self._blocks():
            lengths = table.lengths(ids)
            places.append(
                np.repeat(steps(np.diff(ends)), lengths), _sums(lengths, ends)
            )
        return places.finish()

    def _blocks(self) -> Iterator[tuple[Ids, Ints]]:
        """Yield the ids of some sentences at a time, and where each one ends there."""
        for first in range(0, len(self), SENTENCES):
            part = self.part(first, first + SENTENCES)
            yield part.ids, part.ends

    def padded(self, sentences: Ints, filler: int) -> Ints:
        """Return some sentences, (B, longest), padded at the end."""
        lengths = self.lengths(sentences)
        padded = np.full((len(lengths), lengths.max(initial=0)), filler, np.int64)
        rows = np.repeat(np.arange(len(lengths)), lengths)
        padded[rows, steps(lengths)] = self.flat(sentences)
        return padded


def steps(lengths: Ints) -> Ints:
    """Return 0, 1, 2 and so on up to each length, end to end."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    counted: Ints = np.arange(total) - np.repeat(ends - lengths, lengths)
    return counted


def _sums(values: Ints, ends: Ints) -> Ints:
    """Return the sum of the values up to each end, from the end before."""
    sums: Ints = np.diff(np.concatenate([[0], np.cumsum(values)])[ends])
    return sums


class GrowingEnds:
    """Where sequences end that are laid end to end, 0 first, on disk."""

    def __init__(self) -> None:
        """Begin without any."""
        self._ends = GrowingArray(np.int64)
        self._ends.append(np.zeros(1, np.int64))
        self._end = 0

    def append(self, lengths: Ints) -> None:
        """Add sequences of these lengths."""
        self._ends.append(self._end + np.cumsum(lengths))
        self._end += int(lengths.sum())

    def finish(self) -> Ints:
        """Return all ends; nothing can be added any more."""
        return self._ends.finish()


class GrowingRagged:
    """A text on disk that grows at its end."""

    def __init__(self) -> None:
        """Begin an empty text."""
        self._ids = GrowingArray(np.int32)
        self._ends = GrowingEnds()

    def append(self, ids: NDArray[np.integer], lengths: Ints) -> None:
        """Add sentences: their ids end to end, and how many each has."""
        self._ids.append(ids)
        self._ends.append(lengths)

    def finish(self) -> RaggedArray:
        """Return the whole text; nothing can be added any more."""
        return RaggedArray(self._ids.finish(), self._ends.finish())


@dataclass(frozen=True)
class EncodedBitext:
    """Parallel text as ids: sentence i of `src` corresponds to i of `tgt`."""

    src: RaggedArray
    tgt: RaggedArray

    def __len__(self) -> int:
        """Return the number of sentence pairs."""
        return len(self.src)

    def select(self, indices: Ints) -> "EncodedBitext":
        """Return the pairs at some indices, in that order, on disk."""
        return EncodedBitext(self.src.select(indices), self.tgt.select(indices))

    def digest(self) -> str:
        """Return a SHA-256 of the content, to tell whether two texts are the same."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256()
        for text in (self.src, self.tgt):
            for values in (text.ends, text.ids):
                for block in blocks(values):
                    digest.update(block.tobytes())
        return digest.hexdigest()
