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
from aligner.prior.cooccurrence import Cells, Doubles, Ids, Ints, Spelling
from aligner.prior.hmm import Floats
from aligner.text.scratch import forgotten, mapped_full

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
        linked: by direction, how often each emitted word is linked.
        null: by direction, how often each word is emitted by NULL.
        null_shares: (2,) by direction, the share of words that NULL emits.
        jumps: (2, 2 · MAX_JUMP + 1) how often each distance is jumped.
    """

    links: Doubles
    linked: tuple[Doubles, Doubles]
    null: tuple[Doubles, Doubles]
    null_shares: Floats
    jumps: Doubles


class Estimate(NamedTuple):
    """A model of a text's own words, and the counts that it comes from."""

    model: Model
    counts: Counts


def estimate_agreement(
    spellings: Sequence[Spelling],
    cells: Cells,
    on_pass: Callable[[int], None],
    threads: int,
) -> Estimate:
    """Estimate a pair of aligners.

    Args:
        spellings: of the words, the shorter the later; words as they are come first.
        cells: the text.
        on_pass: told after each iteration how many are done.
        threads: how many compute at once; the result is the same for any number.
    """
    model = _start(spellings, cells)
    own = mapped_full(len(cells.pairs), 0, np.float32)
    for iteration in range(LEXICAL_ITERATIONS + HMM_ITERATIONS):
        # By words alone nothing is left out.
        known = iteration > LEXICAL_ITERATIONS
        with_order = iteration >= LEXICAL_ITERATIONS
        counts = _expect(model, cells, own, known, with_order, threads)
        model = _maximise(model, counts, spellings, with_order)
        on_pass(iteration + 1)
    return Estimate(model, counts)


def occurrences(words: Ids, spellings: Sequence[Ids]) -> Doubles:
    """Return (W, V) how often each word occurs in each of its spellings."""
    counts = np.bincount(words, minlength=len(spellings[0])).astype(np.float64)
    return np.stack([_sums(counts, spelling) for spelling in spellings], 1)


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


def _start(spellings: Sequence[Spelling], cells: Cells) -> Model:
    """Return a model that knows nothing but how often words occur."""
    src_sizes = [len(spelling.pairs.src_words) for spelling in spellings]
    tgt_sizes = [len(spelling.pairs.tgt_words) for spelling in spellings]
    return Model(
        np.ones((len(spellings[-1].of_pair), len(spellings)), np.float32),
        _first_side(cells.src, [s.src for s in spellings], tgt_sizes),
        _first_side(cells.tgt, [s.tgt for s in spellings], src_sizes),
        np.full(2, NULL, np.float32),
        np.stack([hmm.first_jumps()] * 2),
    )


def _first_side(words: Ids, spellings: Sequence[Ids], partners: Sequence[int]) -> Side:
    """Return what occurrences say of words that could be linked with any partner."""
    counts = occurrences(words, spellings)
    totals = np.tile(np.array(partners, np.float32), (len(counts), 1))
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
    linked = (
        np.zeros(len(cells.tgt), np.float32),
        np.zeros(len(cells.src), np.float32),
    )
    unlinked = (np.zeros_like(linked[0]), np.zeros_like(linked[1]))
    chunks = cells.chunks()
    jumps = np.zeros((len(chunks), *model.jumps.shape))
    links = np.zeros(len(model.links))

    def run(number: int) -> None:
        expect(
            model, cells, *chunks[number], own, known, with_order, linked, unlinked,
            jumps[number],
        )  # fmt: skip

    with ThreadPoolExecutor(threads, "prior") as pool:
        # Added up in the order of the text, so that rounding is always the same.
        done = pool.map(run, range(len(chunks)))
        for (first, last), _ in zip(chunks, done, strict=True):
            part = slice(cells.ends[first], cells.ends[last])
            np.add.at(links, cells.pairs[part], own[part].astype(np.float64))
            forgotten(cells.pairs[part])
            forgotten(own[part])
    null_shares = [by_null.sum() / max(len(by_null), 1) for by_null in unlinked]
    return Counts(
        links,
        _by_word(linked, model, cells),
        _by_word(unlinked, model, cells),
        np.clip(null_shares, LEAST_NULL, MOST_NULL).astype(np.float32),
        jumps.sum(axis=0),
    )


def _by_word(
    values: tuple[Floats, Floats], model: Model, cells: Cells
) -> tuple[Doubles, Doubles]:
    """Return the sum over the occurrences of each target word and each source word."""
    of_tgt, of_src = (part.astype(np.float64) for part in values)
    return (
        added_up(of_tgt, cells.tgt, len(model.tgt.by_null)),
        added_up(of_src, cells.src, len(model.src.by_null)),
    )


def _maximise(
    model: Model, counts: Counts, spellings: Sequence[Spelling], with_order: bool
) -> Model:
    """Return the model that the expected counts make most likely."""
    links = np.zeros_like(model.links)
    for column, spelling in enumerate(spellings):
        known = len(spelling.of_pair)
        links[:known, column] = _sums(counts.links[:known], spelling.of_pair)
    (of_tgt, of_src), (tgt_null, src_null) = counts.linked, counts.null
    src = _side(model.src, of_src, [s.src for s in spellings], src_null)
    tgt = _side(model.tgt, of_tgt, [s.tgt for s in spellings], tgt_null)
    if not with_order:
        return Model(links, src, tgt, model.null, model.jumps)
    jumps = np.stack([hmm.normalised_jumps(of_side) for of_side in counts.jumps])
    return Model(links, src, tgt, counts.null_shares, jumps)


def _side(old: Side, linked: Doubles, spellings: Sequence[Ids], null: Doubles) -> Side:
    """Return what the expected counts say of one side's words."""
    totals = np.stack([_sums(linked, spelling) for spelling in spellings], 1)
    # Half of what it did before: the start was each word's frequency, so that no word
    # is ever impossible.
    emitted = null / max(float(null.sum()), 1e-30)
    return Side(
        totals.astype(np.float32), old.shares,
        ((emitted + old.by_null) / 2).astype(np.float32),
    )  # fmt: skip
