"""A pair of hidden Markov aligners, one each way, trained to agree.

Liang, Taskar and Klein (2006), "Alignment by Agreement": in the E-step both directions'
posteriors are multiplied, so that each learns from links that the other believes in
too. Where the order of words does not count yet, they are IBM models 1 (Brown et al.
1993) with a pull to the diagonal (Dyer et al. 2013); with it, those of `hmm`.

Words that differ in their endings only, `vote`, `votes` and `voted`, mostly share their
translations. So what is known of a pair of words is backed off to what is known of
their beginnings, as in the smoothing of n-grams (MacKay and Peto 1995): the more often
a word was linked, the less its beginning counts.

The product starves fertile words: where one word of a short sentence is three of a long
one, none of the three can have more than a third of its own row. So the longer the one
sentence is than the other, the more the shares of the longer one's words count by
themselves.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from aligner.prior import hmm
from aligner.prior.cooccurrence import Cells, Ids
from aligner.prior.hmm import ONE, Doubles, Floats

DIAGONAL = np.float32(4)  # how strongly the first iterations pull to the diagonal
NEVER_SEEN = np.float32(1e-6)  # the least probability of any pair of words
LEAST_TOTAL = np.float32(1e-3)
BACKED_OFF = np.float32(20)  # links that a word's beginning counts for
FERTILE = np.float32(0.6)  # how much shares count where lengths are very unlike


class Side(NamedTuple):
    """What is known of one side's W words, by V spellings, whole words first.

    Attributes:
        totals: (W, V) the links that each word is expected to have in all.
        shares: (W, V) how much of all that is spelt alike the word makes up.
        by_null: (W,) the probability of each word under NULL.
    """

    totals: Floats
    shares: Floats
    by_null: Floats


class Model(NamedTuple):
    """What is known of the words of a text.

    Attributes:
        links: (N, V) how many links each word pair is expected to have in all.
        src: the source words.
        tgt: the target words.
        null: (2,) the probability that a word is emitted by NULL; forward, where source
            words emit target words, then reverse.
        jumps: (2, 2 · MAX_JUMP + 1) the probability of each distance between states.
    """

    links: Floats
    src: Side
    tgt: Side
    null: Floats
    jumps: Doubles


@njit(nogil=True, cache=True)
def expect(
    model: Model,
    cells: Cells,
    first: int,
    last: int,
    own: Floats,
    known: bool,
    with_order: bool,
    linked: tuple[Floats, Floats],
    unlinked: tuple[Floats, Floats],
    jumps: Doubles,
) -> None:
    """Write down the links that both directions believe in, of some sentence pairs.

    A pair of words that meet in one sentence only would otherwise be its own evidence:
    rare words would grow too sure of their first partners. So what each cell
    contributed the last time is left out of what it is judged by.

    Args:
        model: what is known.
        cells: the text.
        first: the first sentence pair.
        last: the sentence pair after the last one.
        own: by cell, what it contributed the last time; what it contributes now.
        known: whether to leave out what `own` holds.
        with_order: whether the order of words counts (the hidden Markov models).
        linked: by word of the text, target and source, zeros to be added to: the
            links that it has.
        unlinked: likewise: the probability that NULL emitted it.
        jumps: (2, 2 · MAX_JUMP + 1) to be added to: how often each distance is jumped.
    """
    for pair in range(first, last):
        tgt_first, src_first = cells.tgt_ends[pair], cells.src_ends[pair]
        length, size = cells.tgt_ends[pair + 1] - tgt_first, cells.src_ends[pair + 1]
        size -= src_first
        if not length or not size:
            continue
        start = cells.ends[pair]
        shape = (length, size)
        mine = own[start : start + length * size].reshape(shape)
        forward, reverse = _posteriors(
            model, cells, pair, mine, known, with_order, jumps
        )
        unlike = ONE - np.float32(min(shape)) / np.float32(max(shape))
        weight = FERTILE * unlike * unlike
        for t in range(length):
            for s in range(size):
                longer = forward[t, s] if length >= size else reverse[s, t]
                product = forward[t, s] * reverse[s, t]
                mine[t, s] = product + weight * (longer - product)
                linked[0][tgt_first + t] += mine[t, s]
                linked[1][src_first + s] += mine[t, s]
        _write_unlinked(forward, unlinked[0], tgt_first)
        _write_unlinked(reverse, unlinked[1], src_first)


@njit(nogil=True, cache=True)
def _write_unlinked(links: Floats, unlinked: Floats, first: int) -> None:
    """Write down what links (J, I) leave of each word for NULL."""
    for j in range(links.shape[0]):
        rest = ONE
        for state in range(links.shape[1]):
            rest -= links[j, state]
        unlinked[first + j] = max(rest, np.float32(0))


@njit(nogil=True, cache=True)
def read(
    model: Model,
    cells: Cells,
    first: int,
    last: int,
    forward: Floats,
    reverse: Floats,
) -> None:
    """Write down both directions' posteriors of some sentence pairs.

    Args:
        model: what is known.
        cells: the text.
        first: the first sentence pair.
        last: the sentence pair after the last one.
        forward: by cell, from the first one: the target word's share in the source
            word.
        reverse: likewise, the source word's share in the target word.
    """
    nothing, uncounted = np.empty((0, 0), np.float32), np.zeros(model.jumps.shape)
    # As literals, they would have all compiled once more.
    known, with_order = np.array([False, True])
    for pair in range(first, last):
        length = cells.tgt_ends[pair + 1] - cells.tgt_ends[pair]
        size = cells.src_ends[pair + 1] - cells.src_ends[pair]
        if not length or not size:
            continue
        found = _posteriors(model, cells, pair, nothing, known, with_order, uncounted)
        start = cells.ends[pair] - cells.ends[first]
        for t in range(length):
            for s in range(size):
                forward[start + t * size + s] = found[0][t, s]
                reverse[start + t * size + s] = found[1][s, t]


@njit(nogil=True, cache=True)
def _posteriors(
    model: Model,
    cells: Cells,
    pair: int,
    own: Floats,
    known: bool,
    with_order: bool,
    jumps: Doubles,
) -> tuple[Floats, Floats]:
    """Return both directions' posteriors of a sentence pair, (T, S) and (S, T)."""
    src = cells.src[cells.src_ends[pair] : cells.src_ends[pair + 1]]
    tgt = cells.tgt[cells.tgt_ends[pair] : cells.tgt_ends[pair + 1]]
    words = emissions(model, cells, pair, own, known)
    forward, reverse = np.empty_like(words[0]), np.empty_like(words[1])
    by_null = (_by_null(model.tgt, tgt), _by_null(model.src, src))
    if with_order:
        for side, links in enumerate((forward, reverse)):
            _by_order(
                words[side],
                by_null[side],
                model.null[side],
                model.jumps[side],
                links,
                jumps[side],
            )
    else:
        for side, links in enumerate((forward, reverse)):
            _by_words(words[side], by_null[side], model.null[side], links)
    return forward, reverse


@njit(nogil=True, cache=True)
def _by_null(side: Side, words: Ids) -> Floats:
    """Return the probability of each word under NULL."""
    found = np.empty(len(words), np.float32)
    for place, word in enumerate(words):
        found[place] = max(side.by_null[word], NEVER_SEEN)
    return found


@njit(nogil=True, cache=True)
def emissions(
    model: Model, cells: Cells, pair: int, own: Floats, known: bool
) -> tuple[Floats, Floats]:
    """Return the probability of words under words of the other side.

    Args:
        model: what is known.
        cells: the text.
        pair: the sentence pair.
        own: (T, S) what the pair's cells contributed to the expected links.
        known: whether to leave that out.

    Returns:
        (T, S) of each target word under each source word, and (S, T) the other way.
    """
    src = cells.src[cells.src_ends[pair] : cells.src_ends[pair + 1]]
    tgt = cells.tgt[cells.tgt_ends[pair] : cells.tgt_ends[pair + 1]]
    length, size = len(tgt), len(src)
    forward = np.empty((length, size), np.float32)
    reverse = np.empty((size, length), np.float32)
    of_src, of_tgt = np.zeros(size, np.float32), np.zeros(length, np.float32)
    if known:
        for t in range(length):
            for s in range(size):
                of_src[s] += own[t, s]
                of_tgt[t] += own[t, s]
    start = cells.ends[pair]
    spellings = model.links.shape[1]
    for t in range(length):
        for s in range(size):
            word_pair = cells.pairs[start + t * size + s]
            of_cell = own[t, s] if known else np.float32(0)
            by_src, by_tgt = np.float32(0), np.float32(0)
            for spelling in range(spellings - 1, -1, -1):
                links = max(model.links[word_pair, spelling] - of_cell, np.float32(0))
                src_total = max(model.src.totals[src[s], spelling] - of_src[s], 0)
                tgt_total = max(model.tgt.totals[tgt[t], spelling] - of_tgt[t], 0)
                tgt_links = links * model.tgt.shares[tgt[t], spelling]
                src_links = links * model.src.shares[src[s], spelling]
                if spelling == spellings - 1:
                    by_src = tgt_links / max(src_total, LEAST_TOTAL)
                    by_tgt = src_links / max(tgt_total, LEAST_TOTAL)
                else:
                    by_src = tgt_links + BACKED_OFF * by_src
                    by_src /= src_total + BACKED_OFF
                    by_tgt = src_links + BACKED_OFF * by_tgt
                    by_tgt /= tgt_total + BACKED_OFF
            forward[t, s] = min(max(by_src, NEVER_SEEN), ONE)
            reverse[s, t] = min(max(by_tgt, NEVER_SEEN), ONE)
    return forward, reverse


@njit(nogil=True, cache=True)
def _by_order(
    words: Floats,
    by_null: Floats,
    null: np.float32,
    jumps: Doubles,
    links: Floats,
    expected: Doubles,
) -> None:
    """Write down posterior links (J, I) by words and their order; count the jumps."""
    reach = words.shape[1]
    near, far = np.empty(2 * reach + 1, np.float32), np.zeros(2 * reach + 1)
    for distance in range(-reach, reach + 1):
        near[distance + reach] = jumps[_jump(distance)]
    hmm.posteriors(words, by_null, null, near, links, far)
    for distance in range(-reach, reach + 1):
        expected[_jump(distance)] += far[distance + reach]


@njit(nogil=True, cache=True)
def _jump(distance: int) -> int:
    """Return the place of a distance among the jumps."""
    return min(max(distance, -hmm.MAX_JUMP), hmm.MAX_JUMP) + hmm.MAX_JUMP


@njit(nogil=True, cache=True)
def _by_words(words: Floats, by_null: Floats, null: np.float32, links: Floats) -> None:
    """Write down posterior links (J, I) by words alone, with a pull to the diagonal."""
    length, size = words.shape
    pull = np.empty(size, np.float32)
    for j in range(length):
        pulls = np.float32(0)
        for state in range(size):
            gap = np.float32(state) / size - np.float32(j) / length
            pull[state] = np.exp(-DIAGONAL * np.float32(abs(gap)))
            pulls += pull[state]
        total = by_null[j] * null
        for state in range(size):
            links[j, state] = words[j, state] * pull[state] / pulls * (ONE - null)
            total += links[j, state]
        for state in range(size):
            links[j, state] /= max(total, hmm.TINY)
