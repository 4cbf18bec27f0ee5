"""The figures of the study of encoders."""

from aligner.analysis.encoder.measures import EncoderMeasures
from aligner.analysis.report.figures import Figure, Heatmap
from aligner.analysis.tokens import tables as group_tables
from aligner.analysis.tokens.frequencies import Frequencies
from aligner.analysis.tokens.groups import GroupMeans
from aligner.analysis.tokens.tables import FIGURES, NORM, WEIGHTED

SLUGS = ("cls", "sep", "comma_period", "other")  # of the groups, in names of files


def figures_of(measures: EncoderMeasures, frequencies: Frequencies) -> list[Figure]:
    """Return the paper's figures: groups by layer, scatters, heatmaps of heads."""
    groups = measures.groups
    return [
        *(
            group_tables.curves(
                f"{name}_by_layer",
                f"Attention to groups of tokens, {FIGURES[figure]}",
                groups,
                groups.means(),
                figure,
            )
            for figure, name in enumerate(("weights", "norms"))
        ),
        group_tables.weights_against_norms(f"α and {NORM} of groups of tokens", groups),
        group_tables.ranks_against_norms(
            f"A token's rank by frequency and its {NORM}", frequencies
        ),
        Heatmap(
            "norm_variation",
            f"Coefficient of variation of {NORM}",
            measures.norm_variation.tolist(),
            "standard deviation / mean",
        ),
        *_norms_by_head(groups),
    ]


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
