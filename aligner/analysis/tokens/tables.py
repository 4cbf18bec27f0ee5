"""Tables and figures of attention to groups of tokens, and to frequent tokens.

For one encoder, or for several models and attentions: each is an entry, whose labels
fill a table's first columns.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from aligner.analysis.report.content import Cell, Table
from aligner.analysis.report.figures import Curves, Scatter, thinned
from aligner.analysis.tokens.correlation import spearman
from aligner.analysis.tokens.frequencies import Frequencies
from aligner.analysis.tokens.groups import Doubles, GroupMeans

NORM, WEIGHTED = "‖f(x)‖", "‖αf(x)‖"
FIGURES = ("α", WEIGHTED, NORM)
SUMMED = (
    f"α and {WEIGHTED} are summed over a group's tokens as keys, and averaged over "
    f"the queries of a sequence and over sequences; {NORM} is averaged over tokens"
)


class Entry(NamedTuple):
    """What tables say of one model, or of one of its attentions."""

    labels: tuple[str, ...]
    groups: GroupMeans


def summary(
    name: str, title: str, labels: Sequence[str], entries: Sequence[Entry]
) -> Table:
    """Return α and norms of each group, over all layers and heads."""
    rows: list[list[Cell]] = []
    for entry in entries:
        groups = entry.groups
        means = groups.means().mean((0, 1))  # (G, 3)
        shares = (means[:, 1] / means[:, 1].sum()).tolist()
        counts = groups.counts.sum(axis=0).tolist()
        for g in groups.present:
            cells = [counts[g], *means[g].tolist(), shares[g]]
            rows.append([*entry.labels, groups.names[g], *cells])
    return Table(
        name,
        title,
        [*labels, "group", "tokens", *FIGURES, f"share of {WEIGHTED}"],
        rows,
        note=f"{SUMMED}, then over heads and layers. α adds up to 1; the share of "
        f"{WEIGHTED} is what to compare with it.",
    )


def weights_and_norms_table(
    name: str, title: str, labels: Sequence[str], entries: Sequence[Entry]
) -> Table:
    """Return how a group's α goes with its norm."""
    rows: list[list[Cell]] = [
        [*labelled, groups.names[g], len(groups.points(g)[0]), groups.correlation(g)]
        for labelled, groups in entries
        for g in groups.present
    ]
    return Table(
        name,
        title,
        [*labels, "group", "points", "Spearman"],
        rows,
        digits=2,
        note="A point for each layer, head and sequence. Below 0: the more a head "
        "looks at the group, the smaller the vectors that it takes from there.",
    )


def by_layer(
    name: str, title: str, labels: Sequence[str], entries: Sequence[Entry]
) -> Table:
    """Return α and norms of each group in each layer."""
    rows: list[list[Cell]] = []
    for labelled, groups in entries:
        for layer, of_layer in enumerate(groups.means().mean(1), 1):  # (G, 3)
            shares = (of_layer[:, 1] / of_layer[:, 1].sum()).tolist()
            rows += [
                [*labelled, layer, groups.names[g], *of_layer[g].tolist(), shares[g]]
                for g in groups.present
            ]
    columns = [*labels, "layer", "group", *FIGURES, f"share of {WEIGHTED}"]
    return Table(name, title, columns, rows, note=f"{SUMMED}, then over heads.")


def by_head(
    name: str, title: str, labels: Sequence[str], entries: Sequence[Entry]
) -> Table:
    """Return α and norms of each group in each head."""
    rows: list[list[Cell]] = []
    for labelled, groups in entries:
        means = groups.means()
        for layer, head in np.ndindex(*means.shape[:2]):
            rows += [
                [*labelled, layer + 1, head + 1, groups.names[g], *cells]
                for g, cells in enumerate(means[layer, head].tolist())
                if g in groups.present
            ]
    columns = [*labels, "layer", "head", "group", *FIGURES]
    return Table(name, title, columns, rows, note=f"{SUMMED}.")


def frequency_table(
    name: str,
    title: str,
    labels: Sequence[str],
    entries: Sequence[tuple[tuple[str, ...], Frequencies]],
) -> Table:
    """Return how rank by frequency goes with norms and weights."""
    rows: list[list[Cell]] = []
    for labelled, found in entries:
        for kind, (ranks, norms, weights) in (
            ("occurrences", found[:3]),
            ("distinct tokens", found[3:6]),
        ):
            cells = [spearman(ranks, norms), spearman(ranks, weights)]
            rows.append([*labelled, kind, len(ranks), *cells])
    spearmans = [f"Spearman, rank and {NORM}", "Spearman, rank and α"]
    return Table(
        name,
        title,
        [*labels, "of", "points", *spearmans],
        rows,
        digits=2,
        note="Rank 1 is the most frequent token. Above 0: frequent tokens get smaller "
        "vectors, or less weight. Mean over heads and layers, special tokens left out.",
    )


def curves(
    name: str, title: str, groups: GroupMeans, means: Doubles, figure: int
) -> Curves:
    """Return the curves of one of `FIGURES` over layers; `means` is (L, H, G, 3)."""
    of_layers = means[..., figure].mean(1)  # (L, G)
    return Curves(
        name,
        title,
        {groups.names[g]: of_layers[:, g].tolist() for g in groups.present},
        f"mean {FIGURES[figure]}",
        note="Summed over the tokens of a group; mean over queries, sequences, heads.",
    )


def weights_against_norms(title: str, groups: GroupMeans) -> Scatter:
    """Return the scatter of α and norms, with its correlations."""
    points, captions = {}, ["Spearman"]
    for g in groups.present:
        points[groups.names[g]] = thinned(*groups.points(g))
        captions.append(f"{groups.names[g]}: {_shown(groups.correlation(g))}")
    return Scatter(
        "weights_against_norms",
        title,
        points,
        "α",
        NORM,
        "\n".join(captions),
        "A point for each layer, head and sequence.",
    )


def ranks_against_norms(title: str, found: Frequencies) -> Scatter:
    """Return the scatter of ranks and norms, with its correlation."""
    return Scatter(
        "ranks_against_norms",
        title,
        {"tokens": thinned(found.ranks, found.norms)},
        "rank by frequency, 1 is the most frequent",
        f"mean {NORM}",
        f"Spearman\n{_shown(spearman(found.ranks, found.norms))}",
        "A point for each occurrence of a token, without special tokens.",
    )


def _shown(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.2f}"
