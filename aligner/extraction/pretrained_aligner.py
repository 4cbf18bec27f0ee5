"""Align by translation models of others, read as is chosen from some of the text.

A model reads one language and writes another. Two of them, one each way, are joined as
the two directions of our own model are; one alone aligns one way.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

from aligner.errors import ConfigError
from aligner.extraction.forced_decoding import SubwordPair
from aligner.extraction.link_rule import LinkRule, PairScores
from aligner.extraction.pair_aligner import PRIOR_WEIGHT, PairAligner, WordPair
from aligner.extraction.reading import (
    PLAIN,
    Reading,
    WordScores,
    read_word_scores,
)
from aligner.extraction.selection import (
    agreement,
    choose_threshold,
    links_by_reading,
)
from aligner.links.alignment import Alignment, flip
from aligner.pretrained.one_way import OneWayModel
from aligner.pretrained.prior_with_encoder import PriorWithEncoder
from aligner.prior.prior import Prior, estimate_prior
from aligner.ranges import COUNT, SHARE
from aligner.terms import PRESETS, OneWay, Precision, Preset, Rows, Score
from aligner.text.subwords import tag

log = logging.getLogger(__name__)
TAG = tag("tgt", both=False)
BOTH_ROWS: tuple[Rows, ...] = ("awi", "awo")
LONGEST = 500  # pieces on a side of a pair that is chosen by

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
            ConfigError: a model has no such layer, head, rows or score, or there is no
                model of a direction that the rule needs.
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


def choose_readings(
    models: Models,
    pairs: Sequence[WordPair],
    layer: int | None = None,
    rows: Rows | None = None,
    score: Score = "norm",
) -> dict[OneWay, Reading]:
    """Choose the layer and rows of each model by some pairs, without gold.

    Those of both ways by which the links agree best, see `selection.agreement`; of one
    model alone, those that agree best with a prior of the pairs. (The highest mean norm
    says which layer reads most, but not which row speaks for a word.)

    Args:
        models: by direction.
        pairs: of the text.
        layer: the only one to be tried, from 0; by default all.
        rows: likewise; by default where a word is fed in, and where it is foretold.
        score: what is read.

    Raises:
        ConfigError: a model has no such layer or rows.
    """
    good = [pair for pair in pairs if not problem_of(models, pair, LONGEST)]
    cut = {way: cut_pairs(model, way, good) for way, model in models.items()}
    tried = {
        way: [
            Reading(number, name, score)
            for number in (range(model.network.depth) if layer is None else [layer])
            for name in (BOTH_ROWS if rows is None else (rows,))
        ]
        for way, model in models.items()
    }
    for way, model in models.items():
        for reading in tried[way]:
            _check(model, reading)
    links = {
        way: links_by_reading(model.network, cut[way], TAG, tried[way])
        for way, model in models.items()
    }
    if len(models) == 1:
        [(way, of_reading)] = links.items()
        return {way: _as_the_prior(of_reading, good, way)}
    turned = {
        reading: list(map(flip, found)) for reading, found in links["reverse"].items()
    }
    figures = {
        (there, back): agreement(links["forward"][there], turned[back])
        for there, back in product(links["forward"], turned)
    }
    forward, reverse = best = max(figures, key=lambda both: figures[both])
    log.info(
        "forward %s, reverse %s: they agree by %.3f, on %d pairs",
        _name(forward),
        _name(reverse),
        figures[best],
        len(good),
    )
    return {"forward": forward, "reverse": reverse}


def _as_the_prior(
    links: Mapping[Reading, Sequence[Alignment]],
    pairs: Sequence[WordPair],
    way: OneWay,
) -> Reading:
    """Return the reading whose links agree best with those of a prior of the pairs.

    Of few pairs, it is a poor one, but good enough to tell which row speaks for a word.
    """
    of_prior = [pair.links for pair in estimate_prior(pairs).align(pairs)]
    expected = of_prior if way == "forward" else list(map(flip, of_prior))
    figures = {reading: agreement(found, expected) for reading, found in links.items()}
    best = max(figures, key=lambda reading: figures[reading])
    log.info(
        "%s %s: it agrees with a prior of %d pairs by %.3f",
        way,
        _name(best),
        len(pairs),
        figures[best],
    )
    return best


def _name(reading: Reading) -> str:
    return f"layer {reading.layer + 1} {reading.rows.upper()}"


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
    if reading.score not in PLAIN:
        raise ConfigError(
            f"{model.name}: expected score {' or '.join(PLAIN)}, got {reading.score}"
        )
    if reading.rows == "full":
        raise ConfigError(
            f"{model.name}: expected rows awi or awo, got full: its decoder sees no "
            "word ahead"
        )
