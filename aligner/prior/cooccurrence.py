"""Words that occur together in sentence pairs, numbered, and batches of their cells.

A cell is a place in a sentence pair's matrix of words. What is estimated is one number
for each distinct pair of words; every cell names the pair that stands there, so that
probabilities are looked up by indexing and counts are added up by `bincount`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Words: TypeAlias = Sequence[str]
Ints: TypeAlias = NDArray[np.int64]

BATCH_CELLS = 1 << 18  # what numpy makes of them lies in the cache
PADDING, UNKNOWN = -1, -2  # in place of a word's number
UNSEEN = 0  # the word pair of padding, and of words never seen together


class CellBatch(NamedTuple):
    """Sentence pairs of like length.

    Attributes:
        indices: (B,) their places in the text.
        src: (B, S) the words' numbers; `UNKNOWN` or `PADDING`.
        tgt: (B, T) likewise.
        cells: (B, T, S) the word pair at each place, `UNSEEN` for padding.
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

    @property
    def src(self) -> Ints:
        """(N,) The source word of each pair."""
        numbers: Ints = self.keys % max(len(self.src_words), 1)
        return numbers

    @property
    def tgt(self) -> Ints:
        """(N,) The target word of each pair."""
        return np.maximum(self.keys, 0) // max(len(self.src_words), 1)

    def look_up(self, src: Ints, tgt: Ints) -> NDArray[np.int32]:
        """Return the cells (B, T, S) of words (B, S) and (B, T), `UNSEEN` if new."""
        keys = cell_keys(src, tgt, len(self.src_words))
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, places, UNSEEN).astype(np.int32)


def number_words(sentences: Sequence[Words], numbers: dict[str, int]) -> list[Ints]:
    """Number the words of sentences, giving new words the next numbers."""
    return [
        np.array([numbers.setdefault(word, len(numbers)) for word in words], np.int64)
        for words in sentences
    ]


def padded_batches(
    src: Sequence[Ints], tgt: Sequence[Ints]
) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Yield sentence pairs of like length: their indices, and both sides padded.

    Pairs with an empty side are left out.
    """
    lengths = np.array([(len(t), len(s)) for s, t in zip(src, tgt, strict=True)])
    lengths = lengths.reshape(-1, 2)
    order = np.lexsort((lengths[:, 1], lengths[:, 0]))
    order = order[lengths[order].min(axis=1) > 0]
    first, longest = 0, 0
    for position, index in enumerate(order):
        tgt_length, src_length = lengths[index]
        longest = max(longest, src_length)
        too_many = (position + 1 - first) * longest * tgt_length > BATCH_CELLS
        if too_many and position > first:
            yield _pad_both(order[first:position], src, tgt)
            first, longest = position, src_length
    if first < len(order):
        yield _pad_both(order[first:], src, tgt)


def _pad_both(
    indices: Ints, src: Sequence[Ints], tgt: Sequence[Ints]
) -> tuple[Ints, Ints, Ints]:
    return indices, _pad([src[i] for i in indices]), _pad([tgt[i] for i in indices])


def _pad(sentences: Sequence[Ints]) -> Ints:
    padded = np.full((len(sentences), max(map(len, sentences))), PADDING)
    for row, words in enumerate(sentences):
        padded[row, : len(words)] = words
    return padded


def cell_keys(src: Ints, tgt: Ints, src_size: int) -> Ints:
    """Return the key of each cell, (B, T, S): -1 for padding and unknown words."""
    keys = tgt[:, :, None] * src_size + src[:, None, :]
    keys[(tgt < 0)[:, :, None] | (src < 0)[:, None, :]] = -1
    return keys


def gather_word_pairs(
    pairs: Sequence[tuple[Words, Words]],
) -> tuple[WordPairs, list[CellBatch]]:
    """Find all word pairs of a text, and lay the text out in batches of cells."""
    src_words: dict[str, int] = {}
    tgt_words: dict[str, int] = {}
    src = number_words([pair[0] for pair in pairs], src_words)
    tgt = number_words([pair[1] for pair in pairs], tgt_words)
    batches = list(padded_batches(src, tgt))
    keys = [cell_keys(s, t, len(src_words)).ravel() for _, s, t in batches]
    distinct, places = np.unique(
        np.concatenate([[-1], *keys]), return_inverse=True
    )  # -1 comes first, so that UNSEEN is 0
    cells: NDArray[np.int32] = places[1:].astype(np.int32)
    ends = np.cumsum([len(batch_keys) for batch_keys in keys], dtype=np.int64)
    matrices = np.split(cells, ends)[:-1]
    laid_out = [
        CellBatch(i, s, t, flat.reshape(len(i), t.shape[1], s.shape[1]))
        for (i, s, t), flat in zip(batches, matrices, strict=True)
    ]
    return WordPairs(src_words, tgt_words, distinct), laid_out
