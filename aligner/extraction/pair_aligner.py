"""What every aligner of sentence pairs does with the scores of its networks."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from aligner.extraction.link_rule import LinkRule, PairScores
from aligner.extraction.reading import Reading, WordScores
from aligner.extraction.ways import Ways
from aligner.links.aligned_pair import AlignedPair
from aligner.links.matching import mixed
from aligner.pretrained.prior_with_encoder import PriorWithEncoder
from aligner.prior.prior import Prior
from aligner.terms import OneWay
from aligner.text.numbered import NumberedBitext
from aligner.text.numbered import WordPair as WordPair
from aligner.text.words import check_words

BothWays = tuple[WordScores, WordScores]  # forward and reverse, as `PairScores`
FIRST_CHUNK_PAIRS = 128  # so that the first links come soon
CHUNK_PAIRS = 2048
CHUNK_CELLS = 4_000_000  # source words x target words, over the chunk
PRIOR_WEIGHT = 0.5  # of the prior, beside the attention
TOLD_WEIGHT = 0.2  # beside one that is told what the prior expects, so has it already


class PairAligner(ABC):
    """Aligns sentence pairs by networks, and perhaps a prior.

    Attributes:
        rule: how scores become links.
        prior: what is mixed with the networks' scores, if anything.
        prior_weight: from 0, the networks alone, to 1, the prior alone.
    """

    rule: LinkRule
    prior: Prior | PriorWithEncoder | None
    prior_weight: float

    @abstractmethod
    def _network_scores(self, pairs: Sequence[WordPair]) -> list[PairScores]:
        """Return what the networks say of pairs that have no `problem`."""

    @property
    @abstractmethod
    def ways(self) -> Ways:
        """The directions that are known, to be looked at by themselves."""

    @property
    @abstractmethod
    def readings(self) -> Mapping[OneWay, Reading]:
        """What is read of each direction."""

    @abstractmethod
    def problem(self, pair: WordPair) -> str:
        """Return why a pair cannot be aligned, or an empty string."""

    def align(self, pairs: Iterable[WordPair]) -> Iterator[AlignedPair]:
        """Yield one result for each sentence pair, in order, in bounded memory.

        Raises:
            TypeError: a side of a pair, which is named, is no sequence of words.
        """
        for chunk in chunks(_checked(pairs)):
            yield from self.align_chunk(chunk)

    def align_chunk(self, chunk: Sequence[WordPair]) -> Iterator[AlignedPair]:
        """Yield one result for each of some pairs, read together.

        How pairs are put together decides the last bits of their scores: the same
        chunk always gives the same links.
        """
        problems = [self.problem(pair) for pair in chunk]
        good = [
            pair for pair, problem in zip(chunk, problems, strict=True) if not problem
        ]
        scores = iter(self._word_scores(good))
        of_pairs = iter(self._pair_scores(good))
        for problem in problems:
            if problem:
                yield AlignedPair(frozenset(), {}, problem=problem)
                continue
            found, score = self.rule.links(next(scores)), next(of_pairs)
            yield found if score is None else found._replace(score=score)

    def word_scores(self, pairs: Sequence[WordPair]) -> list[PairScores]:
        """Return the word scores of pairs that have no `problem`.

        Raises:
            TypeError: a side of a pair, which is named, is no sequence of words.
        """
        return self._word_scores(list(_checked(pairs)))

    def _pair_scores(self, pairs: Sequence[WordPair]) -> Iterable[float | None]:
        """Return what the prior says of each pair as a whole, if it does."""
        found = None
        if self.prior is not None:
            found = self.prior.pair_scores(NumberedBitext.of(pairs))
        return [None] * len(pairs) if found is None else found.tolist()

    def _word_scores(self, pairs: Sequence[WordPair]) -> list[PairScores]:
        if self.prior is None or not self.prior_weight:
            return self._network_scores(pairs)
        with ThreadPoolExecutor(1) as beside:
            expected = beside.submit(self.prior_scores, pairs)
            alone = isinstance(self.prior, PriorWithEncoder)
            if alone or torch.get_num_threads() == 1:
                expected.result()  # nothing else computes meanwhile
            scores = self._network_scores(pairs)
        return self._mixed(scores, expected.result())

    def prior_scores(self, pairs: Sequence[WordPair]) -> Sequence[BothWays]:
        """Return both directions' shares by the prior alone, which must be there."""
        if self.prior is None:
            raise ValueError("expected a prior")
        return self.prior.word_scores(pairs)

    def _mixed(
        self, scores: Sequence[PairScores], expected: Sequence[BothWays]
    ) -> list[PairScores]:
        """Return the networks' scores, mixed with the prior's."""
        return [
            PairScores(
                _mixed(pair.forward, prior_forward, self.prior_weight),
                _mixed(pair.reverse, prior_reverse, self.prior_weight),
            )
            for pair, (prior_forward, prior_reverse) in zip(
                scores, expected, strict=True
            )
        ]


def _checked(pairs: Iterable[WordPair]) -> Iterator[WordPair]:
    """Yield pairs whose sides are words, as a type checker would have it."""
    for number, pair in enumerate(pairs, start=1):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"pair {number}: expected two sides, got {pair!r:.60}")
        check_words(pair[0], f"pair {number}, source side")
        check_words(pair[1], f"pair {number}, target side")
        yield pair[0], pair[1]


def _mixed(
    attention: WordScores | None, prior: WordScores, weight: float
) -> WordScores | None:
    """Return the weighted geometric mean of attention and prior, row by row."""
    if attention is None:
        return None
    return mixed(attention, prior, weight).astype(np.float32)


def chunks(
    pairs: Iterable[WordPair], most: int | None = None
) -> Iterator[list[WordPair]]:
    """Yield the pairs in lists that are limited in number and in size.

    Where they are cut depends on the pairs alone: the first are short. `most` limits
    the number further.
    """
    chunk: list[WordPair] = []
    most = most or CHUNK_PAIRS
    limit, cells = min(FIRST_CHUNK_PAIRS, most), 0
    for src, tgt in pairs:
        chunk.append((src, tgt))
        cells += len(src) * len(tgt)
        if len(chunk) == limit or cells > CHUNK_CELLS:
            yield chunk
            chunk, cells = [], 0
            limit = min(2 * limit, most)
    if chunk:
        yield chunk
