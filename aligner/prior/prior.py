"""The prior: two pairs of aligners, one of words and one of their beginnings.

Words that differ in their endings only, `vote`, `votes` and `voted`, mostly share their
translations, and together are seen often enough to learn from. Judged by beginnings
alone, though, words that merely begin alike are mixed up. The mean of both posteriors
is better than either.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aligner.prior.agreement import AgreementModel
from aligner.prior.cooccurrence import CellBatch, Ints, Words, gather_word_pairs
from aligner.prior.estimation import (
    HMM_ITERATIONS,
    LEXICAL_ITERATIONS,
    estimate_agreement,
)
from aligner.prior.hmm import Floats

MAX_PAIRS = 100_000
STEM_LETTERS = 6
LEAST_PROBABILITY = 0.02  # of the links that are reported

WordPair = tuple[Words, Words]


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


class MixedBatch(NamedTuple):
    """Posteriors of sentence pairs of like length, NULL last; each row sums to 1.

    Attributes:
        indices: (B,) their places in the text.
        forward: (B, T, S + 1) for target words.
        reverse: (B, S, T + 1) for source words.
    """

    indices: Ints
    forward: Floats
    reverse: Floats


@dataclass(frozen=True)
class Prior:
    """A statistical aligner.

    Attributes:
        words: the pair of aligners that knows whole words.
        stems: the pair that knows their beginnings, in lower case.
    """

    words: AgreementModel
    stems: AgreementModel

    def align(self, pairs: Sequence[WordPair]) -> list[SoftLinks]:
        """Return the likely links of sentence pairs, of this text or of another."""
        return _collect(self._batches(pairs), len(pairs))

    def word_scores(self, pairs: Sequence[WordPair]) -> list[tuple[Floats, Floats]]:
        """Return both directions' posteriors of sentence pairs without empty sides.

        Forward (target words, source words + 1) and reverse (source words, target
        words + 1), NULL last; every row sums to 1.
        """
        results: list[tuple[Floats, Floats]] = [(NO_SCORES, NO_SCORES)] * len(pairs)
        for batch in self._batches(pairs):
            for row, index in enumerate(batch.indices):
                src, tgt = map(len, pairs[index])
                results[index] = (
                    np.delete(batch.forward[row, :tgt], np.s_[src:-1], axis=1),
                    np.delete(batch.reverse[row, :src], np.s_[tgt:-1], axis=1),
                )
        return results

    def _batches(self, pairs: Sequence[WordPair]) -> Iterator[MixedBatch]:
        # Of equal lengths, so the batches of both hold the same pairs.
        words, stems = self.words.batches(pairs), self.stems.batches(_stemmed(pairs))
        for of_words, of_stems in zip(words, stems, strict=True):
            yield self.mixed(of_words, of_stems)

    def mixed(self, words: CellBatch, stems: CellBatch) -> MixedBatch:
        """Return the joint posteriors of a batch, given as words and as stems."""
        both = zip(
            self.words.posteriors(words, counting=False),
            self.stems.posteriors(stems, counting=False),
            strict=True,
        )
        forward, reverse = (
            _with_null(np.float32(0.5) * (a.links + b.links)) for a, b in both
        )
        return MixedBatch(words.indices, forward, reverse)


def estimate(
    pairs: Sequence[WordPair],
    listen: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[Prior, list[SoftLinks]]:
    """Estimate a prior from sentence pairs; return it with the likely links of each.

    Of more than `MAX_PAIRS`, as many evenly spread ones are learnt from: memory grows
    with the cells of their matrices of words.

    Args:
        pairs: the sentence pairs, as words.
        listen: told after each pass over the text how many of how many are done.
    """
    if len(pairs) > MAX_PAIRS:
        spread = np.linspace(0, len(pairs) - 1, MAX_PAIRS).astype(int)
        prior, _ = estimate([pairs[i] for i in spread], listen)
        return prior, prior.align(pairs)
    each = LEXICAL_ITERATIONS + HMM_ITERATIONS
    passes = 2 * each + 1
    word_pairs, words = gather_word_pairs(pairs)
    of_words = estimate_agreement(word_pairs, words, lambda done: listen(done, passes))
    stem_pairs, stems = gather_word_pairs(_stemmed(pairs))
    of_stems = estimate_agreement(
        stem_pairs, stems, lambda done: listen(each + done, passes)
    )
    prior = Prior(of_words, of_stems)
    links = _collect(map(prior.mixed, words, stems), len(pairs))
    listen(passes, passes)
    return prior, links


def _stemmed(pairs: Sequence[WordPair]) -> list[WordPair]:
    return [(_stems(src), _stems(tgt)) for src, tgt in pairs]


def _stems(words: Words) -> list[str]:
    return [word.lower()[:STEM_LETTERS] for word in words]


def _with_null(links: Floats) -> Floats:
    null = np.maximum(1 - links.sum(axis=2, keepdims=True), 0)
    return np.concatenate([links, null], axis=2)


def _collect(batches: Iterable[MixedBatch], pairs: int) -> list[SoftLinks]:
    """Return the likely links of each pair."""
    results = [NO_LINKS] * pairs
    for indices, forward, reverse in batches:
        joint = np.sqrt(forward[:, :, :-1] * reverse[:, :, :-1].transpose(0, 2, 1))
        rows, tgt, src = np.nonzero(joint > LEAST_PROBABILITY)
        probabilities = joint[rows, tgt, src].astype(np.float32)
        ends = np.cumsum(np.bincount(rows, minlength=len(indices)))[:-1]
        for index, s, t, p in zip(
            indices,
            np.split(src.astype(np.int32), ends),
            np.split(tgt.astype(np.int32), ends),
            np.split(probabilities, ends),
            strict=True,
        ):
            results[index] = SoftLinks(s, t, p)
    return results
