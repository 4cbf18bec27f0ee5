"""Align by translation models of others, and perhaps a pretrained encoder beside them.

A model reads one language and writes another. Two of them, one each way, are joined as
the two directions of our own model are; one alone aligns one way. What an encoder says
is joined to what the models say as it is to what a prior says.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from functools import partial

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
from aligner.extraction.selection import choose_threshold
from aligner.extraction.ways import Way, Ways
from aligner.pretrained.encoder_evidence import EncoderEvidence
from aligner.pretrained.one_way import OneWayModel
from aligner.pretrained.prior_with_encoder import PriorWithEncoder, beside_encoder
from aligner.prior.prior import Prior
from aligner.ranges import COUNT, SHARE
from aligner.terms import PRESETS, OneWay, Precision, Preset
from aligner.text.subwords import tag

TAG = tag("tgt", both=False)

Models = Mapping[OneWay, OneWayModel]
Readings = Mapping[OneWay, Reading]


class PretrainedAligner(PairAligner):
    """Aligns sentence pairs by one translation model of others, or one each way.

    models = load_ways("opus-mt-en-fr", "opus-mt-fr-en")
    aligner = PretrainedAligner(models, read_choice(Path("enfr.json")).readings)

    Attributes:
        models: by direction; forward reads the source and writes the target.
        max_length: pieces on a side over which a pair is not aligned.
        precision: of the networks' matrix products.
        encoder: what is joined to both ways of the models, if anything.
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
        encoder: EncoderEvidence | None = None,
    ) -> None:
        """Set up alignment with loaded models.

        Raises:
            ConfigError: a model has no such layer, head, rows or score, or there is no
                model of a direction that the rule needs.
        """
        COUNT.check("max_length", max_length)
        SHARE.check("prior_weight", prior_weight)
        self.models, self._readings = models, readings
        [*known] = models
        self.rule = rule or LinkRule("both" if len(known) == 2 else known[0])
        self.max_length, self.precision = max_length, precision
        self.prior, self.encoder = prior, encoder
        self.prior_weight = prior_weight if prior else 0.0
        for direction, model in models.items():
            check_reading(model, readings[direction])
        _check_rule(self.rule, models)

    @property
    def ways(self) -> Ways:
        """The directions that are known, to be looked at by themselves."""
        return ways_of_others(self.models)

    @property
    def readings(self) -> Readings:
        """What is read of each direction."""
        return self._readings

    def thresholds(self, pairs: Sequence[WordPair]) -> dict[Preset, float]:
        """Return for each preset the threshold for which F is expected to be highest.

        By some pairs of the text; none where only one way is known.
        """
        good = [pair for pair in pairs if not self.problem(pair)]
        scores = [
            (forward, reverse)
            for forward, reverse in self.word_scores(good)
            if forward is not None and reverse is not None
        ]
        if len(self.models) == 1:
            return {}
        return {name: choose_threshold(scores, beta) for name, beta in PRESETS.items()}

    def with_rule(self, rule: LinkRule) -> "PretrainedAligner":
        """Return the same with another rule.

        Raises:
            ConfigError: there is no model of a direction that it needs.
        """
        _check_rule(rule, self.models)
        other = copy(self)
        other.rule = rule
        return other

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
                    self._readings[direction],
                    self.precision,
                )
        both = zip(found["forward"], found["reverse"], strict=True)
        scores = [PairScores(forward, reverse) for forward, reverse in both]
        if self.encoder is None:
            return scores
        of_encoder = self.encoder.word_scores(pairs)
        return [
            PairScores(*map(_joined, of_pair, shares))
            for of_pair, shares in zip(scores, of_encoder, strict=True)
        ]

    def problem(self, pair: WordPair) -> str:
        """Return why a pair cannot be aligned, or an empty string."""
        return problem_of(self.models, pair, self.max_length)


def ways_of_others(models: Models) -> dict[OneWay, Way]:
    """Return the directions of models, each as a network and how pairs are cut."""
    return {
        way: Way(model.network, TAG, partial(_cut, model, way))
        for way, model in models.items()
    }


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
    return [_cut(model, direction, pair) for pair in pairs]


def _cut(model: OneWayModel, direction: OneWay, pair: WordPair) -> SubwordPair:
    read, written = pair if direction == "forward" else pair[::-1]
    ids, words = model.read(read)
    tgt_ids, tgt_words = model.written(written)
    return SubwordPair(ids, tgt_ids, words, tgt_words)


def _joined(scores: WordScores | None, of_encoder: WordScores) -> WordScores | None:
    return None if scores is None else beside_encoder(scores, of_encoder)


def check_reading(model: OneWayModel, reading: Reading) -> None:
    """Check that a model has what is to be read.

    Raises:
        ConfigError: it has no such layer, head, rows or score.
    """
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


def _check_rule(rule: LinkRule, models: Models) -> None:
    way = rule.direction
    missing = ({"forward", "reverse"} if way == "both" else {way}) - set(models)
    if missing:
        raise ConfigError(
            f"direction {way}: expected a model for it, got none for {min(missing)}"
        )
