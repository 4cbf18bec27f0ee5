"""Words that occur together in sentence pairs, numbered, and batches of their cells.

A cell is a place in a sentence pair's matrix of words. What is estimated is one number
for each distinct pair of words; every cell names the pair that stands there, so that
probabilities are looked up, and counts added up, by indexing.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from aligner.text.numbered import NumberedBitext, NumberedText
from aligner.text.ragged import EncodedBitext, RaggedArray
from aligner.text.scratch import GrowingArray

Ints: TypeAlias = NDArray[np.int64]
Doubles: TypeAlias = NDArray[np.float64]

BATCH_CELLS = 1 << 18  # what numpy makes of them lies in the cache
PADDING, UNKNOWN = -1, -2  # in place of a word's number
UNSEEN = 0  # the word pair of padding, and of words never seen together


class CellBatch(NamedTuple):
    """Sentence pairs of like length.

    Attributes:
        indices: (B,) their places in the text.
        src: (B, S) the words' numbers; `UNKNOWN` or `PADDING`.
        tgt: (B, T) likewise.
        cells: (B, T, S) the word pair that stands at each place; `UNSEEN` for padding.
    """

    indices: Ints
    src: Ints
    tgt: Ints
    cells: NDArray[np.int32]


@dataclass(frozen=True)
class WordPairs:
    """The distinct pairs of words that occur together.

    Attributes:
        src_words: the number of each source word.
        tgt_words: the number of each target word.
        keys: (N,) ascending, `tgt number * len(src_words) + src number`; keys[UNSEEN]
            is -1 and stands for no pair at all.
    """

    src_words: dict[str, int]
    tgt_words: dict[str, int]
    keys: Ints

    def of_words(self, pairs: slice = slice(None)) -> tuple[Ints, Ints]:
        """Return the source word and the target word of some pairs, by default all."""
        tgt, src = np.divmod(np.maximum(self.keys[pairs], 0), len(self.src_words) or 1)
        return src, tgt

    def totals(self, values: Doubles) -> tuple[Doubles, Doubles]:
        """Return, for each source word and each target word, the sum over its pairs."""
        sides = (self.src_words, self.tgt_words)
        src, tgt = (np.zeros(len(words) or 1) for words in sides)
        for part in parts(len(self.keys)):
            for total, words in zip((src, tgt), self.of_words(part), strict=True):
                np.add.at(total, words, values[part])
        return src, tgt

    def numbered(self, text: NumberedBitext) -> EncodedBitext:
        """Return any text by these numbers; words that are not known are `UNKNOWN`."""
        return EncodedBitext(
            _renumbered(text.src, lambda word: self.src_words.get(word, UNKNOWN)),
            _renumbered(text.tgt, lambda word: self.tgt_words.get(word, UNKNOWN)),
        )

    def lay_out(self, text: EncodedBitext) -> Iterator[CellBatch]:
        """Yield a text by these numbers in batches; no pairs with an empty side."""
        for indices, src, tgt in padded_batches(text.src, text.tgt):
            yield CellBatch(indices, src, tgt, self.look_up(src, tgt))

    def look_up(self, src: Ints, tgt: Ints) -> NDArray[np.int32]:
        """Return the word pairs at the cells (B, T, S) of words (B, S) and (B, T)."""
        keys = cell_keys(src, tgt, len(self.src_words))
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, places, UNSEEN).astype(np.int32)


def parts(size: int) -> Iterator[slice]:
    """Yield the parts of an array over all word pairs: there can be very many."""
    for first in range(0, size, BATCH_CELLS):
        yield slice(first, first + BATCH_CELLS)


def _renumbered(text: NumberedText, number: Callable[[str], int]) -> RaggedArray:
    numbers = np.fromiter(map(number, text.words), np.int32, len(text.words))
    return RaggedArray(numbers[text.numbers.ids], text.numbers.ends)


def padded_batches(
    src: RaggedArray, tgt: RaggedArray
) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Yield sentence pairs of like length: their indices, and both sides padded.

    Pairs with an empty side are left out.
    """
    src_lengths, tgt_lengths = src.lengths(), tgt.lengths()
    order = np.lexsort((src_lengths, tgt_lengths))
    order = order[np.minimum(src_lengths, tgt_lengths)[order] > 0]
    lengths = zip(src_lengths[order].tolist(), tgt_lengths[order].tolist(), strict=True)
    cuts, longest = [0], 0
    for position, (src_length, tgt_length) in enumerate(lengths):
        longest = max(longest, src_length)
        too_many = (position + 1 - cuts[-1]) * longest * tgt_length > BATCH_CELLS
        if too_many and position > cuts[-1]:
            cuts.append(position)
            longest = src_length
    for indices in np.split(order, cuts[1:]):
        if len(indices):
            yield indices, src.padded(indices, PADDING), tgt.padded(indices, PADDING)


def cell_keys(src: Ints, tgt: Ints, src_size: int) -> Ints:
    """Return the key of each cell, (B, T, S): -1 for padding and unknown words."""
    keys = tgt[:, :, None] * src_size + src[:, None, :]
    keys[(tgt < 0)[:, :, None] | (src < 0)[:, None, :]] = -1
    return keys


def gather_word_pairs(text: NumberedBitext) -> tuple[WordPairs, list[CellBatch]]:
    """Find all word pairs of a text, and lay the text out in batches of cells.

    The cells lie on disk. Words get their
    numbers in the order in which they come, equal ones the same.
    """
    src_words: dict[str, int] = {}
    tgt_words: dict[str, int] = {}
    numbered = EncodedBitext(
        _renumbered(text.src, lambda word: src_words.setdefault(word, len(src_words))),
        _renumbered(text.tgt, lambda word: tgt_words.setdefault(word, len(tgt_words))),
    )
    word_pairs = WordPairs(
        src_words, tgt_words, _met(numbered, len(src_words), len(tgt_words))
    )
    return word_pairs, _stored(word_pairs.lay_out(numbered))


def _stored(batches: Iterable[CellBatch]) -> list[CellBatch]:
    """Return batches whose arrays lie on disk."""
    dtypes = (np.int64, np.int64, np.int64, np.int32)
    fields = [GrowingArray(dtype) for dtype in dtypes]
    shapes = []
    for batch in batches:
        arrays: Sequence[NDArray[Any]] = batch
        shapes.append([values.shape for values in arrays])
        for field, values in zip(fields, arrays, strict=True):
            field.append(values)
    of_fields = [
        split(field.finish(), of_field)
        for field, of_field in zip(fields, zip(*shapes, strict=True), strict=False)
    ]
    return [CellBatch(*values) for values in zip(*of_fields, strict=True)]


def split(flat: NDArray[Any], shapes: Sequence[tuple[int, ...]]) -> list[NDArray[Any]]:
    """Return parts of a flat array, one after the other, in given shapes."""
    parts, first = [], 0
    for shape in shapes:
        last = first + math.prod(shape)
        parts.append(flat[first:last].reshape(shape))
        first = last
    return parts


def _met(text: EncodedBitext, src_size: int, tgt_size: int) -> Ints:
    """Return the keys of all pairs of words that meet in a sentence pair, and -1."""
    src, tgt = (
        sparse.csr_array(
            (np.ones(len(side.ids), np.bool_), side.ids, side.ends),
            shape=(len(side), size),
        )
        for side, size in ((text.src, src_size), (text.tgt, tgt_size))
    )
    meetings = (tgt.T @ src).tocsr()  # (tgt words, src words)
    meetings.sort_indices()
    keys = np.empty(meetings.nnz + 1, np.int64)
    keys[0] = -1
    keys[1:] = np.repeat(np.arange(tgt_size) * src_size, np.diff(meetings.indptr))
    keys[1:] += meetings.indices
    return keys
