"""The study of translation models: weights against norms, by alignment error rate.

Kobayashi et al. (2020), section 5, for one or more models of the same sizes, such as
several seeds. Rates are in percent.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aligner.analysis.nmt.choices import (
    BEST_HEAD,
    BEST_LAYER,
    WITHOUT_GOLD,
    Chosen,
    WayToChoose,
)
from aligner.analysis.nmt.figures import ROWS, correlations, figures_of
from aligner.analysis.nmt.measures import ModelMeasures, Place
from aligner.analysis.nmt.token_tables import token_figures, token_tables
from aligner.analysis.nmt.tokens import TokenMeasures
from aligner.analysis.report.content import Cell, Report, Table
from aligner.analysis.tokens.correlation import deviation_or_none, mean_or_none
from aligner.analysis.tokens.frequencies import Frequencies
from aligner.extraction.reading import PLAIN
from aligner.links.alignment import GoldAlignment
from aligner.links.evaluation import compare
from aligner.terms import Rows, Score

SPREAD = "Percent; mean and sample standard deviation (SD) over the models."


def study_models(
    models: Sequence[ModelMeasures],
    gold: Sequence[GoldAlignment],
    settings: Mapping[str, Any],
    notes: Sequence[str] = (),
    tokens: Sequence[TokenMeasures] = (),
    frequencies: Mapping[str, Frequencies] | None = None,
) -> Report:
    """Return the report on one or more measured models of equal sizes.

    Args:
        models: their error rates and norms.
        gold: what they were scored against.
        settings: what the report says of how it was made.
        notes: what its reader has to know.
        tokens: what their attention makes of tokens.
        frequencies: of their source subwords, by a model's name.
    """
    return Report(
        "Word alignments from a translation model: attention weights and norms",
        settings,
        notes,
        [
            _described(settings.get("models", [])),
            _summary(models),
            _choices(models),
            _layers(models),
            _differences(models, gold),
            _correlations(models),
            _layers_by_model(models),
            _heads(models),
            *(token_tables(tokens, frequencies or {}) if tokens else []),
        ],
        [
            *figures_of(models, _rows(models)),
            *(token_figures(tokens, frequencies or {}) if tokens else []),
        ],
    )


def _described(models: Sequence[Mapping[str, Any]]) -> Table:
    table: list[list[Cell]] = []
    for model in models:
        sizes = model["config"]["transformer"]
        shape = ("encoder_layers", "decoder_layers", "heads", "dim", "norm")
        rest = ("training pairs", "updates", "minutes", "perplexity")
        table.append(
            [
                model["name"],
                model.get("guide"),
                model["config"]["training"].get("seed"),
                *map(sizes.get, shape),
                *map(model.get, rest),
            ]
        )
    sizes_of = ["encoder layers", "decoder layers", "heads", "dim", "norm"]
    training = ["pairs", "updates", "minutes", "perplexity"]
    return Table(
        "models",
        "The models",
        ["model", "guide", "seed", *sizes_of, *training],
        table,
        digits=1,
        note="Perplexity is the best on validation text: where it is high, attention "
        "has hardly learnt to align yet.",
    )


def _summary(models: Sequence[ModelMeasures]) -> Table:
    table: list[list[Cell]] = []
    for rows in _rows(models):
        means = {
            s: [float(m.by_layer(rows, s).mean()) for m in models]
            for s in _scores(models)
        }
        table.append([ROWS[rows], "mean over layers", *_spreads(means)])
        for choice in (BEST_LAYER, *WITHOUT_GOLD, BEST_HEAD):
            rates = {s: _rates(choice, models, rows, s) for s in _scores(models)}
            cells = _spreads(rates)
            if any(cell is not None for cell in cells):
                table.append([ROWS[rows], choice.name, *cells])
    return Table(
        "aer_summary",
        "Alignment error rate by weight and by norm (the paper's table of AER)",
        ["rows", "choice", *_score_columns(models)],
        table,
        digits=1,
        note=f"{SPREAD} “Mean over layers” is the mean of the layers' rates. What is "
        "best by gold is chosen for each model and score; mean norm and agreement know "
        "no gold.",
    )


def _choices(models: Sequence[ModelMeasures]) -> Table:
    table: list[list[Cell]] = []
    for model in models:
        for rows in model.rows:
            for choice in WITHOUT_GOLD:
                oracle = BEST_HEAD if choice.of_heads else BEST_LAYER
                chosen, best = (c.choose(model, rows, "norm") for c in (choice, oracle))
                if chosen is None or best is None:
                    continue
                rate, least = (
                    model.aer[Place(*c, rows, "norm")] for c in (chosen, best)
                )
                cells = [*_counted(chosen), *_counted(best), rate, least, rate - least]
                table.append([model.name, ROWS[rows], choice.name, *cells])
    places = ["layer", "head", "best layer", "best head"]
    return Table(
        "choices_without_gold",
        "What is chosen without gold, and what that costs",
        ["model", "rows", "choice", *places, "AER", "best AER", "cost"],
        table,
        digits=1,
        note="By norm, percent. Agreement is that of both directions on this text; "
        "aligner align reads what agreed best on the model's validation text.",
    )


def _layers(models: Sequence[ModelMeasures]) -> Table:
    table: list[list[Cell]] = []
    for rows in _rows(models):
        for layer in _layer_numbers(models):
            rates = {
                s: [m.aer[Place(layer, None, rows, s)] for m in models]
                for s in _scores(models)
            }
            table.append([ROWS[rows], layer + 1, *_spreads(rates)])
    return Table(
        "aer_by_layer",
        "Alignment error rate of each layer, all heads together",
        ["rows", "layer", *_score_columns(models)],
        table,
        digits=1,
        note=SPREAD,
    )


def _differences(
    models: Sequence[ModelMeasures], gold: Sequence[GoldAlignment]
) -> Table:
    table: list[list[Cell]] = []
    for model in models:
        for rows in model.rows:
            for layer in _layer_numbers(models):
                norm, weight = (model.links[Place(layer, None, rows, s)] for s in PLAIN)
                result = compare(gold, norm, weight)
                difference, low, high = (
                    100 * value for value in (result.difference, *result.interval)
                )
                cells: list[Cell] = [layer + 1, difference, low, high, result.p_value]
                table.append([model.name, ROWS[rows], *cells])
    return Table(
        "norm_against_weight",
        "The norm's error rate minus the weight's, with 95 % interval",
        ["model", "rows", "layer", "difference", "low", "high", "p"],
        table,
        digits=1,
        note="Percentage points, below 0 where the norm aligns better; two-sided, by a "
        "paired bootstrap over sentence pairs, not corrected for the number of rows.",
        digits_of={"p": 4},
    )


def _correlations(models: Sequence[ModelMeasures]) -> Table:
    table: list[list[Cell]] = []
    for rows in _rows(models):
        found = [correlations(model, rows) for model in models]
        for model, values in zip(models, found, strict=True):
            table.append([model.name, ROWS[rows], *values])
        if len(models) > 1:
            means = [mean_or_none(column) for column in zip(*found, strict=True)]
            table.append(["mean", ROWS[rows], *means])
    return Table(
        "head_correlations",
        "How a head's mean norm goes with its error rate",
        ["model", "rows", "Spearman", "Pearson"],
        table,
        digits=2,
        note=f"Over the {models[0].sizes[0] * models[0].sizes[1]} heads of all layers, "
        "by norm. Below 0: heads of large vectors align better.",
    )


def _layers_by_model(models: Sequence[ModelMeasures]) -> Table:
    table: list[list[Cell]] = []
    for model in models:
        for rows in model.rows:
            for layer, norm in enumerate(model.layer_norms[rows].tolist()):
                rates = [
                    model.aer[Place(layer, None, rows, s)] for s in _scores(models)
                ]
                agreed = model.agreement.get((layer, rows))
                percent = None if agreed is None else 100 * agreed
                cells = [layer + 1, norm, percent, *rates]
                table.append([model.name, ROWS[rows], *cells])
    return Table(
        "aer_by_layer_and_model",
        "Alignment error rate of each model's layers",
        ["model", "rows", "layer", "mean norm", "agreement", *_scores(models)],
        table,
        digits=1,
        note="Percent. Agreement: 2|A ∩ B| / (|A| + |B|) of both directions' links by "
        "norm; where they are two models, with the other's best layer and rows.",
        digits_of={"mean norm": 3},
    )


def _heads(models: Sequence[ModelMeasures]) -> Table:
    table: list[list[Cell]] = []
    for model in models:
        for rows in model.rows:
            for (layer, head), norm in np.ndenumerate(model.head_norms[rows]):
                rates = [model.aer[Place(layer, head, rows, s)] for s in PLAIN]
                cells = [layer + 1, head + 1, float(norm), *rates]
                table.append([model.name, ROWS[rows], *cells])
    return Table(
        "aer_by_head",
        "Alignment error rate and mean norm of each head",
        ["model", "rows", "layer", "head", "mean norm", *PLAIN],
        table,
        digits=1,
        note="Percent.",
        digits_of={"mean norm": 3},
    )


def _rows(models: Sequence[ModelMeasures]) -> list[Rows]:
    """Return the rows that were read of every model."""
    return [rows for rows in models[0].rows if all(rows in m.rows for m in models)]


def _layer_numbers(models: Sequence[ModelMeasures]) -> range:
    return range(models[0].sizes[0])


def _rates(
    choice: WayToChoose, models: Sequence[ModelMeasures], rows: Rows, score: Score
) -> list[float | None]:
    return [choice.rate(model, rows, score) for model in models]


def _spreads(rates: Mapping[Score, Sequence[float | None]]) -> list[Cell]:
    """Return mean and standard deviation of each score's rates."""
    return [
        cell
        for values in rates.values()
        for cell in (mean_or_none(values), deviation_or_none(values))
    ]


def _scores(models: Sequence[ModelMeasures]) -> list[Score]:
    """Return the scores that were read of every model."""
    return [s for s in models[0].scores if all(s in m.scores for m in models)]


def _score_columns(models: Sequence[ModelMeasures]) -> list[str]:
    return [name for score in _scores(models) for name in (score, f"{score} SD")]


def _counted(place: Chosen) -> list[Cell]:
    """Return a layer and a head as people count them."""
    layer, head = place
    return [layer + 1, None if head is None else head + 1]
