"""What `aligner align` does with translation models of others."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from aligner.cli.console import say
from aligner.cli.progress import show_pass
from aligner.errors import ConfigError
from aligner.terms import Direction, OneWay, Precision, Preset, Rows, Score
from aligner.text.bitext import first_piped

if TYPE_CHECKING:
    from aligner.extraction.link_rule import LinkRule
    from aligner.extraction.pair_aligner import WordPair
    from aligner.extraction.pretrained_aligner import PretrainedAligner
    from aligner.pretrained.one_way import OneWayModel

FIRST_PAIRS = 10_000  # that those to choose by are taken from, without a prior


class Asked(NamedTuple):
    """What the options say to read, counted from 0; None for what is to be chosen."""

    layer: int | None
    rows: Rows | None
    score: Score
    head: int | None

    @classmethod
    def of(
        cls, layer: int | None, rows: Rows | None, score: Score, head: int | None
    ) -> "Asked":
        """Take the options, which count from 1."""
        return cls(
            None if layer is None else layer - 1,
            rows,
            score,
            None if head is None else head - 1,
        )


def load_ways(
    model: str,
    reverse_model: str | None,
    languages: tuple[str, str] | None,
    device: str,
) -> "dict[OneWay, OneWayModel]":
    """Load the models of one way or both; say so, if it is one."""
    from aligner.pretrained.translation import load_ways

    models = load_ways(model, reverse_model, languages, device)
    if len(models) == 1:
        say("note: one direction only, as there is no --reverse-model")
    return models


def check_is_kept(src: str, tgt: str | None, encoder: str | None) -> None:
    """Check that a text can be read twice, and no option is of no use.

    Raises:
        ConfigError: it cannot, or one is.
    """
    if encoder is not None:
        raise ConfigError("--encoder: expected a model of aligner, got another's")
    if piped := first_piped(src, tgt):
        raise ConfigError(
            f"{piped}: expected a file, as some of it is read first to choose by"
        )


def default_direction(models: "dict[OneWay, OneWayModel]") -> Direction:
    """Return the direction that there are models for."""
    return "both" if len(models) == 2 else "forward"


def pretrained_aligner(
    models: "dict[OneWay, OneWayModel]",
    read: "Callable[[], Iterator[WordPair]]",
    rule: "LinkRule",
    asked: Asked,
    preset: Preset | None,
    prior_weight: float,
    max_length: int,
    precision: Precision,
) -> "PretrainedAligner":
    """Return what aligns a text, after what is to be chosen is chosen by some of it.

    Args:
        models: by direction.
        read: reads the text's pairs from its beginning.
        rule: how scores become links.
        asked: what to read of the models.
        preset: what the threshold is chosen for; None if it is given.
        prior_weight: above 0, a prior is estimated from the text.
        max_length: pieces on a side over which a pair is not aligned.
        precision: of the networks' matrix products.
    """
    from aligner.extraction.pretrained_aligner import PretrainedAligner, choose_readings
    from aligner.pretrained.prior_with_encoder import sample_of
    from aligner.prior.by_part import numbered
    from aligner.prior.prior import estimate

    pairs = (pair for pair in read() if all(pair))
    text = numbered(pairs if prior_weight else islice(pairs, FIRST_PAIRS))
    some = sample_of(text)
    prior = estimate(text, partial(show_pass, "prior"))[0] if prior_weight else None
    found = choose_readings(models, some, asked.layer, asked.rows, asked.score)
    readings = {way: replace(one, head=asked.head) for way, one in found.items()}
    aligner = PretrainedAligner(
        models, readings, rule, max_length, prior, prior_weight, precision
    )
    is_chosen = rule.direction == "both" and rule.symmetrize == "soft"
    if preset is None or not is_chosen:
        return aligner
    return aligner.with_threshold(some, preset)
