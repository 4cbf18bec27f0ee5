"""Tables and figures of attention to kinds of tokens, and to frequent ones."""

from collections.abc import Mapping, Sequence

import numpy as np

from aligner.analysis.nmt.tokens import ATTENTIONS, TokenMeasures
from aligner.analysis.report.content import Table
from aligner.analysis.report.figures import Figure
from aligner.analysis.tokens import tables as group_tables
from aligner.analysis.tokens.frequencies import Frequencies
from aligner.analysis.tokens.tables import FIGURES, NORM, Entry
from aligner.nmt.sublayers import Attention

LABELS = ("model", "attention")


def token_tables(
    models: Sequence[TokenMeasures], frequencies: Mapping[str, Frequencies]
) -> list[Table]:
    """Return the tables; `frequencies` are of source subwords, by a model's name."""
    entries = [
        Entry((model.name, title), model.groups[attention])
        for model in models
        for attention, title in ATTENTIONS.items()
        if attention in model.groups
    ]
    tables = [
        group_tables.summary(
            "token_kinds",
            "Attention to kinds of tokens: weights against norms",
            LABELS,
            entries,
        ),
        group_tables.weights_and_norms_table(
            "token_weight_and_norm",
            f"How the α of a kind of tokens goes with its {NORM}",
            LABELS,
            entries,
        ),
        group_tables.by_layer(
            "token_kinds_by_layer",
            "Attention to kinds of tokens in each layer",
            LABELS,
            entries,
        ),
        group_tables.by_head(
            "token_kinds_by_head",
            "Attention to kinds of tokens in each head",
            LABELS,
            entries,
        ),
    ]
    if frequencies:
        table = group_tables.frequency_table(
            "token_frequency",
            "How the frequency of source tokens goes with norms and weights in "
            "cross-attention",
            LABELS[:1],
            [((name,), found) for name, found in frequencies.items()],
        )
        tables.insert(2, table)
    return tables


def token_figures(
    models: Sequence[TokenMeasures], frequencies: Mapping[str, Frequencies]
) -> list[Figure]:
    """Return the figures, of which the scatters show the first model."""
    figures: list[Figure] = [
        _curves(models, attention, figure)
        for attention in models[0].groups
        for figure in (0, 1)
    ]
    first = models[0]
    figures.append(
        group_tables.weights_against_norms(
            f"α and {NORM} of kinds of source tokens, cross-attention of {first.name}",
            first.groups["cross"],
        )
    )
    if first.name in frequencies:
        title = f"A source token's rank by frequency and its {NORM}, {first.name}"
        figures.append(group_tables.ranks_against_norms(title, frequencies[first.name]))
    return figures


def _curves(
    models: Sequence[TokenMeasures], attention: Attention, figure: int
) -> Figure:
    means = np.mean([model.groups[attention].means() for model in models], axis=0)
    return group_tables.curves(
        f"token_kinds_{attention}_{('weight', 'norm')[figure]}",
        f"{ATTENTIONS[attention].capitalize()}: {FIGURES[figure]} of kinds of tokens",
        models[0].groups[attention],
        means,
        figure,
    )
