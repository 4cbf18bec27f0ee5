"""A pair of hidden Markov aligners, one each way, trained to agree.

Liang, Taskar and Klein (2006), "Alignment by Agreement": in the E-step both directions'
posteriors are multiplied, so that each learns from links that the other believes in
too. First with word order ignored but for a pull to the diagonal (IBM model 1, Brown et
al. 1993, with the prior of Dyer et al. 2013), then with `hmm`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from aligner.prior import hmm
from aligner.prior.cooccurrence import (
    PADDING,
    UNKNOWN,
    UNSEEN,
    CellBatch,
    Ints,
    WordPairs,
    Words,
    gather_word_pairs,
    padded_batches,
)
from aligner.prior.hmm import Emissions, Floats, Posteriors

Doubles: TypeAlias = NDArray[np.float64]

NULL = 0.1  # the probability that NULL emits a word
DIAGONAL = 4.0  # how strongly the first iterations pull to the diagonal
LEXICAL_ITERATIONS, HMM_ITERATIONS = 5, 5
NEVER_SEEN = np.float32(1e-6)  # the least probability of any pair of words
LEAST_TOTAL = np.float32(1e-3)
LEAST_PROBABILITY = 0.02  # of the links that are reported


class SoftLinks(NamedTuple):
    """The likely links of a sentence pair.

    Attributes:
        src: source words.
        tgt: target words.
        probability: the geometric mean of both directions' posteriors.
    """

    src: NDArray[np.int32]
    tgt: NDArray[np.int32]
    probability: Floats


NO_LINKS = SoftLinks(
    np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32)
)
NO_SCORES = np.empty((0, 0), np.float32)


@dataclass(frozen=True)
class Direction:
    """The parameters of one direction.

    Attributes:
        totals: for each emitting word, the links that it is expected to have in all.
        null: the probability of each emitted word under NULL.
        jumps: the probability of each distance between states.
    """

    totals: Floats
    null: Floats
    jumps: Doubles

    def emissions(
        self, links: Floats, states: Ints, emitted: Ints, own: Floats | None
    ) -> Emissions:
        """Return the emissions of a batch.

        Args:
            links: (B, J, I) the expected links of the words at each place.
            states: (B, I) the emitting words.
            emitted: (B, J) the emitted words.
            own: (B, J, I) what this batch itself contributed to the expected links,
                to be left out; or None.
        """
        totals = _by_word(self.totals, states)[:, None, :]
        if own is not None:
            links, totals = links - own, totals - own.sum(axis=1, keepdims=True)
        words = np.maximum(links, 0) / np.maximum(totals, LEAST_TOTAL)
        real = (emitted != PADDING)[:, :, None] & (states != PADDING)[:, None, :]
        null = _by_word(self.null, emitted)
        return Emissions(
            np.where(real, np.clip(words, NEVER_SEEN, 1), np.float32(0)),
            np.where(emitted != PADDING, np.maximum(null, NEVER_SEEN), np.float32(0)),
            (states != PADDING).astype(np.float32),
        )


def _by_word(values: Floats, words: Ints) -> Floats:
    """Return each word's value, 0 for `PADDING` and `UNKNOWN`."""
    return np.pad(values, (0, 2))[words]


@dataclass(frozen=True)
class Prior:
    """Both directions, and the word pairs that they know.

    Attributes:
        pairs: the word pairs.
        links: (N,) how many links each word pair is expected to have in all.
        forward: source words emit target words.
        reverse: target words emit source words.
    """

    pairs: WordPairs
    links: Floats
    forward: Direction
    reverse: Direction

    def posteriors(
        self, batch: CellBatch, *, with_order: bool = True, own: Floats | None = None
    ) -> tuple[Posteriors, Posteriors]:
        """Return both directions' posteriors, forward (B, T, S), reverse (B, S, T).

        Args:
            batch: the sentence pairs.
            with_order: whether the order of words counts (the hidden Markov models).
            own: (B, T, S) what the batch contributed to `links`, to be left out.
        """
        links = self.links[batch.cells]
        own_turned = None if own is None else own.transpose(0, 2, 1)
        forward = self.forward.emissions(links, batch.src, batch.tgt, own)
        reverse = self.reverse.emissions(
            links.transpose(0, 2, 1), batch.tgt, batch.src, own_turned
        )
        if with_order:
            return (
                hmm.posteriors(forward, self.forward.jumps, NULL),
                hmm.posteriors(reverse, self.reverse.jumps, NULL),
            )
        return _diagonal_posteriors(forward), _diagonal_posteriors(reverse)

    def align(self, pairs: Sequence[tuple[Words, Words]]) -> list[SoftLinks]:
        """Return the likely links of sentence pairs, of this text or of another."""
        results = [NO_LINKS] * len(pairs)
        for batch in self._batches(pairs):
            _collect(batch, *self.posteriors(batch), results)
        return results

    def word_scores(
        self, pairs: Sequence[tuple[Words, Words]]
    ) -> list[tuple[Floats, Floats]]:
        """Return both directions' posteriors of sentence pairs without empty sides.

        Forward (target words, source words + 1) and reverse (source words, target
        words + 1), NULL last; every row sums to 1.
        """
        results: list[tuple[Floats, Floats]] = [(NO_SCORES, NO_SCORES)] * len(pairs)
        for batch in self._batches(pairs):
            forward, reverse = (_with_null(one) for one in self.posteriors(batch))
            for row, index in enumerate(batch.indices):
                src, tgt = map(len, pairs[index])
                results[index] = (
                    np.delete(forward[row, :tgt], np.s_[src:-1], axis=1),
                    np.delete(reverse[row, :src], np.s_[tgt:-1], axis=1),
                )
        return results

    def _batches(self, pairs: Sequence[tuple[Words, Words]]) -> Iterator[CellBatch]:
        src_numbers, tgt_numbers = self.pairs.src_words, self.pairs.tgt_words
        src = [_known_words(pair[0], src_numbers) for pair in pairs]
        tgt = [_known_words(pair[1], tgt_numbers) for pair in pairs]
        for indices, s, t in padded_batches(src, tgt):
            yield CellBatch(indices, s, t, self.pairs.look_up(s, t))


def _with_null(posteriors: Posteriors) -> Floats:
    links = posteriors.links
    null = np.maximum(1 - links.sum(axis=2, keepdims=True), 0)
    return np.concatenate([links, null], axis=2)


def _known_words(words: Words, numbers: dict[str, int]) -> Ints:
    return np.array([numbers.get(word, UNKNOWN) for word in words], np.int64)


def estimate(
    pairs: Sequence[tuple[Words, Words]],
    listen: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[Prior, list[SoftLinks]]:
    """Estimate a prior from sentence pairs; return it with the likely links of each.

    Args:
        pairs: the sentence pairs, as words.
        listen: told after each iteration how many of how many are done.
    """
    word_pairs, batches = gather_word_pairs(pairs)
    iterations = LEXICAL_ITERATIONS + HMM_ITERATIONS
    prior = _start(word_pairs, batches)
    own: list[Floats | None] = [None] * len(batches)
    for iteration in range(iterations):
        with_order = iteration >= LEXICAL_ITERATIONS
        counts = _expect(prior, batches, own, with_order)
        prior = _maximise(prior, counts, with_order)
        if with_order:
            own = [*counts.own]
        listen(iteration + 1, iterations + 1)
    results = [NO_LINKS] * len(pairs)
    for batch in batches:
        _collect(batch, *prior.posteriors(batch), results)
    listen(iterations + 1, iterations + 1)
    return prior, results


def _start(word_pairs: WordPairs, batches: Sequence[CellBatch]) -> Prior:
    """Return a prior that knows nothing but how often words occur."""
    src = _frequencies([b.src for b in batches], len(word_pairs.src_words))
    tgt = _frequencies([b.tgt for b in batches], len(word_pairs.tgt_words))
    return Prior(
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
        own: for each batch, (B, T, S), its part in them.
        null: by direction, how often each word is emitted by NULL.
        jumps: by direction, how often each distance is jumped.
    """

    links: Doubles
    own: list[Floats]
    null: list[Doubles]
    jumps: list[Doubles]


def _expect(
    prior: Prior,
    batches: Sequence[CellBatch],
    own: Sequence[Floats | None],
    with_order: bool,
) -> _Counts:
    """Count what both directions believe in, each batch judged by the others.

    A pair of words that meet in one sentence only would otherwise be its own evidence:
    rare words would grow too sure of their first partners. So what a sentence pair
    contributed itself the last time is left out of what it is judged by.
    """
    size = len(prior.pairs.keys)
    directions = (prior.forward, prior.reverse)
    counts = _Counts(
        np.zeros(size),
        [],
        [np.zeros(len(direction.null)) for direction in directions],
        [np.zeros(len(direction.jumps)) for direction in directions],
    )
    for batch, contributed in zip(batches, own, strict=True):
        both = prior.posteriors(batch, with_order=with_order, own=contributed)
        agreed = both[0].links * both[1].links.transpose(0, 2, 1)  # (B, T, S)
        counts.links += np.bincount(batch.cells.ravel(), agreed.ravel(), minlength=size)
        counts.own.append(agreed)
        for place, words in enumerate((batch.tgt, batch.src)):
            unlinked = np.maximum(1 - both[place].links.sum(axis=2), 0)
            real = words >= 0
            counts.null[place] += np.bincount(
                words[real], unlinked[real], minlength=len(counts.null[place])
            )
            counts.jumps[place] += both[place].jumps
    counts.links[UNSEEN] = 0
    return counts


def _maximise(prior: Prior, counts: _Counts, with_order: bool) -> Prior:
    """Return the prior that the expected counts make most likely."""
    directions = []
    emitters = (prior.pairs.src, prior.pairs.tgt)
    for place, old in enumerate((prior.forward, prior.reverse)):
        totals = np.bincount(emitters[place], counts.links, len(old.totals))
        directions.append(
            Direction(
                totals.astype(np.float32),
                _null_emissions(counts.null[place], old),
                hmm.normalised_jumps(counts.jumps[place]) if with_order else old.jumps,
            )
        )
    return Prior(prior.pairs, counts.links.astype(np.float32), *directions)


def _null_emissions(counts: Doubles, old: Direction) -> Floats:
    """Return what NULL emits: half what it did just now, half what it did before.

    The start was each word's frequency, so that no word is ever impossible.
    """
    share = counts / max(float(counts.sum()), 1e-30)
    mixed: Floats = ((share + old.null) / 2).astype(np.float32)
    return mixed


def _diagonal_posteriors(emissions: Emissions) -> Posteriors:
    """Return posteriors by words alone, with a pull to the diagonal (Dyer 2013)."""
    states = emissions.states
    real = emissions.null > 0  # (B, J)
    # Where in its sentence each word stands, from 0 to 1.
    state_places = np.arange(states.shape[1]) / states.sum(1, keepdims=True)
    word_places = np.arange(real.shape[1]) / np.maximum(real.sum(1, keepdims=True), 1)
    word_places = np.minimum(word_places, 1)  # of padding too
    gaps = np.abs(state_places[:, None, :] - word_places[:, :, None])  # (B, J, I)
    pull = np.exp(-DIAGONAL * gaps).astype(np.float32) * states[:, None, :]
    pull /= pull.sum(axis=2, keepdims=True)
    links = emissions.words * pull * np.float32(1 - NULL)
    nothing = emissions.null * np.float32(NULL)
    links /= np.maximum(links.sum(axis=2) + nothing, hmm.TINY)[:, :, None]
    return Posteriors(links, np.zeros(2 * hmm.MAX_JUMP + 1))


def _collect(
    batch: CellBatch, forward: Posteriors, reverse: Posteriors, results: list[SoftLinks]
) -> None:
    """Put the likely links of a batch's pairs into their places in `results`."""
    joint = np.sqrt(forward.links * reverse.links.transpose(0, 2, 1))  # (B, T, S)
    rows, tgt, src = np.nonzero(joint > LEAST_PROBABILITY)
    probabilities = joint[rows, tgt, src].astype(np.float32)
    ends = np.cumsum(np.bincount(rows, minlength=len(batch.indices)))[:-1]
    for index, s, t, p in zip(
        batch.indices,
        np.split(src.astype(np.int32), ends),
        np.split(tgt.astype(np.int32), ends),
        np.split(probabilities, ends),
        strict=True,
    ):
        results[index] = SoftLinks(s, t, p)
