"""Words that occur together in sentence pairs, numbered, and the cells they stand in.

A cell is a place in a sentence pair's matrix of words. What is estimated is one number
for each distinct pair of words; every cell names the pair that stands there, so that
probabilities are looked up, and counts added up, by indexing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from aligner.text.numbered import NumberedBitext, NumberedText
from aligner.text.ragged import RaggedArray, steps
from aligner.text.scratch import mapped_zeros

Ints: TypeAlias = NDArray[np.int64]
Ids: TypeAlias = NDArray[np.int32]
Doubles: TypeAlias = NDArray[np.float64]

CHUNK_CELLS = 1 << 18  # of sentence pairs that are handled together
UNKNOWN = -1  # in place of a word's number


class Cells(NamedTuple):
    """A text, and the word pairs that stand in its sentence pairs.

    Attributes:
        src: the source words' numbers, end to end.
        src_ends: where each sentence ends there; 0 comes first.
        tgt: likewise.
        tgt_ends: likewise.
        pairs: the word pair at each cell, (tgt, src) of a sentence pair by rows, the
            sentence pairs end to end.
        ends: where each sentence pair ends there; 0 comes first.
    """

    src: Ids
    src_ends: Ints
    tgt: Ids
    tgt_ends: Ints
    pairs: Ids
    ends: Ints

    def chunks(self) -> list[tuple[int, int]]:
        """Return the first and the last of sentence pairs that are handled together."""
        size = len(self.ends) - 1
        wanted = np.arange(CHUNK_CELLS, self.ends[-1], CHUNK_CELLS)
        cuts = np.unique([0, *np.searchsorted(self.ends, wanted), size]).tolist()
        return list(pairwise(cuts))


class WordPairs(NamedTuple):
    """The distinct pairs of words that occur together.

    Attributes:
        src_words: the number of each source word.
        tgt_words: the number of each target word.
        src: (N,) the source word of each pair.
        tgt: (N,) the target word of each pair.
    """

    src_words: dict[str, int]
    tgt_words: dict[str, int]
    src: Ids
    tgt: Ids

    def keys(self) -> Ints:
        """Return (N,) a number for each pair that is like no other's."""
        return pair_keys(self.src, self.tgt, len(self.src_words))


def pair_keys(src: Ids, tgt: Ids, src_words: int) -> Ints:
    """Return a number for each pair of words, given how many source words there are."""
    return tgt.astype(np.int64) * max(src_words, 1) + src


@dataclass(frozen=True)
class Spelling:
    """The same words under another spelling, which several may share.

    Attributes:
        pairs: the pairs of spellings, by ascending keys.
        src: (W,) the spelling of each source word.
        tgt: likewise.
        of_pair: (N,) the pair of spellings of each pair of words.
    """

    pairs: WordPairs
    src: Ids
    tgt: Ids
    of_pair: Ints


def spelt(pairs: WordPairs, spell: Callable[[str], str]) -> Spelling:
    """Spell the words of pairs anew."""
    (src_words, src), (tgt_words, tgt) = (
        _renumbered(words, spell) for words in (pairs.src_words, pairs.tgt_words)
    )
    every = WordPairs(src_words, tgt_words, src[pairs.src], tgt[pairs.tgt])
    _, first, of_pair = np.unique(every.keys(), return_index=True, return_inverse=True)
    distinct = WordPairs(src_words, tgt_words, every.src[first], every.tgt[first])
    return Spelling(distinct, src, tgt, of_pair)


def _renumbered(
    words: dict[str, int], spell: Callable[[str], str]
) -> tuple[dict[str, int], Ids]:
    spellings: dict[str, int] = {}
    numbers = [spellings.setdefault(spell(word), len(spellings)) for word in words]
    return spellings, np.array(numbers, np.int32)


def gather_word_pairs(text: NumberedBitext) -> tuple[WordPairs, Cells]:
    """Find all word pairs of a text, and name the one at each cell, on disk.

    Words get their numbers in the order in which they come, equal ones the same.
    """
    (src_words, src), (tgt_words, tgt) = _distinct(text.src), _distinct(text.tgt)
    sizes = src.lengths() * tgt.lengths()
    ends = np.concatenate([[0], np.cumsum(sizes)])
    pairs = mapped_zeros(int(ends[-1]), np.int32)
    cells = Cells(src.ids, src.ends, tgt.ids, tgt.ends, pairs, ends)
    occurrences = _occurrences(tgt, len(tgt_words))
    met = _number_pairs(cells, *occurrences, len(src_words))
    return WordPairs(src_words, tgt_words, *met), cells


def _distinct(text: NumberedText) -> tuple[dict[str, int], RaggedArray]:
    words: dict[str, int] = {}
    numbers = np.array([words.setdefault(w, len(words)) for w in text.words], np.int32)
    # Copies in memory: compiled code is made for arrays that can be written.
    return words, RaggedArray(numbers[text.numbers.ids], text.numbers.ends.copy())


def _occurrences(text: RaggedArray, size: int) -> tuple[Ints, Ids, Ids]:
    """Return where each word occurs: ends by word, and sentences and places in them."""
    order = np.argsort(text.ids, kind="stable")
    ends = np.concatenate([[0], np.cumsum(np.bincount(text.ids, minlength=size))])
    lengths = text.lengths()
    sentences = np.repeat(np.arange(len(text), dtype=np.int32), lengths)[order]
    return ends, sentences, steps(lengths).astype(np.int32)[order]


@njit(nogil=True, cache=True)
def _number_pairs(
    cells: Cells, ends: Ints, sentences: Ids, places: Ids, src_size: int
) -> tuple[Ids, Ids]:
    """Number the pairs, target word by target word; return both words of each."""
    last = np.full(src_size, -1, np.int64)  # the last pair of each source word
    room, count = 1 << 16, 0
    src, tgt = np.empty(room, np.int32), np.empty(room, np.int32)
    for word in range(len(ends) - 1):
        first = count
        for occurrence in range(ends[word], ends[word + 1]):
            sentence = sentences[occurrence]
            start, end = cells.src_ends[sentence], cells.src_ends[sentence + 1]
            row = cells.ends[sentence] + places[occurrence] * (end - start)
            for place in range(start, end):
                partner = cells.src[place]
                if last[partner] < first:
                    if count == room:
                        src = np.concatenate((src, np.empty(room, np.int32)))
                        tgt = np.concatenate((tgt, np.empty(room, np.int32)))
                        room *= 2
                    last[partner] = count
                    src[count], tgt[count] = partner, word
                    count += 1
                cells.pairs[row + place - start] = last[partner]
    return src[:count].copy(), tgt[:count].copy()
