"""Choose without gold how translation models of others are read.

Which layer aligns, and which row speaks for a word, differs from model to model. That
both ways agree tells it: on some pairs of a text, of all layers and rows.
"""

import logging
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from aligner.errors import ConfigError
from aligner.extraction.pretrained_aligner import (
    TAG,
    Models,
    PretrainedAligner,
    check_reading,
    cut_pairs,
    problem_of,
)
from aligner.extraction.reading import Reading
from aligner.extraction.selection import ReadingChoice, agreement, links_by_reading
from aligner.extraction.stored_choice import Choice, ChosenWay, EncoderReading
from aligner.extraction.ways import CAUSAL
from aligner.links.alignment import Alignment, flip
from aligner.links.matching import row_shares
from aligner.pretrained.encoder_evidence import BothWays, EncoderEvidence
from aligner.pretrained.word_encoder import WordEncoder
from aligner.prior.prior import estimate_prior
from aligner.terms import OneWay, Rows, Score
from aligner.text.numbered import WordPair

log = logging.getLogger(__name__)
LONGEST = 500  # pieces on a side of a pair that is chosen by


def choose(
    models: Models, pairs: Sequence[WordPair], encoder: WordEncoder | None = None
) -> Choice:
    """Choose layers, rows and thresholds by some pairs, and how an encoder is read.

    Raises:
        ConfigError: there is an encoder, but a model of one way only.
    """
    found = choose_readings(models, pairs)
    readings = {way: chosen.reading for way, chosen in found.items()}
    aligner = PretrainedAligner(models, readings, max_length=LONGEST)
    of_encoder = None
    if encoder is not None:
        aligner.encoder = choose_encoder(aligner, encoder, pairs)
        of_encoder = EncoderReading.of(aligner.encoder)
    return Choice(
        pairs=len(pairs),
        ways={way: ChosenWay.of(models[way].name, one) for way, one in found.items()},
        thresholds=aligner.thresholds(pairs),
        encoder=of_encoder,
    )


def choose_readings(
    models: Models,
    pairs: Sequence[WordPair],
    layer: int | None = None,
    rows: Rows | None = None,
    score: Score = "norm",
) -> dict[OneWay, ReadingChoice]:
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

    Returns:
        For each way, the choice; its figures are those of each reading with what it
        agrees best with.

    Raises:
        ConfigError: a model has no such layer or rows.
    """
    good = [pair for pair in pairs if not problem_of(models, pair, LONGEST)]
    cut = {way: cut_pairs(model, way, good) for way, model in models.items()}
    tried = {
        way: [
            Reading(number, name, score)
            for number in (range(model.network.depth) if layer is None else [layer])
            for name in (CAUSAL if rows is None else (rows,))
        ]
        for way, model in models.items()
    }
    for way, model in models.items():
        for reading in tried[way]:
            check_reading(model, reading)
    links = {
        way: links_by_reading(model.network, cut[way], TAG, tried[way])
        for way, model in models.items()
    }
    if len(models) == 1:
        [(way, of_reading)] = links.items()
        return {way: _as_the_prior(of_reading, good, way)}
    return _as_each_other(links["forward"], links["reverse"], len(good))


def choose_encoder(
    aligner: PretrainedAligner, encoder: WordEncoder, pairs: Sequence[WordPair]
) -> EncoderEvidence:
    """Choose how an encoder is read: as makes most likely what the models find.

    Raises:
        ConfigError: there is a model of one way only.
    """
    good = [pair for pair in pairs if not aligner.problem(pair)]
    links: list[BothWays] = []
    for forward, reverse in aligner.word_scores(good):
        if forward is None or reverse is None:
            raise ConfigError("--encoder: expected models of both ways, got one")
        both = row_shares(forward), row_shares(reverse)
        links.append((both[0].astype(np.float32), both[1].astype(np.float32)))
    evidence, _ = EncoderEvidence.choose(encoder, good, links)
    layer, sharpness, null, _ = evidence.choice
    log.info(
        "encoder: layer %d of %d, temperature %.3f, NULL as like as %.2f, chosen by "
        "what the models find",
        layer,
        encoder.depth,
        1 / sharpness,
        null,
    )
    return evidence


def _as_each_other(
    forward: Mapping[Reading, Sequence[Alignment]],
    reverse: Mapping[Reading, Sequence[Alignment]],
    pairs: int,
) -> dict[OneWay, ReadingChoice]:
    """Return the readings of both ways whose links agree best with each other."""
    turned = {reading: list(map(flip, found)) for reading, found in reverse.items()}
    figures = {
        (there, back): agreement(forward[there], turned[back])
        for there, back in product(forward, turned)
    }
    best = max(figures, key=lambda both: figures[both])
    log.info(
        "forward %s, reverse %s: they agree by %.3f, on %d pairs",
        _name(best[0]),
        _name(best[1]),
        figures[best],
        pairs,
    )
    of_forward = {a: max(figures[a, b] for b in turned) for a in forward}
    of_reverse = {b: max(figures[a, b] for a in forward) for b in turned}
    return {
        "forward": ReadingChoice(best[0], "agreement", of_forward),
        "reverse": ReadingChoice(best[1], "agreement", of_reverse),
    }


def _as_the_prior(
    links: Mapping[Reading, Sequence[Alignment]],
    pairs: Sequence[WordPair],
    way: OneWay,
) -> ReadingChoice:
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
    return ReadingChoice(best, "agreement with a prior", figures)


def _name(reading: Reading) -> str:
    return f"layer {reading.layer + 1} {reading.rows.upper()}"
