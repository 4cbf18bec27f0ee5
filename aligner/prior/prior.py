"""The prior: two pairs of aligners, one of words and one of their beginnings.

Words that differ in their endings only, `vote`, `votes` and `voted`, mostly share their
translations, and together are seen often enough to learn from. Judged by beginnings
alone, though, words that merely begin alike are mixed up. The mean of both posteriors
is better than either.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np

from aligner.links.matching import geometric_mean
from aligner.prior.agreement import AgreementModel
from aligner.prior.cooccurrence import CellBatch, Ints, gather_word_pairs
from aligner.prior.estimation import (
    HMM_ITERATIONS,
    LEXICAL_ITERATIONS,
    estimate_agreement,
)
from aligner.prior.hmm import Floats
from aligner.prior.soft_links import (
    LEAST_PROBABILITY,
    NO_LINKS,
    GrowingLinks,
    SoftLinks,
    TextLinks,
)
from aligner.text.numbered import NumberedBitext, Numbering, WordPair
from aligner.text.words import canonical, check_words

log = logging.getLogger(__name__)
MAX_PAIRS = 100_000
STEM_LETTERS = 4

# How both directions' posteriors, of one shape, become a link's probability.
Join: TypeAlias = Callable[[Floats, Floats], Floats]

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
        letters: how many letters a beginning has.
    """

    words: AgreementModel
    stems: AgreementModel
    letters: int

    def align(self, text: NumberedBitext, join: Join = geometric_mean) -> TextLinks:
        """Return the likely links of a text, the same or another, on disk.

        So many pairs at a time that memory does not grow with the text.
        """
        links = GrowingLinks()
        for first in range(0, len(text), MAX_PAIRS):
            some = text.part(first, first + MAX_PAIRS)
            _collect(self._batches(some), len(some), links, join)
        return links.finish()

    def word_scores(self, pairs: Sequence[WordPair]) -> list[tuple[Floats, Floats]]:
        """Return both directions' posteriors of sentence pairs without empty sides.

        Forward (target words, source words + 1) and reverse (source words, target
        words + 1), NULL last; every row sums to 1.
        """
        results: list[tuple[Floats, Floats]] = [(NO_SCORES, NO_SCORES)] * len(pairs)
        for batch in self._batches(NumberedBitext.of(pairs)):
            for row, index in enumerate(batch.indices):
                src, tgt = map(len, pairs[index])
                results[index] = (
                    np.delete(batch.forward[row, :tgt], np.s_[src:-1], axis=1),
                    np.delete(batch.reverse[row, :src], np.s_[tgt:-1], axis=1),
                )
        return results

    def _batches(self, text: NumberedBitext) -> Iterator[MixedBatch]:
        text = text.renamed(canonical)
        # Of equal lengths, so the batches of both hold the same pairs.
        stems = self.stems.batches(text.renamed(partial(_stem, letters=self.letters)))
        return map(self.mixed, self.words.batches(text), stems)

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


def estimate_prior(pairs: Iterable[WordPair]) -> Prior:
    """Estimate a prior from sentence pairs, given as words.

    prior = estimate_prior([(["the", "house"], ["la", "maison"]), ...])
    forward, reverse = prior.word_scores([(["the"], ["la"])])[0]

    Raises:
        TypeError: a side is no sequence of words.
    """
    numbering = Numbering()
    for number, (src, tgt) in enumerate(pairs, start=1):
        check_words(src, f"pair {number}, source side")
        check_words(tgt, f"pair {number}, target side")
        numbering.add(src, tgt)
    return estimate(numbering.finish())[0]


def estimate(
    text: NumberedBitext,
    listen: Callable[[int, int], None] = lambda done, of: None,
    join: Join = geometric_mean,
) -> tuple[Prior, TextLinks]:
    """Estimate a prior from sentence pairs; return it with the likely links of each.

    Of more than `MAX_PAIRS`, as many evenly spread ones are learnt from: memory grows
    with the pairs of words that meet in them.

    Args:
        text: the sentence pairs.
        listen: told after each pass over the text how many of how many are done.
        join: how a link's probability comes from both directions' posteriors.
    """
    if len(text) > MAX_PAIRS:
        spread = np.linspace(0, len(text) - 1, MAX_PAIRS).astype(int)
        prior, _ = estimate(text.select(spread), listen, join)
        return prior, prior.align(text, join)
    text = text.renamed(canonical)
    started = time.monotonic()
    each = LEXICAL_ITERATIONS + HMM_ITERATIONS
    passes = 2 * each + 1
    word_pairs, words = gather_word_pairs(text)
    of_words = estimate_agreement(word_pairs, words, lambda done: listen(done, passes))
    stem = partial(_stem, letters=STEM_LETTERS)
    stem_pairs, stems = gather_word_pairs(text.renamed(stem))
    of_stems = estimate_agreement(
        stem_pairs, stems, lambda done: listen(each + done, passes)
    )
    prior, links = Prior(of_words, of_stems, STEM_LETTERS), GrowingLinks()
    _collect(map(prior.mixed, words, stems), len(text), links, join)
    listen(passes, passes)
    seconds = time.monotonic() - started
    log.info("prior: %d passes over the text in %.0f s", passes, seconds)
    return prior, links.finish()


def _stem(word: str, letters: int) -> str:
    return canonical(word.lower())[:letters]


def _with_null(links: Floats) -> Floats:
    null = np.maximum(1 - links.sum(axis=2, keepdims=True), 0)
    return np.concatenate([links, null], axis=2)


def _collect(
    batches: Iterable[MixedBatch], pairs: int, links: GrowingLinks, join: Join
) -> None:
    """Add the likely links of so many pairs, which come in any order."""
    counts = np.zeros(pairs, np.int64)
    found = []
    for indices, forward, reverse in batches:
        joint = join(forward[:, :, :-1], reverse[:, :, :-1].transpose(0, 2, 1))
        rows, tgt, src = np.nonzero(joint > LEAST_PROBABILITY)
        counts[indices] = np.bincount(rows, minlength=len(indices))
        found.append(
            (
                indices[rows].astype(np.int32),
                src.astype(np.int32),
                tgt.astype(np.int32),
                joint[rows, tgt, src].astype(np.float32),
            )
        )
    if not found:
        links.append(counts, NO_LINKS)
        return
    pair, *parts = map(np.concatenate, zip(*found, strict=True))
    order = np.argsort(pair, kind="stable")
    links.append(counts, SoftLinks(*(part[order] for part in parts)))
