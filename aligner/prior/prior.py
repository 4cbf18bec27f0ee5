"""The prior: a pair of aligners that knows words and their beginnings."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from typing import Any, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from aligner.links.aligned_pair import AlignedPair
from aligner.links.matching import best_threshold, geometric_mean, mean_share
from aligner.prior.agreement import Model, read
from aligner.prior.cooccurrence import (
    Cells,
    Ids,
    Ints,
    Spelling,
    gather_spellings,
    gather_word_pairs,
)
from aligner.prior.estimation import (
    HMM_ITERATIONS,
    LEXICAL_ITERATIONS,
    Counts,
    added_up,
    estimate_agreement,
)
from aligner.prior.hmm import Doubles, Floats
from aligner.prior.junk import junk_of
from aligner.prior.known import (
    KnownPairs,
    KnownSide,
    KnownWords,
    look_up,
    spell,
)
from aligner.prior.pair_classifier import PairClassifier, fit
from aligner.prior.pair_features import SideWords, Words, text_features
from aligner.prior.soft_links import (
    LEAST_PROBABILITY,
    GrowingLinks,
    SoftLinks,
    TextLinks,
    aligned_pairs,
)
from aligner.processors import cpu_share
from aligner.terms import PRESETS, Cover, Preset, check_term
from aligner.text.numbered import NumberedBitext, Numbering, WordPair
from aligner.text.scratch import forgotten
from aligner.text.tokenizers import Languages
from aligner.text.words import canonical, check_words

log = logging.getLogger(__name__)
THRESHOLD_CHUNKS = 16  # of a text, enough to choose a threshold by
PART = 10_000  # pairs of a text to align that are handled together
LETTERS = (0, 4, 3)  # that words are spelt by; 0 stands for whole words

# How both directions' posteriors, of one shape, become a link's probability.
Join: TypeAlias = Callable[[Floats, Floats], Floats]

NO_SCORES = np.empty((0, 0), np.float32)


@dataclass(frozen=True)
class Prior:
    """A statistical aligner.

    Attributes:
        spellings: what is known of words, then of ever shorter beginnings.
        src_by_null: the probability of each source word under NULL.
        tgt_by_null: likewise.
        null: (2,) the probability that NULL emits a word, forward and reverse.
        jumps: (2, 2 · MAX_JUMP + 1) the probability of each distance between states.
        thresholds: for each preset, what the mean of both directions' shares must
            exceed for a link.
        tokenize: the languages by which the text that it was estimated from was cut,
            if that was raw.
        classifier: what tells translations from junk; None if an earlier version kept
            this, or there was no pair of usual length to fit it on.
    """

    spellings: tuple[KnownPairs, ...]
    src_by_null: Floats
    tgt_by_null: Floats
    null: Floats
    jumps: Doubles
    thresholds: Doubles
    tokenize: Languages | None = None
    classifier: PairClassifier | None = None

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

    def threshold(self, preset: Preset = "balanced") -> float:
        """Return what the mean of both directions' shares must exceed for a link.

        Raises:
            ConfigError: there is no such preset.
        """
        return threshold_of(preset, self.thresholds)

    def soft_links(
        self,
        text: NumberedBitext,
        join: Join = geometric_mean,
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
        for first in range(0, len(text), PART):
            known = self._look_up(text.part(first, first + PART), threads)
            _collect(known.model, known.cells, links, join, threads, covers)
            if self.classifier is not None:
                features = text_features(*known, threads)
                scores.append(self.classifier.probabilities(features))
        of_pairs = None if self.classifier is None else np.concatenate(scores)
        return replace(links.finish(), scores=of_pairs)

    def word_scores(self, pairs: Sequence[WordPair]) -> list[tuple[Floats, Floats]]:
        """Return both directions' posteriors of sentence pairs without empty sides.

        Forward (target words, source words + 1) and reverse (source words, target
        words + 1), NULL last; every row sums to 1.
        """
        model, cells, _ = self._look_up(NumberedBitext.of(pairs), threads=1)
        forward, reverse = _read(model, cells, 0, len(pairs))
        results = []
        for (src, tgt), first in zip(pairs, cells.ends[:-1].tolist(), strict=True):
            shape, last = (len(tgt), len(src)), first + len(tgt) * len(src)
            if first == last:
                results.append((NO_SCORES, NO_SCORES))
                continue
            turned = reverse[first:last].reshape(shape).T
            results.append(
                (_with_null(forward[first:last].reshape(shape)), _with_null(turned))
            )
        return results

    def pair_scores(
        self, text: NumberedBitext, threads: int | None = None
    ) -> Doubles | None:
        """Return for each pair of a text the probability that it is a translation.

        See `pair_classifier`; 0 where a side is empty. None without a classifier.
        """
        if self.classifier is None:
            return None
        found, threads = [np.empty(0)], threads or cpu_share()
        for first in range(0, len(text), PART):
            known = self._look_up(text.part(first, first + PART), threads)
            features = text_features(*known, threads)
            found.append(self.classifier.probabilities(features))
        return np.concatenate(found)

    def _look_up(self, text: NumberedBitext, threads: int) -> "_KnownText":
        """Return a text, and what is known of its words."""
        pairs, cells, *_ = gather_word_pairs(text.renamed(canonical), threads=threads)
        known = look_up(self.spellings, pairs)
        by_null = known.src.side(self.src_by_null), known.tgt.side(self.tgt_by_null)
        model = Model(known.links, *by_null, self.null, self.jumps)
        seen = self.spellings[0]
        words = Words(
            _side_words(pairs.src_words, known.src, seen.src),
            _side_words(pairs.tgt_words, known.tgt, seen.tgt),
            pairs.twins(),
        )
        return _KnownText(model, cells, words)


class _KnownText(NamedTuple):
    """What is known of a text, which may be new."""

    model: Model
    cells: Cells
    words: Words


def _side_words(words: Iterable[str], known: KnownSide, seen: KnownWords) -> SideWords:
    letters = np.array([max(len(word), 1) for word in words], np.int32)
    total = float(seen.counts.sum(dtype=np.float64))
    return SideWords(known.occurrences, total, letters)


def estimate_prior(pairs: Iterable[WordPair]) -> Prior:
    """Estimate a prior from sentence pairs, given as words.

    prior = estimate_prior([(["the", "house"], ["la", "maison"]), ...])
    [pair] = prior.align([(["the"], ["la"])])

    Raises:
        TypeError: a side is no sequence of words.
    """
    return estimate(numbered(pairs))[0]


def aligned_by_part(
    pairs: Iterable[WordPair],
    size: int,
    links_of: Callable[..., TextLinks],
    threshold: float,
    cover: Cover | None = None,
) -> Iterator[AlignedPair]:
    """Yield the links of sentence pairs, so many of which are read and handled at once.

    Args:
        pairs: the sentence pairs.
        size: how many of them at once.
        links_of: a `soft_links`, of a prior by itself or with an encoder.
        threshold: what a link's probability must exceed.
        cover: as in `Prior.align`.

    Raises:
        ConfigError: there is no such side to cover.
        TypeError: a side is no sequence of words.
    """
    check_cover(cover)
    return _aligned(iter(pairs), size, links_of, threshold, cover)


def _aligned(
    pairs: Iterator[WordPair],
    size: int,
    links_of: Callable[..., TextLinks],
    threshold: float,
    cover: Cover | None,
) -> Iterator[AlignedPair]:
    first = 1
    while part := list(islice(pairs, size)):
        text = numbered(part, first)
        links = links_of(text, mean_share, covers=cover is not None)
        first += len(part)
        yield from aligned_pairs(part, links, threshold, cover)


def numbered(pairs: Iterable[WordPair], first: int = 1) -> NumberedBitext:
    """Number the words of pairs, of which the first has a number in errors."""
    numbering = Numbering()
    for number, (src, tgt) in enumerate(pairs, start=first):
        check_words(src, f"pair {number}, source side")
        check_words(tgt, f"pair {number}, target side")
        numbering.add(src, tgt)
    return numbering.finish()


def estimate(
    text: NumberedBitext,
    on_pass: Callable[[int, int], None] = lambda done, of: None,
    join: Join = geometric_mean,
    threads: int | None = None,
    *,
    covers: bool = False,
) -> tuple[Prior, TextLinks]:
    """Estimate a prior from sentence pairs; return it with the likely links of each.

    Args:
        text: the sentence pairs.
        on_pass: told after each pass over the text how many of how many are done.
        join: how a link's probability comes from both directions' posteriors.
        threads: how many compute at once, by default one on each processor; the result
            is the same for any number.
        covers: whether each word's likeliest link is to be there, likely or not.
    """
    log.info("prior: learning from %d pairs", len(text))
    started = time.monotonic()
    threads = threads or cpu_share()
    passes = LEXICAL_ITERATIONS + HMM_ITERATIONS + 1
    spells = [partial(spell, letters=letters) for letters in LETTERS]
    spellings, cells = gather_spellings(text.renamed(canonical), spells, threads)
    model, counts = estimate_agreement(
        spellings, cells, lambda done: on_pass(done, passes), threads
    )
    links = GrowingLinks()
    _collect(model, cells, links, join, threads, covers)
    on_pass(passes, passes)
    seconds = time.monotonic() - started
    log.info("prior: %d passes over the text in %.0f s", passes, seconds)
    prior = _prior(spellings, cells, model, counts)
    return replace(prior, classifier=_classifier(prior, text, threads)), links.finish()


def _prior(
    spellings: Sequence[Spelling], cells: Cells, model: Model, counts: Counts
) -> Prior:
    """Return what was learnt of a text, by its words instead of its numbers."""
    of_tgt, of_src = counts.linked
    known = []
    for letters, spelling in zip(LETTERS, spellings, strict=True):
        pairs, size = spelling.pairs, len(spelling.of_pair)
        links = added_up(counts.links[:size], spelling.of_pair, len(pairs.src))
        src = _known_words(pairs.src_words, spelling.src, of_src, cells.src)
        tgt = _known_words(pairs.tgt_words, spelling.tgt, of_tgt, cells.tgt)
        known.append(KnownPairs(letters, src, tgt, pairs.keys(), _floats(links)))
    by_null = model.src.by_null, model.tgt.by_null
    thresholds = _thresholds(model, cells)
    return Prior(tuple(known), *by_null, model.null, model.jumps, thresholds)


def _classifier(
    prior: Prior, text: NumberedBitext, threads: int
) -> PairClassifier | None:
    """Fit what tells translations from junk, on pairs that a prior was learnt from."""
    true, junk = junk_of(text)
    if not junk:
        return None
    kinds = [true, *junk]
    every = NumberedBitext.of(chain.from_iterable(kinds))
    features = text_features(*prior._look_up(every, threads), threads, len(true))
    ends = np.cumsum([len(kind) for kind in kinds])[:-1]
    return fit(features[: len(true)], np.split(features, ends)[1:])


def _known_words(
    numbers: dict[str, int], spelling: Ids, linked: Doubles, occurrences: Ids
) -> KnownWords:
    """Return what was learnt of words in one spelling, given their occurrences."""
    counts = np.bincount(spelling[occurrences], minlength=len(numbers))
    totals = added_up(linked, spelling, len(numbers))
    return KnownWords(numbers, _floats(totals), counts.astype(np.float32))


def _thresholds(model: Model, cells: Cells) -> Doubles:
    """Return the threshold of each preset, by evenly spread parts of a text."""
    chunks = cells.chunks()
    chosen = np.unique(np.linspace(0, len(chunks) - 1, THRESHOLD_CHUNKS).astype(int))
    found = [mean_share(*_read(model, cells, *chunks[i])) for i in chosen if chunks]
    return preset_thresholds(np.concatenate([NO_SCORES.ravel(), *found]))


def preset_thresholds(probabilities: NDArray[np.floating[Any]]) -> Doubles:
    """Return for each preset what a link's probability must exceed, by those of all."""
    likely = probabilities[probabilities > LEAST_PROBABILITY]
    if not len(likely):
        return np.full(len(PRESETS), 0.5)
    return np.array([best_threshold(likely, likely, beta) for beta in PRESETS.values()])


def check_cover(cover: Cover | None) -> None:
    """Check that a side, or both, or none is named.

    Raises:
        ConfigError: something else is.
    """
    if cover is not None:
        check_term("cover", cover, get_args(Cover))


def threshold_of(preset: Preset, thresholds: Doubles) -> float:
    """Return a preset's threshold of all.

    Raises:
        ConfigError: there is no such preset.
    """
    check_term("preset", preset, get_args(Preset))
    return float(thresholds[list(PRESETS).index(preset)])


def _floats(values: NDArray[np.float64]) -> Floats:
    return values.astype(np.float32)


def _with_null(links: Floats) -> Floats:
    null = np.maximum(1 - links.sum(axis=1, keepdims=True), 0)
    return np.concatenate([links, null], axis=1)


def _read(model: Model, cells: Cells, first: int, last: int) -> tuple[Floats, Floats]:
    """Return both directions' posteriors of some sentence pairs, by cell."""
    size = int(cells.ends[last] - cells.ends[first])
    forward, reverse = np.empty(size, np.float32), np.empty(size, np.float32)
    read(model, cells, first, last, forward, reverse)
    return forward, reverse


def _collect(
    model: Model,
    cells: Cells,
    links: GrowingLinks,
    join: Join,
    threads: int,
    covers: bool,
) -> None:
    """Add the likely links of all sentence pairs of a text, or of all their words."""

    def run(chunk: tuple[int, int]) -> tuple[Ints, SoftLinks]:
        first, last = chunk
        joint = join(*_read(model, cells, first, last))
        forgotten(cells.pairs[cells.ends[first] : cells.ends[last]])
        kept = joint > LEAST_PROBABILITY
        if covers:
            _keep_best(kept, joint, cells, first, last)
        found = np.flatnonzero(kept)
        ends = cells.ends[first : last + 1] - cells.ends[first]
        pair = np.searchsorted(ends, found, side="right") - 1
        widths = np.diff(cells.src_ends[first : last + 1])[pair]
        tgt, src = np.divmod(found - ends[pair], widths)
        return np.bincount(pair, minlength=last - first), SoftLinks(
            src.astype(np.int32), tgt.astype(np.int32), joint[found].astype(np.float32)
        )

    with ThreadPoolExecutor(threads, "prior") as pool:
        for counts, found in pool.map(run, cells.chunks()):
            links.append(counts, found)


def _keep_best(
    kept: NDArray[np.bool_], joint: Floats, cells: Cells, first: int, last: int
) -> None:
    """Keep the likeliest link of each word of some sentence pairs."""
    begin = cells.ends[first]
    for pair in range(first, last):
        place = slice(cells.ends[pair] - begin, cells.ends[pair + 1] - begin)
        width = int(cells.src_ends[pair + 1] - cells.src_ends[pair])
        if place.start == place.stop:
            continue
        of_pair, marks = (part[place].reshape(-1, width) for part in (joint, kept))
        marks[np.arange(len(of_pair)), of_pair.argmax(axis=1)] = True
        marks[of_pair.argmax(axis=0), np.arange(width)] = True
