"""Parallel text as the numbers of its words: only the distinct words are strings."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aligner.text.ragged import SENTENCES, EncodedBitext, GrowingRagged, RaggedArray
from aligner.text.scratch import blocks

Words = Sequence[str]
WordPair = tuple[Words, Words]


@dataclass(frozen=True)
class NumberedText:
    """Sentences as numbers of words.

    Attributes:
        numbers: the sentences.
        words: the word that each number stands for, in the order in which they come.
    """

    numbers: RaggedArray
    words: Words

    def __len__(self) -> int:
        """Return the number of sentences."""
        return len(self.numbers)

    def __getitem__(self, index: int) -> list[str]:
        """Return the words of one sentence."""
        return [self.words[number] for number in self.numbers[index].tolist()]

    def counts(self) -> dict[str, int]:
        """Return how often each word occurs, in the order in which they come."""
        counts = np.zeros(len(self.words), np.int64)
        for block in blocks(self.numbers.ids):
            counts += np.bincount(block, minlength=len(counts))
        return dict(zip(self.words, counts.tolist(), strict=True))

    def followed_by(self, other: "NumberedText") -> "NumberedText":
        """Return both texts, on disk; a word of both may have two numbers."""
        both = GrowingRagged()
        for text, shift in ((self, 0), (other, len(self.words))):
            for first in range(0, len(text), SENTENCES):
                part = text.numbers.part(first, first + SENTENCES)
                both.append(part.ids + shift, part.lengths())
        return NumberedText(both.finish(), [*self.words, *other.words])

    def select(self, sentences: NDArray[np.int64]) -> "NumberedText":
        """Return the sentences at some indices, numbered anew, on disk."""
        renumbered = np.full(len(self.words), -1, np.int32)
        words: list[str] = []
        chosen = GrowingRagged()
        for block in blocks(sentences, SENTENCES):
            ids = self.numbers.flat(block)
            new, places = np.unique(ids[renumbered[ids] < 0], return_index=True)
            new = new[np.argsort(places)]
            renumbered[new] = np.arange(len(words), len(words) + len(new))
            words += [self.words[number] for number in new.tolist()]
            chosen.append(renumbered[ids], self.numbers.lengths(block))
        return NumberedText(chosen.finish(), words)


@dataclass(frozen=True)
class NumberedBitext:
    """Parallel text as numbers of words, each side by its own."""

    src: NumberedText
    tgt: NumberedText

    @classmethod
    def of(cls, pairs: Iterable[WordPair]) -> "NumberedBitext":
        """Number the words of sentence pairs, in one pass."""
        numbering = Numbering()
        for src, tgt in pairs:
            numbering.add(src, tgt)
        return numbering.finish()

    def __len__(self) -> int:
        """Return the number of sentence pairs."""
        return len(self.src)

    def __getitem__(self, index: int) -> WordPair:
        """Return the words of one pair."""
        return self.src[index], self.tgt[index]

    def __iter__(self) -> Iterator[WordPair]:
        """Yield the words of every pair."""
        return (self[index] for index in range(len(self)))

    def select(self, indices: NDArray[np.int64]) -> "NumberedBitext":
        """Return the pairs at some indices, numbered anew, on disk."""
        return NumberedBitext(self.src.select(indices), self.tgt.select(indices))

    def followed_by(self, other: "NumberedBitext") -> "NumberedBitext":
        """Return the pairs of both texts, on disk, as `NumberedText.followed_by`."""
        return NumberedBitext(
            self.src.followed_by(other.src), self.tgt.followed_by(other.tgt)
        )

    def part(self, first: int, last: int) -> "NumberedBitext":
        """Return the pairs from a first one up to another, by the same numbers."""
        src, tgt = (
            NumberedText(side.numbers.part(first, last), side.words)
            for side in (self.src, self.tgt)
        )
        return NumberedBitext(src, tgt)

    def renamed(self, name: Callable[[str], str]) -> "NumberedBitext":
        """Return the text with other words; several numbers may share one then."""
        src, tgt = (
            NumberedText(side.numbers, [name(word) for word in side.words])
            for side in (self.src, self.tgt)
        )
        return NumberedBitext(src, tgt)

    def encoded(self) -> EncodedBitext:
        """Return the numbers alone."""
        return EncodedBitext(self.src.numbers, self.tgt.numbers)


class Numbering:
    """Numbers the words of sentence pairs as they come, on disk."""

    def __init__(self) -> None:
        """Begin an empty text."""
        self._sides = (_Side(), _Side())

    def add(self, src: Words, tgt: Words) -> None:
        """Add a sentence pair."""
        for side, words in zip(self._sides, (src, tgt), strict=True):
            side.add(words)

    def finish(self) -> NumberedBitext:
        """Return the whole text; nothing can be added any more."""
        return NumberedBitext(*(side.finish() for side in self._sides))


class _Side:
    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._text = GrowingRagged()
        self._ids: list[int] = []
        self._lengths: list[int] = []

    def add(self, words: Words) -> None:
        numbers = self._numbers
        self._ids += [numbers.setdefault(word, len(numbers)) for word in words]
        self._lengths.append(len(words))
        if len(self._lengths) == SENTENCES:
            self._write()

    def _write(self) -> None:
        self._text.append(
            np.array(self._ids, np.int32), np.array(self._lengths, np.int64)
        )
        self._ids.clear()
        self._lengths.clear()

    def finish(self) -> NumberedText:
        self._write()
        return NumberedText(self._text.finish(), list(self._numbers))
