"""The figures of the study of encoders."""

from aligner.analysis.bert_measures import EncoderMeasures
from aligner.analysis.correlation import spearman
from aligner.analysis.figures import Curves, Figure, Heatmap, Scatter, thinned
from aligner.analysis.token_frequencies import Frequencies
from aligner.analysis.token_groups import GroupMeans

NORM, WEIGHTED = "‖f(x)‖", "‖αf(x)‖"
SLUGS = ("cls", "sep", "comma_period", "other")  # of the groups, in names of files


def figures_of(measures: EncoderMeasures, frequencies: Frequencies) -> list[Figure]:
    """Return the paper's figures: groups by layer, scatters, heatmaps of heads."""
    groups = measures.groups
    return [
        _by_layer("weights_by_layer", "α", groups, 0),
        _by_layer("norms_by_layer", WEIGHTED, groups, 1),
        _weights_and_norms(groups),
        _ranks_and_norms(frequencies),
        Heatmap(
            "norm_variation",
            f"Coefficient of variation of {NORM}",
            measures.norm_variation.tolist(),
            "standard deviation / mean",
        ),
        *_norms_by_head(groups),
    ]


def _by_layer(name: str, label: str, groups: GroupMeans, figure: int) -> Curves:
    means = groups.means()[..., figure].mean(1)  # (L, G)
    return Curves(
        name,
        f"Attention to groups of tokens, {label}",
        {groups.names[g]: means[:, g].tolist() for g in groups.present},
        f"mean {label}",
        note="Summed over the tokens of a group; mean over queries, sequences, heads.",
    )


def _weights_and_norms(groups: GroupMeans) -> Scatter:
    points, captions = {}, []
    for group in groups.present:
        name = groups.names[group]
        points[name] = thinned(*groups.points(group))
        captions.append(f"{name}: {_shown(groups.correlation(group))}")
    return Scatter(
        "weights_against_norms",
        f"α and {NORM} of groups of tokens",
        points,
        "α",
        NORM,
        "\n".join(["Spearman", *captions]),
        "A point for each layer, head and sequence.",
    )


def _ranks_and_norms(found: Frequencies) -> Scatter:
    return Scatter(
        "ranks_against_norms",
        f"A token's rank by frequency and its {NORM}",
        {"tokens": thinned(found.ranks, found.norms)},
        "rank, 1 is the most frequent",
        f"mean {NORM}",
        f"Spearman: {_shown(spearman(found.ranks, found.norms))}",
        "A point for each occurrence of a token, without special tokens.",
    )


def _norms_by_head(groups: GroupMeans) -> list[Heatmap]:
    means = groups.means()[..., 1]  # (L, H, G)
    return [
        Heatmap(
            f"norms_by_head_{SLUGS[group]}",
            f"Mean {WEIGHTED} of “{groups.names[group]}” in each head",
            means[..., group].tolist(),
            f"mean {WEIGHTED}",
        )
        for group in groups.present
    ]


def _shown(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.2f}"
