"""Load a model, align sentence pairs."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import get_args

from aligner.errors import ConfigError, ModelError
from aligner.extraction.expected_attention import joint_links
from aligner.extraction.forced_decoding import SubwordPair
from aligner.extraction.link_rule import (
    SOFT_THRESHOLD,
    LinkRule,
    PairScores,
)
from aligner.extraction.pair_aligner import PRIOR_WEIGHT, BothWays, PairAligner
from aligner.extraction.pair_aligner import WordPair as WordPair
from aligner.extraction.reading import Reading, WordScores, read_word_scores
from aligner.extraction.ways import Way, Ways
from aligner.nmt.checkpoint import TranslationModel, load_model
from aligner.pretrained.prior_with_encoder import PriorWithEncoder
from aligner.pretrained.word_encoder import WordEncoder
from aligner.prior.prior import Prior
from aligner.ranges import COUNT, SHARE
from aligner.terms import (
    Mean,
    OneWay,
    Precision,
    Preset,
    Side,
    TrainedDirection,
    check_term,
)
from aligner.text.subwords import Subwords, tag
from aligner.text.tokenizers import WordTokenizer, word_tokenizers

GROWTH = 4  # characters, at most, that one becomes in the form that subwords know


class Aligner(PairAligner):
    """A loaded model that aligns sentence pairs.

    aligner = Aligner.load("models/enfr")
    for pair in aligner.align([(["the", "house"], ["la", "maison"])]):
        print(sorted(pair.links))
    """

    def __init__(
        self,
        model: TranslationModel,
        reading: Reading | None = None,
        rule: LinkRule | None = None,
        max_length: int = 500,
        prior_weight: float | None = None,
        precision: Precision = "auto",
        prior: Prior | PriorWithEncoder | None = None,
    ) -> None:
        """Set up alignment with a loaded model.

        Args:
            model: the translation model.
            reading: what is read of the attention; by default what was chosen when
                the model was trained.
            rule: how scores become links; by default the model's own, see
                `stored_rule`.
            max_length: subwords on a side over which a pair is not aligned.
            prior_weight: from 0, the attention alone, to 1, the prior alone; by
                default what was chosen when the model was trained. Where the model has
                no prior, the attention alone is used.
            precision: of the network's matrix products; `auto` is bfloat16 where the
                processor multiplies it in hardware.
            prior: in place of the model's own, one with an encoder.

        Raises:
            ConfigError: the model has no such layer, head or direction, a number is
                out of its range, or there is no such precision.
            ModelError: the model stores no choice and none is given.
        """
        COUNT.check("max_length", max_length)
        if prior_weight is None:
            prior_weight = stored_weight(model)
        SHARE.check("prior_weight", prior_weight)
        check_term("precision", precision, get_args(Precision))
        self.model = model
        self.reading = reading or stored_reading(model)
        self.rule = rule or stored_rule(model, prior_weight=prior_weight)
        self.max_length = max_length
        self.prior = prior or model.prior
        self.prior_weight = prior_weight if self.prior else 0.0
        self.precision = precision
        self._check()

    @classmethod
    def load(
        cls,
        directory: str | Path,
        device: str = "cpu",
        precision: Precision = "auto",
        encoder: str | Path | None = None,
    ) -> "Aligner":
        """Load a model directory with its own choices.

        Args:
            directory: the model.
            device: where the network lies.
            precision: of its matrix products.
            encoder: the pretrained encoder that it was trained with, to be asked too.

        Raises:
            ConfigError: there is no such precision, or `transformers` is missing.
            ModelError: the directory is not a whole model, or it was trained without
                the encoder.
        """
        model, prior = load_model(Path(directory), device), None
        if encoder is not None:
            prior = with_encoder(model, Path(directory), str(encoder), precision)
        return cls(model, precision=precision, prior=prior)

    @property
    def ways(self) -> Ways:
        """The directions that are known, to be looked at by themselves."""
        return ways_of(self.model)

    @property
    def readings(self) -> dict[OneWay, Reading]:
        """What is read of each direction: the same."""
        return dict.fromkeys(self.ways, self.reading)

    @property
    def tokenizers(self) -> tuple[WordTokenizer, WordTokenizer]:
        """What cuts lines of either side into words, as when the model was trained.

        Raises:
            ConfigError: while cutting, the package of a segmenter is missing.
        """
        return word_tokenizers(self.model.meta.files.tokenize)

    def _word_scores(self, pairs: Sequence[WordPair]) -> list[PairScores]:
        if not (self.prior and self.model.meta.expects_prior):
            return super()._word_scores(pairs)
        expected = self.prior_scores(pairs)
        scores = self._network_scores(pairs, expected)
        return self._mixed(scores, expected) if self.prior_weight else scores

    def _network_scores(
        self, pairs: Sequence[WordPair], expected: Sequence[BothWays] | None = None
    ) -> list[PairScores]:
        """Return what the network says of pairs that have no `problem`."""
        segmented = segment(self.model, pairs, expected)
        direction, tags = self.rule.direction, direction_tags(self.model)
        forward: Sequence[WordScores | None] = [None] * len(pairs)
        reverse: Sequence[WordScores | None] = [None] * len(pairs)
        if direction != "reverse":
            forward = self._read(segmented, tags["forward"])
        if direction != "forward":
            turned = [pair.turned() for pair in segmented]
            reverse = self._read(turned, tags["reverse"])
        return [PairScores(f, r) for f, r in zip(forward, reverse, strict=True)]

    def _read(self, pairs: Sequence[SubwordPair], tag: int) -> list[WordScores]:
        return read_word_scores(
            self.model.network, pairs, tag, self.reading, self.precision
        )

    def problem(self, pair: WordPair) -> str:
        """Return why a pair cannot be aligned, or an empty string."""
        return problem_of(pair, self.model.subwords, self.max_length)

    def _check(self) -> None:
        sizes = self.model.config.transformer
        reading, rule = self.reading, self.rule
        if not 0 <= reading.layer < sizes.decoder_layers:
            raise ConfigError(
                f"expected a layer from 1 to {sizes.decoder_layers}, "
                f"got {reading.layer + 1}"
            )
        if reading.head is not None and not 0 <= reading.head < sizes.heads:
            raise ConfigError(
                f"expected a head from 1 to {sizes.heads}, got {reading.head + 1}"
            )
        if rule.direction != "forward" == trained_direction(self.model):
            raise ConfigError(
                "the model was trained forward only: expected direction forward, "
                f"got {rule.direction}"
            )


def with_encoder(
    model: TranslationModel,
    directory: Path,
    encoder: str,
    precision: Precision = "auto",
    pairs: Iterable[WordPair] = (),
) -> PriorWithEncoder:
    """Return a model's prior with an encoder.

    Args:
        model: of which the prior is.
        directory: of the model, where it is kept how the encoder is read that it was
            trained with.
        encoder: a directory or a hub name.
        precision: of the encoder's matrix products.
        pairs: by which it is chosen how the encoder is read, where nothing is kept.

    Raises:
        ConfigError: `transformers` is not installed.
        ModelError: it does not load, or the model was trained without it and there are
            no pairs.
    """
    if model.prior is None:
        raise ModelError(f"{directory}: expected a model with a prior, got none")
    device = str(next(model.network.parameters()).device)
    loaded = WordEncoder.load(encoder, device, precision)
    return PriorWithEncoder.of(model.prior, directory, loaded, pairs)


def problem_of(pair: WordPair, subwords: Subwords, max_length: int) -> str:
    """Return why a pair cannot be read, or an empty string."""
    for name, words in zip(("source", "target"), pair, strict=True):
        if not len(words):
            return f"the {name} side is empty"
        # A subword holds at least one character, so this settles most pairs.
        if GROWTH * sum(map(len, words)) + len(words) > max_length:
            side: Side = "src" if name == "source" else "tgt"
            count = len(subwords.encode(words, side)[0])
            if count > max_length:
                return (
                    f"the {name} side has {count} subwords, "
                    f"more than max_length {max_length}"
                )
    return ""


def trained_direction(model: TranslationModel) -> TrainedDirection:
    """Return the directions that a model was trained in."""
    return model.config.training.direction


def segment(
    model: TranslationModel,
    pairs: Sequence[WordPair],
    expected: Sequence[BothWays] | None = None,
) -> list[SubwordPair]:
    """Cut pairs into a model's subwords, with what its prior expects if it asks that.

    Args:
        model: the model.
        pairs: they have no `problem`.
        expected: both directions' shares by the prior, if they are known already.
    """
    if not model.meta.expects_prior or model.prior is None:
        return [SubwordPair.of(pair, model.subwords) for pair in pairs]
    if expected is None:
        expected = model.prior.word_scores(pairs)
    return [
        SubwordPair.of(pair, model.subwords, joint_links(*shares))
        for pair, shares in zip(pairs, expected, strict=True)
    ]


def direction_tags(model: TranslationModel) -> dict[OneWay, int]:
    """Return the directions that a model knows, and what its decoder is fed first.

    Forward writes the target, reverse the source.
    """
    both = trained_direction(model) == "both"
    tags: dict[OneWay, int] = {"forward": tag("tgt", both=both)}
    return tags | {"reverse": tag("src")} if both else tags


def ways_of(model: TranslationModel) -> dict[OneWay, Way]:
    """Return the directions of a model, each as a network and how pairs are cut."""

    def cut(pair: WordPair) -> SubwordPair:
        return segment(model, [pair])[0]

    def cut_turned(pair: WordPair) -> SubwordPair:
        return cut(pair).turned()

    network = model.network
    guided = model.config.training.guide_layer - 1 if model.is_guided else None
    cuts: dict[OneWay, Callable[[WordPair], SubwordPair]] = {
        "forward": cut,
        "reverse": cut_turned,
    }
    return {
        way: Way(network, tag, cuts[way], guided, network)
        for way, tag in direction_tags(model).items()
    }


def stored_rule(
    model: TranslationModel,
    preset: Preset = "balanced",
    prior_weight: float = PRIOR_WEIGHT,
) -> LinkRule:
    """Return how a model's scores become links by default.

    Both directions joined, by the threshold that was chosen for a preset when the model
    was trained, one of its own where the attention alone is read; or forward alone, if
    the model knows nothing else.

    Raises:
        ConfigError: a preset is asked for that the model stores no threshold for.
    """
    check_term("preset", preset, get_args(Preset))
    chosen = model.meta.alignment
    stored = None
    if chosen is not None:
        stored = chosen.thresholds.get(preset)
        if not prior_weight:
            stored = chosen.thresholds_alone.get(preset, stored)
    if stored is None and preset != "balanced":
        direction = trained_direction(model)
        raise ConfigError(
            f"preset {preset}: expected both directions, got {direction}"
            if direction != "both"
            else f"preset {preset}: the model stores no threshold for it, as it was "
            "trained by an earlier version: expected a threshold instead"
        )
    threshold = SOFT_THRESHOLD if stored is None else stored
    mean: Mean = "power" if model.meta.expects_prior else "harmonic"
    return LinkRule(trained_direction(model), threshold=threshold, mean=mean)


def stored_weight(model: TranslationModel) -> float:
    """Return what the prior counts beside a model's attention, from 0 to 1."""
    chosen = model.meta.alignment
    return PRIOR_WEIGHT if chosen is None else chosen.prior_weight


def stored_reading(model: TranslationModel) -> Reading:
    """Return the layer and rows that were chosen when the model was trained.

    Raises:
        ModelError: the model's meta.json holds no choice.
    """
    chosen = model.meta.alignment
    if chosen is None:
        raise ModelError(
            "meta.json: expected the layer and rows chosen for alignment: "
            "the training did not finish; give a layer and rows"
        )
    return Reading(layer=chosen.layer - 1, rows=chosen.rows)
