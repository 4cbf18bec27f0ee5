"""Tables and figures of attention to kinds of tokens, and to frequent ones."""

from collections.abc import Mapping, Sequence

import numpy as np

from aligner.analysis.correlation import spearman
from aligner.analysis.figures import Curves, Figure, Scatter, thinned
from aligner.analysis.nmt_tokens import ATTENTIONS, TokenMeasures
from aligner.analysis.report import Cell, Table
from aligner.analysis.token_frequencies import Frequencies, frequencies_of
from aligner.nmt.sublayers import Attention

NORM, WEIGHTED = "‖f(x)‖", "‖αf(x)‖"
SUMMED = (
    "α and ‖αf(x)‖ are summed over the tokens of a kind and averaged over queries, "
    "sentences and heads; ‖f(x)‖ is averaged over tokens"
)


def token_tables(
    models: Sequence[TokenMeasures], counts: Mapping[str, Mapping[int, int]]
) -> list[Table]:
    """Return the tables; `counts` are the subwords' of a training text, by model."""
    tables = [_kinds(models)]
    if counts:
        tables.append(_frequency(models, counts))
    return [*tables, _kinds_by_layer(models), _kinds_by_head(models)]


def token_figures(
    models: Sequence[TokenMeasures], counts: Mapping[str, Mapping[int, int]]
) -> list[Figure]:
    """Return the figures, of which the scatters show the first model."""
    figures: list[Figure] = [
        _by_layer(models, attention, figure, label)
        for attention in ATTENTIONS
        for figure, label in enumerate(("α", WEIGHTED))
    ]
    first = models[0]
    figures.append(_weights_and_norms(first))
    if first.name in counts:
        figures.append(_ranks_and_norms(first, counts[first.name]))
    return figures


def _kinds(models: Sequence[TokenMeasures]) -> Table:
    table: list[list[Cell]] = []
    for model in models:
        for attention, title in ATTENTIONS.items():
            groups = model.groups[attention]
            means = groups.means().mean((0, 1))  # (G, 3)
            shares = (means[:, 1] / means[:, 1].sum()).tolist()
            for g in groups.present:
                cells = [*means[g].tolist(), shares[g], groups.correlation(g)]
                count = int(groups.counts[:, g].sum())
                row = [model.name, title, groups.names[g], count, *cells]
                table.append(row)
    columns = ["model", "attention", "kind", "tokens", "α", WEIGHTED, NORM]
    return Table(
        "token_kinds",
        "Attention to kinds of tokens: weights against norms",
        [*columns, f"share of {WEIGHTED}", f"Spearman, α and {NORM}"],
        table,
        note=f"{SUMMED}; then over layers. The correlation is over layers, heads and "
        "sentences: below 0, the more a head looks at such tokens, the smaller the "
        "vectors that it takes from there.",
        digits_of={f"Spearman, α and {NORM}": 2},
    )


def _frequency(
    models: Sequence[TokenMeasures], counts: Mapping[str, Mapping[int, int]]
) -> Table:
    table: list[list[Cell]] = []
    for model in models:
        if model.name not in counts:
            continue
        found = _frequencies(model, counts[model.name])
        for name, (ranks, norms, weights) in (
            ("occurrences", found[:3]),
            ("distinct subwords", found[3:6]),
        ):
            cells = [spearman(ranks, norms), spearman(ranks, weights)]
            table.append([model.name, name, len(ranks), *cells])
    return Table(
        "token_frequency",
        "How frequency in the training text goes with norms and weights",
        ["model", "of", "points", f"Spearman, rank and {NORM}", "Spearman, rank and α"],
        table,
        digits=2,
        note="Source subwords, attention to the source, mean over heads and layers. "
        "Rank 1 is the most frequent. Above 0: frequent subwords get smaller vectors, "
        "or less weight.",
    )


def _frequencies(model: TokenMeasures, counts: Mapping[int, int]) -> Frequencies:
    return frequencies_of(model.tokens, model.token_weights, model.token_norms, counts)


def _kinds_by_layer(models: Sequence[TokenMeasures]) -> Table:
    rows: list[list[Cell]] = [
        [model.name, title, layer, groups.names[g], *of_layer[g].tolist()]
        for model in models
        for attention, title in ATTENTIONS.items()
        for groups in (model.groups[attention],)
        for layer, of_layer in enumerate(groups.means().mean(1), 1)  # (G, 3)
        for g in groups.present
    ]
    return Table(
        "token_kinds_by_layer",
        "Attention to kinds of tokens in each layer",
        ["model", "attention", "layer", "kind", "α", WEIGHTED, NORM],
        rows,
        note=f"{SUMMED}.",
    )


def _kinds_by_head(models: Sequence[TokenMeasures]) -> Table:
    rows: list[list[Cell]] = []
    for model in models:
        for attention, title in ATTENTIONS.items():
            groups = model.groups[attention]
            means = groups.means()
            for layer, head in np.ndindex(*means.shape[:2]):
                for g in groups.present:
                    cells = means[layer, head, g].tolist()
                    place = [model.name, title, layer + 1, head + 1]
                    rows.append([*place, groups.names[g], *cells])
    return Table(
        "token_kinds_by_head",
        "Attention to kinds of tokens in each head",
        ["model", "attention", "layer", "head", "kind", "α", WEIGHTED, NORM],
        rows,
        note=f"{SUMMED}.",
    )


def _by_layer(
    models: Sequence[TokenMeasures], attention: Attention, figure: int, label: str
) -> Curves:
    groups = models[0].groups[attention]
    means = np.mean([m.groups[attention].means() for m in models], axis=0)
    by_layer = means.mean(1)[:, :, figure]  # (L, G)
    return Curves(
        f"token_kinds_{attention}_{'weight' if figure == 0 else 'norm'}",
        f"{ATTENTIONS[attention].capitalize()}: {label} of kinds of tokens",
        {groups.names[g]: by_layer[:, g].tolist() for g in groups.present},
        f"mean {label}",
        note="Summed over the tokens of a kind; mean over queries, sentences, heads "
        "and models.",
    )


def _weights_and_norms(model: TokenMeasures) -> Scatter:
    groups = model.groups["cross"]
    points, captions = {}, ["Spearman"]
    for g in groups.present:
        points[groups.names[g]] = thinned(*groups.points(g))
        value = groups.correlation(g)
        captions.append(
            f"{groups.names[g]}: {'–' if value is None else f'{value:.2f}'}"
        )
    return Scatter(
        "weights_against_norms",
        f"α and {NORM} of kinds of source tokens, cross-attention of {model.name}",
        points,
        "α",
        NORM,
        "\n".join(captions),
        "A point for each layer, head and sentence.",
    )


def _ranks_and_norms(model: TokenMeasures, counts: Mapping[int, int]) -> Scatter:
    found = _frequencies(model, counts)
    value = spearman(found.type_ranks, found.type_norms)
    return Scatter(
        "ranks_against_norms",
        f"A source subword's rank by frequency and its {NORM}, {model.name}",
        {"subwords": thinned(found.type_ranks, found.type_norms)},
        "rank in the training text, 1 is the most frequent",
        f"mean {NORM}",
        f"Spearman: {'–' if value is None else f'{value:.2f}'}",
        "A point for each distinct subword of the text.",
    )
