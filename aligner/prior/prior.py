"""The prior: a pair of aligners that knows words and their beginnings."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from aligner.links.aligned_pair import AlignedPair
from aligner.prior.agreement import Model
from aligner.prior.by_part import aligned_by_part, numbered
from aligner.prior.cooccurrence import Cells, Spelling, gather_spellings
from aligner.prior.earlier import earlier_of, together
from aligner.prior.estimation import (
    HMM_ITERATIONS,
    LEXICAL_ITERATIONS,
    Counts,
    estimate_agreement,
)
from aligner.prior.hmm import Doubles, Floats
from aligner.prior.known_text import KnownText, look_up
from aligner.prior.known_words import KnownPairs, Learnt, learnt_pairs, spell
from aligner.prior.pair_classifier import PairClassifier, fit_to_text
from aligner.prior.posteriors import collect_links, posteriors_by_pair
from aligner.prior.soft_links import GrowingLinks, TextLinks
from aligner.prior.thresholds import text_thresholds, threshold_of
from aligner.processors import cpu_share
from aligner.terms import Cover, Preset
from aligner.text.numbered import NumberedBitext, WordPair
from aligner.text.tokenizers import Languages
from aligner.text.words import canonical, lowered

log = logging.getLogger(__name__)
PART = 10_000  # pairs of a text to align that are handled together
LETTERS = (0, 4, 3)  # that words are spelt by; 0 stands for whole words


@dataclass(frozen=True)
class Prior:
    """A statistical aligner.

    Attributes:
        spellings: what is known of words, then of ever shorter beginnings.
        src_by_null: the probability of each source word under NULL.
        tgt_by_null: likewise.
        null: (2,) the probability that NULL emits a word, forward and reverse.
        jumps: (2, 2 · MAX_JUMP + 1) the probability of each distance between states.
        thresholds: for each preset, what the power mean of both directions' shares must
            exceed for a link.
        tokenize: the languages by which the text that it was estimated from was cut,
            if that was raw.
        classifier: what tells translations from junk; None if an earlier version kept
            this, or there was no pair of usual length to fit it on.
        lowercase: whether it knows words in lower case only, and reads others so.
    """

    spellings: tuple[KnownPairs, ...]
    src_by_null: Floats
    tgt_by_null: Floats
    null: Floats
    jumps: Doubles
    thresholds: Doubles
    tokenize: Languages | None = None
    classifier: PairClassifier | None = None
    lowercase: bool = False

    def align(
        self,
        pairs: Iterable[WordPair],
        preset: Preset = "balanced",
        cover: Cover | None = None,
    ) -> Iterator[AlignedPair]:
        """Yield the links of sentence pairs, given as words, as `aligner prior` does.

        [pair] = prior.align([(["the", "house"], ["la", "maison"])])
        print(sorted(pair.links))

        Args:
            pairs: the sentence pairs, read as the links are asked for, many at a time.
                Pairs with an empty side have no links.
            preset: how much recall counts beside precision.
            cover: the side, or both, of which every word gets a link, its likeliest
                one if it would have none.

        Raises:
            ConfigError: there is no such preset, or side.
            TypeError: a side is no sequence of words.
        """
        threshold = self.threshold(preset)
        return aligned_by_part(pairs, PART, self.soft_links, threshold, cover)

    @property
    def learnt(self) -> Learnt:
        """All but how links are chosen, and pairs are judged."""
        by_null = self.src_by_null, self.tgt_by_null
        return Learnt(self.spellings, *by_null, self.null, self.jumps)

    def threshold(self, preset: Preset = "balanced") -> float:
        """Return what the power mean of both directions' shares must exceed for a link.

        Raises:
            ConfigError: there is no such preset.
        """
        return threshold_of(preset, self.thresholds)

    def soft_links(
        self,
        text: NumberedBitext,
        threads: int | None = None,
        *,
        covers: bool = False,
    ) -> TextLinks:
        """Return the likely links of a text, the same or another, on disk.

        So many pairs at a time that memory does not grow with the text. With `covers`,
        each word's likeliest link is among them, likely or not.
        """
        links, threads = GrowingLinks(), threads or cpu_share()
        scores = [np.empty(0)]
        for known in self._parts(text, threads):
            collect_links(known.model, known.cells, links, threads, covers)
            if self.classifier is not None:
                scores.append(self.classifier.probabilities(known.features(threads)))
        of_pairs = None if self.classifier is None else np.concatenate(scores)
        return replace(links.finish(), scores=of_pairs)

    def word_scores(self, pairs: Sequence[WordPair]) -> list[tuple[Floats, Floats]]:
        """Return both directions' posteriors of sentence pairs without empty sides.

        Forward (target words, source words + 1) and reverse (source words, target
        words + 1), NULL last; every row sums to 1.
        """
        known = look_up(self.learnt, NumberedBitext.of(self.as_read(pairs)))
        return posteriors_by_pair(known.model, known.cells)

    def as_read(self, pairs: Sequence[WordPair]) -> Sequence[WordPair]:
        """Return pairs with their words as they are known."""
        if not self.lowercase:
            return pairs
        return [(lowered(src), lowered(tgt)) for src, tgt in pairs]

    def pair_scores(
        self, text: NumberedBitext, threads: int | None = None
    ) -> Doubles | None:
        """Return for each pair of a text the probability that it is a translation.

        See `pair_classifier`; 0 where a side is empty. None without a classifier.
        """
        if self.classifier is None:
            return None
        found, threads = [np.empty(0)], threads or cpu_share()
        for known in self._parts(text, threads):
            found.append(self.classifier.probabilities(known.features(threads)))
        return np.concatenate(found)

    def _parts(self, text: NumberedBitext, threads: int) -> Iterator[KnownText]:
        """Yield a text, and what is known of it, so many pairs at a time."""
        if self.lowercase:
            text = text.renamed(str.lower)
        for first in range(0, len(text), PART):
            yield look_up(self.learnt, text.part(first, first + PART), threads)


def estimate_prior(
    pairs: Iterable[WordPair], dictionary: Iterable[WordPair] = ()
) -> Prior:
    """Estimate a prior from sentence pairs, given as words.

    prior = estimate_prior([(["the", "house"], ["la", "maison"]), ...])
    [pair] = prior.align([(["the"], ["la"])])

    Args:
        pairs: the sentence pairs.
        dictionary: words of both sides that translate each other, or several.

    Raises:
        TypeError: a side is no sequence of words.
    """
    return estimate(numbered(pairs), dictionary=numbered(dictionary))[0]


def estimate(
    text: NumberedBitext,
    on_pass: Callable[[int, int], None] = lambda done, of: None,
    threads: int | None = None,
    *,
    covers: bool = False,
    dictionary: NumberedBitext | None = None,
    earlier: Prior | None = None,
) -> tuple[Prior, TextLinks]:
    """Estimate a prior from sentence pairs; return it with the likely links of each.

    Args:
        text: the sentence pairs.
        on_pass: told after each pass over the text how many of how many are done.
        threads: how many compute at once, by default one on each processor; the result
            is the same for any number.
        covers: whether each word's likeliest link is to be there, likely or not.
        dictionary: entries that say which words, or which together, are translations.
        earlier: what was learnt of another text; what is learnt now is of both.
    """
    log.info("prior: learning from %d pairs", len(text))
    started = time.monotonic()
    threads = threads or cpu_share()
    passes = LEXICAL_ITERATIONS + HMM_ITERATIONS + 1
    spells = [partial(spell, letters=letters) for letters in LETTERS]
    every = text
    if dictionary:
        # Twice, as what meets once may be left out as chance.
        every = text.followed_by(dictionary.followed_by(dictionary))
    every = every.renamed(canonical)
    spellings, pairs, gathered = gather_spellings(every, spells, threads)
    cells, entries = gathered.split(len(text))
    model, counts = estimate_agreement(
        spellings,
        cells,
        entries,
        earlier_of(earlier.learnt, spellings, pairs, cells) if earlier else None,
        lambda done: on_pass(done, passes),
        threads,
    )
    links = GrowingLinks()
    collect_links(model, cells, links, threads, covers)
    on_pass(passes, passes)
    seconds = time.monotonic() - started
    log.info("prior: %d passes over the text in %.0f s", passes, seconds)
    learnt = _learnt(spellings, cells, model, counts)
    if earlier is not None:
        learnt = together(earlier.learnt, learnt)
    fitted = earlier.classifier if earlier is not None else None
    prior = Prior(
        *learnt,
        text_thresholds(model, cells),
        classifier=fit_to_text(learnt, text, threads, fitted),
    )
    return prior, links.finish()


def _learnt(
    spellings: Sequence[Spelling], cells: Cells, model: Model, counts: Counts
) -> Learnt:
    """Return what was learnt of a text, by its words instead of its numbers."""
    known = tuple(
        learnt_pairs(letters, spelling, counts.links, counts.linked, cells)
        for letters, spelling in zip(LETTERS, spellings, strict=True)
    )
    by_null = model.src.by_null, model.tgt.by_null
    return Learnt(known, *by_null, model.null, model.jumps)
