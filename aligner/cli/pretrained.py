"""What commands do with translation models of others: load them, choose, align."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aligner.cli.console import say
from aligner.cli.progress import show_pass
from aligner.errors import ConfigError
from aligner.terms import OneWay, Precision, Preset, Rows, Score
from aligner.text.bitext import first_piped

if TYPE_CHECKING:
    from aligner.extraction.link_rule import LinkRule
    from aligner.extraction.pair_aligner import WordPair
    from aligner.extraction.pretrained_aligner import PretrainedAligner, Readings
    from aligner.extraction.stored_choice import Choice
    from aligner.pretrained.encoder_evidence import EncoderEvidence
    from aligner.pretrained.one_way import OneWayModel
    from aligner.pretrained.word_encoder import WordEncoder
    from aligner.text.tokenizers import Languages

    Models = dict[OneWay, OneWayModel]

FIRST_PAIRS = 10_000  # that those to choose by are taken from, without a prior


class NamedModels(NamedTuple):
    """Models of others, as the options name them."""

    model: str
    reverse_model: str | None = None
    languages: tuple[str, str] | None = None
    choice: Path | None = None
    encoder: str | None = None

    @property
    def are_meant(self) -> bool:
        """Whether the options are about a model of others, not one of ours."""
        from aligner.pretrained.translation import is_foreign

        given = self.reverse_model or self.languages or self.choice
        return bool(given) or is_foreign(self.model)

    def load(self, device: str) -> "Models":
        """Load the models of one way or both; say so, if it is one."""
        from aligner.pretrained.translation import load_ways

        models = load_ways(self.model, self.reverse_model, self.languages, device)
        if len(models) == 1:
            say("note: one direction only, as there is no --reverse-model")
        return models


class Asked(NamedTuple):
    """What the options say to read, counted from 0; None for what is to be chosen."""

    layer: int | None
    rows: Rows | None
    score: Score
    head: int | None
    prior_weight: float

    @classmethod
    def of(
        cls,
        layer: int | None,
        rows: Rows | None,
        score: Score = "norm",
        head: int | None = None,
        prior_weight: float | None = None,
    ) -> "Asked":
        """Take the options, which count from 1."""
        return cls(
            None if layer is None else layer - 1,
            rows,
            score,
            None if head is None else head - 1,
            prior_weight or 0.0,
        )

    def check_chosen(self, choice: Path) -> None:
        """Check that nothing is asked for that a file has chosen.

        Raises:
            ConfigError: something is.
        """
        given = {
            "--layer": self.layer is not None,
            "--rows": self.rows is not None,
            "--score": self.score != "norm",
            "--head": self.head is not None,
            "--prior-weight": bool(self.prior_weight),
        }
        if names := [name for name, is_given in given.items() if is_given]:
            raise ConfigError(
                f"{names[0]}: expected none beside --choice, as {choice} says what is "
                "read"
            )


def text_languages(
    model: Path, choice: Path | None, said: "Languages | None"
) -> "Languages | None":
    """Return the languages that cut a text: those of which a model or a choice knows.

    Raises:
        ConfigError: the user says others.
        ModelError: what is stored is damaged.
    """
    from aligner.extraction.stored_choice import read_choice
    from aligner.nmt.model_meta import META, read_meta
    from aligner.text.tokenizers import agreed_languages

    stored = None
    if choice is not None:
        stored = read_choice(choice).tokenize
    elif (model / META).is_file():
        stored = read_meta(model).files.tokenize
    return agreed_languages(stored, said, choice or model)


def check_is_kept(src: str, tgt: str | None, others: NamedModels) -> None:
    """Check that a text can be read twice, where it is chosen by.

    Raises:
        ConfigError: it cannot.
    """
    if others.choice is None and (piped := first_piped(src, tgt)):
        raise ConfigError(
            f"{piped}: expected a file, as some of it is read first to choose by, or "
            "a --choice"
        )


def pretrained_aligner(
    others: NamedModels,
    models: "Models",
    read: "Callable[[], Iterator[WordPair]]",
    asked: Asked,
    rule: "LinkRule",
    preset: Preset | None,
    max_length: int,
    precision: Precision,
) -> "PretrainedAligner":
    """Return what aligns a text, after what is to be chosen is chosen by some of it.

    Args:
        others: where the models come from, what is beside them, what was chosen.
        models: by direction.
        read: reads the text's pairs from its beginning.
        asked: what to read of the models; with a prior's weight above 0, a prior is
            estimated from the text.
        rule: how scores become links.
        preset: what the threshold is chosen for; None if it is given.
        max_length: pieces on a side over which a pair is not aligned.
        precision: of the networks' matrix products.
    """
    from aligner.extraction.pretrained_aligner import PretrainedAligner
    from aligner.extraction.pretrained_choice import choose_encoder, choose_readings
    from aligner.pretrained.prior_with_encoder import sample_of
    from aligner.prior.by_part import numbered
    from aligner.prior.prior import estimate

    if others.choice is not None:
        asked.check_chosen(others.choice)
        choice, readings, encoder = _stored(others, models, precision)
        aligner = PretrainedAligner(
            models, readings, rule, max_length, precision=precision, encoder=encoder
        )
        return _with_threshold(aligner, preset, lambda: choice.thresholds)
    encoder_model = load_encoder(others, models, precision)
    if asked.prior_weight:
        text = numbered(filter(all, read()))
        some = sample_of(text)
        prior = estimate(text, partial(show_pass, "prior"))[0]
    else:
        some, prior = sample_to_choose_by(read()), None
    found = choose_readings(models, some, asked.layer, asked.rows, asked.score)
    readings = {
        way: replace(one.reading, head=asked.head) for way, one in found.items()
    }
    aligner = PretrainedAligner(
        models, readings, None, max_length, prior, asked.prior_weight, precision
    )
    if encoder_model is not None:
        aligner.encoder = choose_encoder(aligner, encoder_model, some)
    aligner = aligner.with_rule(rule)
    return _with_threshold(aligner, preset, lambda: aligner.thresholds(some))


def load_encoder(
    others: NamedModels, models: "Models", precision: Precision = "auto"
) -> "WordEncoder | None":
    """Return the encoder that is named, where the models lie, if one is."""
    if others.encoder is None:
        return None
    from aligner.pretrained.word_encoder import WordEncoder

    if len(models) == 1:
        raise ConfigError("--encoder: expected --reverse-model beside it, got none")
    device = str(models["forward"].network.device)
    return WordEncoder.load(others.encoder, device, precision)


def sample_to_choose_by(pairs: "Iterable[WordPair]") -> "list[WordPair]":
    """Return some of the first pairs of a text, of those with words on both sides.

    Raises:
        CorpusError: there are none.
    """
    from aligner.pretrained.prior_with_encoder import sample_of
    from aligner.prior.by_part import numbered

    return sample_of(numbered(islice(filter(all, pairs), FIRST_PAIRS)))


def _stored(
    others: NamedModels, models: "Models", precision: Precision
) -> "tuple[Choice, Readings, EncoderEvidence | None]":
    """Return what a file has chosen for models and an encoder.

    Raises:
        ConfigError: there is an encoder and none was chosen for, or the other way
            round.
        ModelError: the file is damaged, or of other models.
    """
    from aligner.extraction.stored_choice import (
        check_choice,
        read_choice,
        stored_encoder,
    )

    path = others.choice
    assert path is not None
    choice = read_choice(path)
    check_choice(choice, models, path)
    model = load_encoder(others, models, precision)
    if (choice.encoder is None) != (model is None):
        expected = choice.encoder.model if choice.encoder else "none"
        raise ConfigError(
            f"--encoder: expected {expected}, as {path} was made with, got "
            f"{others.encoder or 'none'}"
        )
    encoder = None
    if choice.encoder is not None and model is not None:
        encoder = stored_encoder(choice.encoder, model, path)
    return choice, choice.readings, encoder


def _with_threshold(
    aligner: "PretrainedAligner",
    preset: Preset | None,
    thresholds: "Callable[[], dict[Preset, float]]",
) -> "PretrainedAligner":
    """Return an aligner with the threshold of a preset, where it goes by one."""
    rule = aligner.rule
    if preset is None or rule.direction != "both" or rule.symmetrize != "soft":
        return aligner
    threshold = thresholds()[preset]
    say(f"threshold {threshold:.2f}")
    return aligner.with_rule(replace(rule, threshold=threshold))
