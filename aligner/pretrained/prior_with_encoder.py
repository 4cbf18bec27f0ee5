"""The statistical prior and a pretrained encoder together.

The prior knows the text and nothing else, the encoder what words mean and nothing of
the text; they err in different places. Each row of the one is multiplied with that of
the other, and brought to sum 1 again. What both know would count twice in a product,
and in a geometric mean an encoder that knows nothing would flatten what the prior
knows: a power in between makes the shares most like probabilities.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aligner.errors import CorpusError
from aligner.links.aligned_pair import AlignedPair
from aligner.links.matching import joint_scores, mixed
from aligner.pretrained.encoder_evidence import BothWays, EncoderEvidence, Floats
from aligner.pretrained.storage import (
    forget_choice,
    has_choice,
    load_choice,
    save_choice,
)
from aligner.pretrained.word_encoder import WordEncoder
from aligner.prior.by_part import aligned_by_part, numbered
from aligner.prior.prior import Prior
from aligner.prior.soft_links import (
    LEAST_PROBABILITY,
    NO_LINKS,
    GrowingLinks,
    SoftLinks,
    TextLinks,
)
from aligner.prior.storage import load_prior, save_prior
from aligner.prior.thresholds import score_thresholds, threshold_of
from aligner.terms import Cover, Preset
from aligner.text.numbered import NumberedBitext, WordPair

log = logging.getLogger(__name__)
WEIGHT = 0.5  # of the encoder
POWER = 1.5  # 1 would make it a geometric mean, 2 a product
SAMPLE_PAIRS, SAMPLE_WORDS = 200, 100  # that are chosen by, and words on a side
PART, PART_CELLS = 1024, 1 << 20  # pairs, and pairs of words, that are read together

Doubles = NDArray[np.float64]


class PriorWithEncoder:
    """A statistical aligner beside a pretrained encoder.

    prior = estimate_prior(pairs)
    both = PriorWithEncoder.choose(prior, "multilingual-e5-small", pairs)
    [pair] = both.align([(["the"], ["la"])])
    both.save("priors/enfr")

    Attributes:
        prior: the one.
        evidence: the other.
        thresholds: for each preset, what the power mean of both directions' shares must
            exceed for a link.
    """

    def __init__(
        self, prior: Prior, evidence: EncoderEvidence, thresholds: Doubles
    ) -> None:
        """Set up both."""
        self.prior = prior
        self.evidence = evidence
        self.thresholds = thresholds

    @classmethod
    def choose(
        cls, prior: Prior, encoder: str | WordEncoder, pairs: Iterable[WordPair]
    ) -> "PriorWithEncoder":
        """Choose by some sentence pairs of a text how an encoder is read.

        Args:
            prior: estimated from the text.
            encoder: a loaded one, a directory, or a hub name.
            pairs: the text; evenly spread ones of usual length are used.

        Raises:
            ConfigError: `transformers` is not installed.
            CorpusError: no pair has words on both sides.
            ModelError: the encoder does not load, or cannot be read.
        """
        started = time.monotonic()
        if isinstance(encoder, str):
            encoder = WordEncoder.load(encoder)
        if not isinstance(pairs, NumberedBitext):
            pairs = numbered(pairs)
        some = prior.as_read(sample_of(pairs))
        log.info("encoder: trying its layers on %d pairs", len(some))
        links = prior.word_scores(some)
        evidence, found = EncoderEvidence.choose(encoder, some, links)
        scores = list(map(_mixed, links, found))
        layer, sharpness, null, _ = evidence.choice
        log.info(
            "encoder: layer %d of %d, temperature %.3f, NULL as like as %.2f, chosen "
            "by the prior's links in %.0f s",
            layer,
            encoder.depth,
            1 / sharpness,
            null,
            time.monotonic() - started,
        )
        return cls(prior, evidence, score_thresholds(scores))

    @classmethod
    def load(
        cls, directory: str | Path, encoder: str | WordEncoder
    ) -> "PriorWithEncoder":
        """Read what `save` or `aligner prior --save` wrote, or a model directory.

        Args:
            directory: where it lies.
            encoder: the one that it was chosen with: loaded, a directory, or a hub
                name.

        Raises:
            ConfigError: `transformers` is not installed.
            ModelError: something is missing or damaged, or the encoder is another.
        """
        return cls.of(load_prior(directory), directory, encoder)

    @classmethod
    def of(
        cls,
        prior: Prior,
        directory: str | Path,
        encoder: str | WordEncoder,
        pairs: Iterable[WordPair] = (),
    ) -> "PriorWithEncoder":
        """Put an encoder beside a prior that was loaded from a directory.

        It is read as was chosen when both were kept. Where nothing was, that is chosen
        by pairs of a text, if there are any; else it fails as `load` does.
        """
        if isinstance(encoder, str):
            encoder = WordEncoder.load(encoder)
        full = () if has_choice(Path(directory)) else filter(all, pairs)
        if some := list(islice(full, SAMPLE_PAIRS)):
            return cls.choose(prior, encoder, some)
        return cls(prior, *load_choice(Path(directory), encoder))

    def save(self, directory: str | Path) -> None:
        """Write the prior and how the encoder is read, which stays where it is."""
        save_prior(directory, self.prior)
        save_choice(Path(directory), self.evidence, self.thresholds)

    def threshold(self, preset: Preset = "balanced") -> float:
        """Return what the power mean of both directions' shares must exceed for a link.

        Raises:
            ConfigError: there is no such preset.
        """
        return threshold_of(preset, self.thresholds)

    def word_scores(self, pairs: Sequence[WordPair]) -> list[BothWays]:
        """Return both directions' shares of sentence pairs, as `Prior.word_scores`.

        The rows need to be brought to sum 1.
        """
        of_prior = self.prior.word_scores(pairs)
        of_encoder = self.evidence.word_scores(self.prior.as_read(pairs))
        return list(map(_mixed, of_prior, of_encoder))

    def align(
        self,
        pairs: Iterable[WordPair],
        preset: Preset = "balanced",
        cover: Cover | None = None,
    ) -> Iterator[AlignedPair]:
        """Yield the links of sentence pairs, given as words.

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

    def pair_scores(self, text: NumberedBitext) -> Doubles | None:
        """Return the prior's own, see there: the encoder is not asked."""
        return self.prior.pair_scores(text)

    def soft_links(
        self,
        text: NumberedBitext,
        on_pairs: Callable[[int, int], None] = lambda done, of: None,
        *,
        covers: bool = False,
    ) -> TextLinks:
        """Return the likely links of a text, on disk.

        So many pairs at a time that memory does not grow with the text.

        Args:
            text: the sentence pairs.
            on_pairs: told now and then how many pairs of how many are done.
            covers: whether each word's likeliest link is to be there, likely or not.
        """
        links = GrowingLinks()
        for first, last in _parts(text):
            pairs = list(text.part(first, last))
            scores = iter(self.word_scores([pair for pair in pairs if all(pair)]))
            for pair in pairs:
                found = _likely(next(scores), covers) if all(pair) else NO_LINKS
                links.append(np.array([len(found.src)]), found)
            on_pairs(last, len(text))
        return replace(links.finish(), scores=self.pair_scores(text))


def save_known(directory: Path, known: Prior | PriorWithEncoder) -> None:
    """Write a prior, with how an encoder is read beside it only if it has one."""
    if isinstance(known, PriorWithEncoder):
        known.save(directory)
        return
    save_prior(directory, known)
    forget_choice(directory)


def _parts(text: NumberedBitext) -> Iterator[tuple[int, int]]:
    """Yield where each part of a text begins and ends, limited in pairs and in cells.

    A pair that is larger than the limit is a part by itself.
    """
    cells = np.cumsum(text.src.numbers.lengths() * text.tgt.numbers.lengths())
    first = before = 0
    while first < len(text):
        fitting = int(np.searchsorted(cells, before + PART_CELLS, "right"))
        last = max(first + 1, min(fitting, first + PART))
        yield first, last
        first, before = last, int(cells[last - 1])


def sample_of(text: NumberedBitext) -> list[WordPair]:
    """Return evenly spread pairs of usual length, or the shortest that have words.

    Raises:
        CorpusError: there are none.
    """
    lengths = np.stack([text.src.numbers.lengths(), text.tgt.numbers.lengths()])
    full = lengths.min(axis=0) > 0
    usual = np.flatnonzero(full & (lengths.max(axis=0) <= SAMPLE_WORDS))
    if not len(usual):
        shortest = np.argsort(lengths.max(axis=0), kind="stable")
        usual = shortest[full[shortest]][:SAMPLE_PAIRS]
    if not len(usual):
        raise CorpusError("expected a pair with words on both sides, got none")
    places = np.linspace(0, len(usual) - 1, min(SAMPLE_PAIRS, len(usual)))
    return [text[place] for place in usual[places.astype(int)].tolist()]


def beside_encoder(scores: Floats, of_encoder: Floats) -> Floats:
    """Return the joint shares of an encoder and of what knows nothing of it.

    The rows need to be brought to sum 1.
    """
    joint: Floats = (mixed(scores, of_encoder, WEIGHT) ** POWER).astype(np.float32)
    return joint


def _mixed(one: BothWays, other: BothWays) -> BothWays:
    forward, reverse = map(beside_encoder, one, other)
    return forward, reverse


def _likely(scores: BothWays, covers: bool) -> SoftLinks:
    joint = joint_scores(*scores).T.astype(np.float32)  # (T, S)
    kept = joint > LEAST_PROBABILITY
    if covers:
        kept[np.arange(len(joint)), joint.argmax(axis=1)] = True
        kept[joint.argmax(axis=0), np.arange(joint.shape[1])] = True
    tgt, src = np.nonzero(kept)
    return SoftLinks(src.astype(np.int32), tgt.astype(np.int32), joint[tgt, src])
