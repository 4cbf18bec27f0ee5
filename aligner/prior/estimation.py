"""Estimate a pair of aligners from text by expectation maximisation.

First the words alone count, with a pull to the diagonal; then their order as well.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from aligner.prior import hmm
from aligner.prior.agreement import Model, Side, expect
from aligner.prior.cooccurrence import Cells, Doubles, Ids, Ints, Spelling, WordPairs
from aligner.prior.hmm import Floats
from aligner.text.scratch import mapped_zeros

# Few: judged by words alone, frequent ones grow too sure of partners, and by order
# too, if it goes on for long.
LEXICAL_ITERATIONS, HMM_ITERATIONS = 4, 2
NULL = 0.1  # at first, the probability that NULL emits a word
LEAST_NULL, MOST_NULL = 0.02, 0.5


@dataclass(frozen=True)
class Counts:
    """What an E-step expects.

    Attributes:
        links: (N,) links of each word pair.
        null: by direction, how often each word is emitted by NULL.
        null_shares: (2,) by direction, the share of words that NULL emits.
        jumps: (2, 2 · MAX_JUMP + 1) how often each distance is jumped.
    """

    links: Doubles
    null: tuple[Doubles, Doubles]
    null_shares: Floats
    jumps: Doubles


class Estimate(NamedTuple):
    """A model of a text's own words, and the counts that it comes from."""

    model: Model
    counts: Counts


def estimate_agreement(
    pairs: WordPairs,
    spellings: Sequence[Spelling],
    cells: Cells,
    on_pass: Callable[[int], None],
    threads: int,
) -> Estimate:
    """Estimate a pair of aligners.

    Args:
        pairs: the word pairs of the text.
        spellings: other spellings of the words, the shorter the later.
        cells: the text.
        on_pass: told after each iteration how many are done.
        threads: how many compute at once; the result is the same for any number.
    """
    model = _start(pairs, spellings, cells)
    own = mapped_zeros(len(cells.pairs), np.float32)
    for iteration in range(LEXICAL_ITERATIONS + HMM_ITERATIONS):
        # By words alone nothing is left out.
        known = iteration > LEXICAL_ITERATIONS
        with_order = iteration >= LEXICAL_ITERATIONS
        counts = _expect(model, cells, own, known, with_order, threads)
        model = _maximise(model, counts, pairs, spellings, with_order)
        on_pass(iteration + 1)
    return Estimate(model, counts)


def occurrences(words: Ids, spellings: Sequence[Ids], size: int) -> Doubles:
    """Return (W, V) how often each word occurs, and each of its spellings."""
    counts = np.bincount(words, minlength=size).astype(np.float64)
    return np.stack([counts, *(_sums(counts, spelling) for spelling in spellings)], 1)


def shares(counts: Doubles) -> Floats:
    """Return (W, V) how much of all that is spelt alike each word makes up.

    Words never seen count as seen once.
    """
    own = np.maximum(counts[:, :1], 1)
    found: Floats = (own / np.maximum(counts, own)).astype(np.float32)
    return found


def _sums(counts: Doubles, spelling: Ids | Ints) -> Doubles:
    """Return, for each number, the sum over all that are spelt like it."""
    return added_up(counts, spelling)[spelling]


def added_up(values: Doubles, numbers: Ids | Ints, size: int = 0) -> Doubles:
    """Return the sum of the values of each number."""
    sums: Doubles = np.bincount(numbers, values, size).astype(np.float64)
    return sums


def _start(pairs: WordPairs, spellings: Sequence[Spelling], cells: Cells) -> Model:
    """Return a model that knows nothing but how often words occur."""
    every = [pairs, *(spelling.pairs for spelling in spellings)]
    src_sizes = [len(spelling.src_words) for spelling in every]
    tgt_sizes = [len(spelling.tgt_words) for spelling in every]
    return Model(
        np.ones((len(pairs.src), len(every)), np.float32),
        _first_side(cells.src, [s.src for s in spellings], src_sizes[0], tgt_sizes),
        _first_side(cells.tgt, [s.tgt for s in spellings], tgt_sizes[0], src_sizes),
        np.full(2, NULL, np.float32),
        np.stack([hmm.first_jumps()] * 2),
    )


def _first_side(
    words: Ids, spellings: Sequence[Ids], size: int, partners: Sequence[int]
) -> Side:
    """Return what occurrences say of words that could be linked with any partner."""
    counts = occurrences(words, spellings, size)
    totals = np.tile(np.array(partners, np.float32), (size, 1))
    by_null = counts[:, 0] / max(counts[:, 0].sum(), 1)
    return Side(totals, shares(counts), by_null.astype(np.float32))


def _expect(
    model: Model,
    cells: Cells,
    own: Floats,
    known: bool,
    with_order: bool,
    threads: int,
) -> Counts:
    """Count what both directions believe in."""
    unlinked = (
        np.zeros(len(cells.tgt), np.float32),
        np.zeros(len(cells.src), np.float32),
    )
    chunks = cells.chunks()
    jumps = np.zeros((len(chunks), *model.jumps.shape))
    links = np.zeros(len(model.links))

    def run(number: int) -> None:
        first, last = chunks[number]
        expect(
            model, cells, first, last, own, known, with_order, unlinked, jumps[number]
        )

    with ThreadPoolExecutor(threads, "prior") as pool:
        # Added up in the order of the text, so that rounding is always the same.
        done = pool.map(run, range(len(chunks)))
        for (first, last), _ in zip(chunks, done, strict=True):
            part = slice(cells.ends[first], cells.ends[last])
            np.add.at(links, cells.pairs[part], own[part].astype(np.float64))
    tgt_null, src_null = (
        added_up(by_null.astype(np.float64), ids, len(side.by_null))
        for ids, by_null, side in (
            (cells.tgt, unlinked[0], model.tgt),
            (cells.src, unlinked[1], model.src),
        )
    )
    null_shares = [by_null.sum() / max(len(by_null), 1) for by_null in unlinked]
    return Counts(
        links,
        (tgt_null, src_null),
        np.clip(null_shares, LEAST_NULL, MOST_NULL).astype(np.float32),
        jumps.sum(axis=0),
    )


def _maximise(
    model: Model,
    counts: Counts,
    pairs: WordPairs,
    spellings: Sequence[Spelling],
    with_order: bool,
) -> Model:
    """Return the model that the expected counts make most likely."""
    links = np.empty_like(model.links)
    links[:, 0] = counts.links
    for column, spelling in enumerate(spellings, start=1):
        links[:, column] = _sums(counts.links, spelling.of_pair)
    tgt_null, src_null = counts.null
    src = _side(
        model.src, counts.links, pairs.src, [s.src for s in spellings], src_null
    )
    tgt = _side(
        model.tgt, counts.links, pairs.tgt, [s.tgt for s in spellings], tgt_null
    )
    if not with_order:
        return Model(links, src, tgt, model.null, model.jumps)
    jumps = np.stack([hmm.normalised_jumps(of_side) for of_side in counts.jumps])
    return Model(links, src, tgt, counts.null_shares, jumps)


def _side(
    old: Side, links: Doubles, words: Ids, spellings: Sequence[Ids], null: Doubles
) -> Side:
    """Return what the expected counts say of one side's words."""
    totals = np.empty_like(old.totals)
    of_words = added_up(links, words, len(totals))
    totals[:, 0] = of_words
    for column, spelling in enumerate(spellings, start=1):
        totals[:, column] = _sums(of_words, spelling)
    # Half of what it did before: the start was each word's frequency, so that no word
    # is ever impossible.
    emitted = null / max(float(null.sum()), 1e-30)
    return Side(totals, old.shares, ((emitted + old.by_null) / 2).astype(np.float32))
