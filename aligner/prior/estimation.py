"""Estimate a pair of aligners from text by expectation maximisation.

First the words alone count, with a pull to the diagonal; then their order as well. What
is known beside the text, the entries of a dictionary and an earlier text, says which
words go together; how often NULL emits, and how words are ordered, entries do not say.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from aligner.prior import hmm
from aligner.prior.agreement import Model, Side, expect
from aligner.prior.cooccurrence import Cells, Doubles, Ids, Spelling
from aligner.prior.earlier import Earlier
from aligner.prior.hmm import Floats
from aligner.prior.word_counts import added_up, alike, occurrences, shares
from aligner.text.scratch import forgotten, mapped_full

# Few: judged by words alone, frequent ones grow too sure of partners, and by order
# too, if it goes on for long.
LEXICAL_ITERATIONS, HMM_ITERATIONS = 4, 2
NULL = 0.1  # at first, the probability that NULL emits a word
LEAST_NULL, MOST_NULL = 0.02, 0.5
ENTRY = 5  # times that an entry of a dictionary counts more than a place in the text


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

    def with_entries(self, entries: "Counts") -> "Counts":
        """Return the counts with the links of a dictionary's entries, weighted."""
        of_tgt, of_src = (
            of_text + ENTRY * of_entries
            for of_text, of_entries in zip(self.linked, entries.linked, strict=True)
        )
        links = self.links + ENTRY * entries.links
        return replace(self, links=links, linked=(of_tgt, of_src))


class Estimate(NamedTuple):
    """A model of a text's words, and the text's own counts that it comes from."""

    model: Model
    counts: Counts


def estimate_agreement(
    spellings: Sequence[Spelling],
    cells: Cells,
    entries: Cells,
    earlier: Earlier | None,
    on_pass: Callable[[int], None],
    threads: int,
) -> Estimate:
    """Estimate a pair of aligners.

    Args:
        spellings: of the words, the shorter the later; words as they are come first.
        cells: the text.
        entries: of a dictionary, as sentence pairs; there may be none.
        earlier: what an earlier text says of the words.
        on_pass: told after each iteration how many are done.
        threads: how many compute at once; the result is the same for any number.
    """
    join = _alone if earlier is None else earlier.joined
    model = join(_start(spellings, cells))
    own, own_of_entries = (
        mapped_full(len(part.pairs), 0, np.float32) for part in (cells, entries)
    )
    for iteration in range(LEXICAL_ITERATIONS + HMM_ITERATIONS):
        # By words alone nothing is left out.
        known = iteration > LEXICAL_ITERATIONS
        with_order = iteration >= LEXICAL_ITERATIONS
        counts = _expect(model, cells, own, known, with_order, threads).with_entries(
            _expect(model, entries, own_of_entries, known, with_order, threads)
        )
        model = join(_maximise(model, counts, spellings, with_order))
        on_pass(iteration + 1)
    return Estimate(model, counts)


def _alone(model: Model) -> Model:
    """Return the model of a text without an earlier one."""
    return model


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
        links[:known, column] = alike(counts.links[:known], spelling.of_pair)
    (of_tgt, of_src), (tgt_null, src_null) = counts.linked, counts.null
    src = _side(model.src, of_src, [s.src for s in spellings], src_null)
    tgt = _side(model.tgt, of_tgt, [s.tgt for s in spellings], tgt_null)
    if not with_order:
        return Model(links, src, tgt, model.null, model.jumps)
    jumps = np.stack([hmm.normalised_jumps(of_side) for of_side in counts.jumps])
    return Model(links, src, tgt, counts.null_shares, jumps)


def _side(old: Side, linked: Doubles, spellings: Sequence[Ids], null: Doubles) -> Side:
    """Return what the expected counts say of one side's words."""
    totals = np.stack([alike(linked, spelling) for spelling in spellings], 1)
    # Half of what it did before: the start was each word's frequency, so that no word
    # is ever impossible.
    emitted = null / max(float(null.sum()), 1e-30)
    return Side(
        totals.astype(np.float32), old.shares,
        ((emitted + old.by_null) / 2).astype(np.float32),
    )  # fmt: skip
