"""What a prior can say of a sentence pair as a whole: six features and a length.

A word's gain is the logarithm of how much likelier the other side makes it than its
frequency does: `log(NULL + (1 - NULL) p(w | other side) / p(w))`, where p(w | other
side) is the mean over the other side's words, as in IBM model 1 (Brown et al. 1993). A
word that was never seen on its side gains nothing, and is counted apart.
"""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from math import log
from typing import NamedTuple

import numpy as np
from numba import njit

from aligner.prior.agreement import Model, emissions, expect
from aligner.prior.cooccurrence import Cells, Doubles, Ids, WordPairs
from aligner.prior.hmm import Floats
from aligner.prior.known_words import KnownPairs, KnownWords, of_each

NULL = 0.1  # the probability that NULL emits a word
FEATURES = ("gain", "half", "unknown", "copied", "by words", "by letters", "words")


class SideWords(NamedTuple):
    """The words of one side of a text, which may be new.

    Attributes:
        occurrences: (W,) of each word where the prior comes from.
        total: the occurrences of all words there.
        letters: (W,) how many each word has.
    """

    occurrences: Floats
    total: float
    letters: Ids


class Words(NamedTuple):
    """The words of a text.

    Attributes:
        src: the source words.
        tgt: the target words.
        twins: the source word that is spelt as each target word, or `UNKNOWN`.
    """

    src: SideWords
    tgt: SideWords
    twins: Ids


def words_of(known: KnownPairs, pairs: WordPairs) -> Words:
    """Return the words of a text, given what is known of words as they are."""
    return Words(
        _side_words(known.src, pairs.src_words),
        _side_words(known.tgt, pairs.tgt_words),
        pairs.twins(),
    )


def _side_words(known: KnownWords, words: Collection[str]) -> SideWords:
    counts = of_each(known.numbered(words), known.counts)
    letters = np.array([max(len(word), 1) for word in words], np.int32)
    return SideWords(counts, float(known.counts.sum(dtype=np.float64)), letters)


def text_features(
    model: Model,
    cells: Cells,
    words: Words,
    threads: int,
    learnt: int | None = None,
) -> Doubles:
    """Return (N, 7) the features of the sentence pairs of a text.

    Args:
        model: what is known of its words.
        cells: the text.
        words: its words.
        threads: how many compute at once; the result is the same for any number.
        learnt: where all sentences are such as the model was learnt from, how many
            pairs, from the first, are so, too: these would look better than new ones.
    """
    found = np.zeros((len(cells.ends) - 1, len(FEATURES)))
    own = np.empty(0, np.float32)
    if learnt is not None:
        own = _own(model, cells, learnt)

    def run(chunk: tuple[int, int]) -> None:
        first, last = chunk
        write_features(model, cells, words, first, last, own, found[first:last])

    with ThreadPoolExecutor(threads, "prior") as pool:
        list(pool.map(run, cells.chunks()))
    return found


def _own(model: Model, cells: Cells, pairs: int) -> Floats:
    """Return, by cell, what the first so many pairs contributed to expected links."""
    own = np.zeros(int(cells.ends[-1]), np.float32)
    linked, unlinked = (
        (np.zeros(len(cells.tgt), np.float32), np.zeros(len(cells.src), np.float32))
        for _ in range(2)
    )
    jumps = np.zeros(model.jumps.shape)
    expect(model, cells, 0, pairs, own, False, True, linked, unlinked, jumps)
    return own


@njit(nogil=True, cache=True)
def write_features(
    model: Model,
    cells: Cells,
    words: Words,
    first: int,
    last: int,
    own: Floats,
    found: Doubles,
) -> None:
    """Write down the features of some sentence pairs.

    In the order of `FEATURES`: the mean gain of a side's words, the lower one of both
    sides; the lowest one of either half of either side; the share of words that are not
    known, the higher one; the share of words that stand on the other side too, the
    lower one; the logarithms of target words to source words, and of their letters;
    and the words of the shorter side.

    Args:
        model: what is known of the words.
        cells: the text.
        words: its words.
        first: the first sentence pair.
        last: the sentence pair after the last one.
        own: by cell, the links that sentences of these were learnt with, which are left
            out, and so is each occurrence of a word; empty for sentences that are new.
        found: (last - first, 7) to be written; a pair with an empty side is left out.
    """
    learnt, nothing = len(own) > 0, np.empty((0, 0), np.float32)
    for pair in range(first, last):
        src = cells.src[cells.src_ends[pair] : cells.src_ends[pair + 1]]
        tgt = cells.tgt[cells.tgt_ends[pair] : cells.tgt_ends[pair + 1]]
        if not len(src) or not len(tgt):
            continue
        mine = nothing
        if learnt:
            part = own[cells.ends[pair] : cells.ends[pair + 1]]
            mine = part.reshape((len(tgt), len(src)))
        by_src, by_tgt = emissions(model, cells, pair, mine, learnt)
        of_tgt = _gains(by_src, tgt, words.tgt, learnt)
        of_src = _gains(by_tgt, src, words.src, learnt)
        copies = _copies(words.twins[tgt], src)
        row = found[pair - first]
        row[0] = min(of_tgt[0].mean(), of_src[0].mean())
        row[1] = min(_lower_half(of_tgt[0]), _lower_half(of_src[0]))
        row[2] = max(of_tgt[1], of_src[1])
        row[3] = min(copies)
        row[4] = log(len(tgt) / len(src))
        row[5] = log(words.tgt.letters[tgt].sum() / words.src.letters[src].sum())
        row[6] = min(len(tgt), len(src))


@njit(nogil=True, cache=True)
def _gains(
    likely: Floats, side: Ids, words: SideWords, learnt: bool
) -> tuple[Doubles, float]:
    """Return the gain of each word of a side (J,), and the share that is not known.

    Args:
        likely: (J, I) the probability of each word under each of the other side's.
        side: (J,) the words.
        words: of all of the text.
        learnt: whether the occurrences in this side are to be left out.
    """
    gains, unknown = np.zeros(len(side)), 0
    for j, word in enumerate(side):
        count = words.occurrences[word] - (np.sum(side == word) if learnt else 0)
        if count <= 0:
            unknown += 1
            continue
        mean = 0.0
        for i in range(likely.shape[1]):
            mean += likely[j, i] / likely.shape[1]
        ratio = mean / (count / words.total)
        gains[j] = log(NULL + (1 - NULL) * ratio)
    return gains, unknown / len(side)


@njit(nogil=True, cache=True)
def _lower_half(gains: Doubles) -> float:
    """Return the lower mean of both halves, which share the word in the middle."""
    middle = len(gains) // 2
    lower: float = min(gains[: len(gains) - middle].mean(), gains[middle:].mean())
    return lower


@njit(nogil=True, cache=True)
def _copies(twins: Ids, src: Ids) -> tuple[float, float]:
    """Return the shares of the target's and the source's words that both have."""
    tgt_copies, src_copies = np.zeros(len(twins)), np.zeros(len(src))
    for t, twin in enumerate(twins):
        for s, word in enumerate(src):
            if twin == word:
                tgt_copies[t] = src_copies[s] = 1
    return tgt_copies.mean(), src_copies.mean()
