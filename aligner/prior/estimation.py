"""Estimate a pair of aligners from text by expectation maximisation.

First the words alone count, with a pull to the diagonal; then their order as well.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from aligner.prior import hmm
from aligner.prior.agreement import AgreementModel, Direction
from aligner.prior.cooccurrence import (
    UNSEEN,
    CellBatch,
    Doubles,
    Ints,
    WordPairs,
    split,
)
from aligner.prior.hmm import Floats
from aligner.text.scratch import mapped_zeros

# Few of the former: judged by words alone, frequent ones grow too sure of partners.
LEXICAL_ITERATIONS, HMM_ITERATIONS = 3, 5


def estimate_agreement(
    word_pairs: WordPairs,
    batches: Sequence[CellBatch],
    listen: Callable[[int], None] = lambda done: None,
) -> AgreementModel:
    """Estimate a pair of aligners from text that is laid out in batches.

    Args:
        word_pairs: the word pairs of the text.
        batches: the text.
        listen: told after each iteration how many are done.
    """
    model = _start(word_pairs, batches)
    cells = [batch.cells.shape for batch in batches]
    own = split(mapped_zeros(sum(map(math.prod, cells)), np.float32), cells)
    for iteration in range(LEXICAL_ITERATIONS + HMM_ITERATIONS):
        with_order = iteration >= LEXICAL_ITERATIONS
        counts = _expect(model, batches, own, with_order)
        model = _maximise(model, counts, with_order)
        listen(iteration + 1)
    return model


def _start(word_pairs: WordPairs, batches: Sequence[CellBatch]) -> AgreementModel:
    """Return a model that knows nothing but how often words occur."""
    src = _frequencies([b.src for b in batches], len(word_pairs.src_words))
    tgt = _frequencies([b.tgt for b in batches], len(word_pairs.tgt_words))
    return AgreementModel(
        word_pairs,
        np.ones(len(word_pairs.keys), np.float32),
        Direction(np.full_like(src, len(tgt)), tgt, hmm.first_jumps()),
        Direction(np.full_like(tgt, len(src)), src, hmm.first_jumps()),
    )


def _frequencies(texts: Iterable[Ints], size: int) -> Floats:
    counts = np.zeros(size)
    for words in texts:
        counts += np.bincount(words[words >= 0], minlength=size)
    frequencies: Floats = (counts / max(counts.sum(), 1)).astype(np.float32)
    return frequencies


@dataclass
class _Counts:
    """What an E-step expects.

    Attributes:
        links: (N,) links of each word pair that both directions believe in.
        null: by direction, how often each word is emitted by NULL.
        jumps: by direction, how often each distance is jumped.
    """

    links: Doubles
    null: list[Doubles]
    jumps: list[Doubles]


def _expect(
    model: AgreementModel,
    batches: Sequence[CellBatch],
    own: Sequence[Floats],
    with_order: bool,
) -> _Counts:
    """Count what both directions believe in, places judged by what others gave.

    A pair of words that meet in one sentence only would otherwise be its own evidence:
    rare words would grow too sure of their first partners. So what each place in a
    sentence pair contributed the last time, in `own`, is left out of what it is judged
    by. By words alone, that is not kept, and nothing is left out.
    """
    size = len(model.pairs.keys)
    directions = (model.forward, model.reverse)
    counts = _Counts(
        np.zeros(size),
        [np.zeros(len(direction.null)) for direction in directions],
        [np.zeros(len(direction.jumps)) for direction in directions],
    )
    for batch, contributed in zip(batches, own, strict=True):
        both = model.posteriors(batch, with_order=with_order, own=contributed)
        agreed = both[0].links * both[1].links.transpose(0, 2, 1)  # (B, T, S)
        # Of one type, numpy adds up ten times faster.
        doubles = agreed.astype(np.float64)
        np.add.at(counts.links, batch.cells.ravel(), doubles.ravel())
        if with_order:
            contributed[...] = agreed
        for place, words in enumerate((batch.tgt, batch.src)):
            unlinked = np.maximum(1 - both[place].links.sum(axis=2), 0)
            real = words >= 0
            counts.null[place] += np.bincount(
                words[real], unlinked[real], minlength=len(counts.null[place])
            )
            counts.jumps[place] += both[place].jumps
    counts.links[UNSEEN] = 0
    return counts


def _maximise(
    model: AgreementModel, counts: _Counts, with_order: bool
) -> AgreementModel:
    """Return the model that the expected counts make most likely."""
    directions = []
    both_totals = model.pairs.totals(counts.links)
    for place, old in enumerate((model.forward, model.reverse)):
        totals = both_totals[place]
        directions.append(
            Direction(
                totals.astype(np.float32),
                _null_emissions(counts.null[place], old),
                hmm.normalised_jumps(counts.jumps[place]) if with_order else old.jumps,
            )
        )
    return AgreementModel(model.pairs, counts.links.astype(np.float32), *directions)


def _null_emissions(counts: Doubles, old: Direction) -> Floats:
    """Return what NULL emits: half what it did just now, half what it did before.

    The start was each word's frequency, so that no word is ever impossible.
    """
    share = counts / max(float(counts.sum()), 1e-30)
    mixed: Floats = ((share + old.null) / 2).astype(np.float32)
    return mixed
