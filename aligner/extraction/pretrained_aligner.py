"""Align by translation models of others, read as is chosen from some of the text.

A model reads one language and writes another. Two of them, one each way, are joined as
the two directions of our own model are; one alone aligns one way.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from aligner.errors import ConfigError, CorpusError
from aligner.extraction.forced_decoding import SubwordPair
from aligner.extraction.link_rule import LinkRule, PairScores
from aligner.extraction.pair_aligner import PRIOR_WEIGHT, PairAligner, WordPair
from aligner.extraction.reading import Reading, WordScores, read_word_scores
from aligner.extraction.selection import (
    agreement,
    choose_by_norm,
    choose_threshold,
    links_by_reading,
)
from aligner.links.alignment import flip
from aligner.pretrained.one_way import OneWayModel
from aligner.pretrained.prior_with_encoder import PriorWithEncoder
from aligner.prior.prior import Prior
from aligner.ranges import COUNT, SHARE
from aligner.terms import PRESETS, OneWay, Precision, Preset, Score
from aligner.text.subwords import tag

log = logging.getLogger(__name__)
TAG = tag("tgt", both=False)
SAMPLE_PAIRS, SAMPLE_WORDS = 200, 100  # that are chosen by, and words on a side

Models = Mapping[OneWay, OneWayModel]
Readings = Mapping[OneWay, Reading]


class PretrainedAligner(PairAligner):
    """Aligns sentence pairs by one translation model of others, or one each way.

    models = {"forward": load_translation("opus-mt-en-fr")}
    models["reverse"] = load_translation("opus-mt-fr-en")
    aligner = PretrainedAligner(models, choose_readings(models, sample))

    Attributes:
        models: by direction; forward reads the source and writes the target.
        readings: what is read of each.
        max_length: pieces on a side over which a pair is not aligned.
        precision: of the networks' matrix products.
    """

    def __init__(
        self,
        models: Models,
        readings: Readings,
        rule: LinkRule | None = None,
        max_length: int = 500,
        prior: Prior | PriorWithEncoder | None = None,
        prior_weight: float = PRIOR_WEIGHT,
        precision: Precision = "auto",
    ) -> None:
        """Set up alignment with loaded models.

        Raises:
            ConfigError: a model has no such layer, head or rows, or there is no model
                of a direction that the rule needs.
        """
        COUNT.check("max_length", max_length)
        SHARE.check("prior_weight", prior_weight)
        self.models, self.readings = models, readings
        [*known] = models
        self.rule = rule or LinkRule("both" if len(known) == 2 else known[0])
        self.max_length, self.precision = max_length, precision
        self.prior = prior
        self.prior_weight = prior_weight if prior else 0.0
        for direction, model in models.items():
            _check(model, readings[direction])
        ways = (
            {"forward", "reverse"}
            if self.rule.direction == "both"
            else {self.rule.direction}
        )
        if missing := ways - set(models):
            raise ConfigError(
                f"direction {self.rule.direction}: expected a model for it, got none "
                f"for {min(missing)}"
            )

    def with_threshold(
        self, pairs: Sequence[WordPair], preset: Preset = "balanced"
    ) -> "PretrainedAligner":
        """Return the same with the threshold for which F is expected to be highest.

        By some pairs of the text; without effect where only one way is known.
        """
        good = [pair for pair in pairs if not self.problem(pair)]
        scores = [
            (forward, reverse)
            for forward, reverse in self.word_scores(good)
            if forward is not None and reverse is not None
        ]
        threshold = choose_threshold(scores, PRESETS[preset])
        log.info("threshold %.2f, by %d pairs", threshold, len(scores))
        return PretrainedAligner(
            self.models,
            self.readings,
            replace(self.rule, threshold=threshold),
            self.max_length,
            self.prior,
            self.prior_weight,
            self.precision,
        )

    def _network_scores(self, pairs: Sequence[WordPair]) -> list[PairScores]:
        """Return what the models say of pairs that have no `problem`."""
        found: dict[OneWay, Sequence[WordScores | None]] = {
            "forward": [None] * len(pairs),
            "reverse": [None] * len(pairs),
        }
        for direction, model in self.models.items():
            if self.rule.direction in ("both", direction):
                found[direction] = read_word_scores(
                    model.network,
                    cut_pairs(model, direction, pairs),
                    TAG,
                    self.readings[direction],
                    self.precision,
                )
        both = zip(found["forward"], found["reverse"], strict=True)
        return [PairScores(forward, reverse) for forward, reverse in both]

    def problem(self, pair: WordPair) -> str:
        """Return why a pair cannot be aligned, or an empty string."""
        return problem_of(self.models, pair, self.max_length)


def problem_of(models: Models, pair: WordPair, max_length: int) -> str:
    """Return why a pair cannot be read by some models, or an empty string."""
    for place, name in enumerate(("source", "target")):
        if not len(pair[place]):
            return f"the {name} side is empty"
        for direction, model in models.items():
            is_read = (name == "source") == (direction == "forward")
            ids, _ = (model.read if is_read else model.written)(pair[place])
            most = min(max_length, model.room or max_length)
            if len(ids) > most:
                return f"the {name} side has {len(ids)} pieces, more than {most}"
    return ""


def cut_pairs(
    model: OneWayModel, direction: OneWay, pairs: Sequence[WordPair]
) -> list[SubwordPair]:
    """Return pairs as pieces, where `src` is what a model of a direction reads."""
    cut = []
    for src, tgt in pairs:
        read, written = (src, tgt) if direction == "forward" else (tgt, src)
        ids, words = model.read(read)
        tgt_ids, tgt_words = model.written(written)
        cut.append(SubwordPair(ids, tgt_ids, words, tgt_words))
    return cut


def sample_of(pairs: Sequence[WordPair]) -> list[WordPair]:
    """Return evenly spread pairs of usual length to choose by.

    Raises:
        CorpusError: there are none.
    """
    usual = [
        place
        for place, (src, tgt) in enumerate(pairs)
        if src and tgt and max(len(src), len(tgt)) <= SAMPLE_WORDS
    ]
    if not usual:
        raise CorpusError(
            f"expected a pair of at most {SAMPLE_WORDS} words a side to choose by, "
            "got none"
        )
    spread = np.linspace(0, len(usual) - 1, min(SAMPLE_PAIRS, len(usual)))
    return [pairs[usual[place]] for place in spread.astype(int).tolist()]


def choose_readings(
    models: Models, pairs: Sequence[WordPair], score: Score = "norm"
) -> dict[OneWay, Reading]:
    """Choose the layer and rows of each model by some pairs, without gold.

    Those of both ways by which the links agree best, see `selection.agreement`; of one
    model alone, the layer of the highest mean norm, read where a word is fed in.
    """
    good = [pair for pair in pairs if not problem_of(models, pair, 1 << 20)]
    cut = {way: cut_pairs(model, way, good) for way, model in models.items()}
    if len(models) == 1:
        [(way, model)] = models.items()
        reading = choose_by_norm(model.network, cut[way]).reading
        log.info("layer %d AWI, of the highest mean norm", reading.layer + 1)
        return {way: replace(reading, score=score)}
    links = {
        way: links_by_reading(model.network, cut[way], TAG, _readings(model, score))
        for way, model in models.items()
    }
    turned = {
        reading: [flip(found) for found in of_reading]
        for reading, of_reading in links["reverse"].items()
    }
    figures = {
        (there, back): agreement(links["forward"][there], turned[back])
        for there, back in product(links["forward"], turned)
    }
    best = max(figures, key=lambda both: figures[both])
    forward, reverse = best
    log.info(
        "forward layer %d %s, reverse layer %d %s: they agree by %.3f",
        forward.layer + 1,
        forward.rows.upper(),
        reverse.layer + 1,
        reverse.rows.upper(),
        figures[best],
    )
    return {"forward": forward, "reverse": reverse}


def _readings(model: OneWayModel, score: Score) -> list[Reading]:
    return [
        Reading(layer, rows, score)
        for layer in range(model.network.depth)
        for rows in ("awi", "awo")
    ]


def _check(model: OneWayModel, reading: Reading) -> None:
    depth, heads = model.network.depth, model.network.heads
    if reading.layer >= depth:
        raise ConfigError(
            f"{model.name}: expected a layer from 1 to {depth}, got {reading.layer + 1}"
        )
    if reading.head is not None and reading.head >= heads:
        raise ConfigError(
            f"{model.name}: expected a head from 1 to {heads}, got {reading.head + 1}"
        )
    if reading.rows == "full":
        raise ConfigError(
            f"{model.name}: expected rows awi or awo, got full: its decoder sees no "
            "word ahead"
        )
