"""The figures of the study of translation models."""

from collections.abc import Sequence

import numpy as np

from aligner.analysis.nmt.measures import ModelMeasures
from aligner.analysis.report.figures import Curves, Figure, Heatmap, Numbers, Scatter
from aligner.analysis.tokens.correlation import mean_or_none, pearson, spearman
from aligner.extraction.reading import PLAIN
from aligner.terms import Rows

# How tables and figures name the rows of the decoder.
ROWS: dict[Rows, str] = {"awi": "AWI", "awo": "AWO", "full": "whole target"}


def figures_of(models: Sequence[ModelMeasures], read: Sequence[Rows]) -> list[Figure]:
    """Return curves of layers, heatmaps of heads, and norms against rates, by rows."""
    return [
        *(_rates_by_layer(models, rows) for rows in read),
        *(_norms_by_head(models, rows) for rows in read if rows != "awo"),
        *(h for rows in read for h in _rates_by_head(models, rows)),
        _norms_and_rates(models, read),
    ]


def _norms_by_head(models: Sequence[ModelMeasures], rows: Rows) -> Heatmap:
    # AWI and AWO read one and the same pass of the decoder.
    of_pass = {"awi": "", "full": ", the whole target in view"}[rows]
    return Heatmap(
        f"mean_norm_by_head_{rows}",
        f"Mean norm of each head{of_pass}",
        np.mean([model.head_norms[rows] for model in models], axis=0).tolist(),
        "mean ‖αf(x)‖",
        "Mean over the models.",
    )


def correlations(model: ModelMeasures, rows: Rows) -> list[float | None]:
    """Return Spearman's and Pearson's between heads' mean norms and their rates."""
    norms, rates = model.head_norms[rows].ravel(), model.by_head(rows, "norm").ravel()
    return [spearman(norms, rates), pearson(norms, rates)]


def _rates_by_layer(models: Sequence[ModelMeasures], rows: Rows) -> Curves:
    scores = [s for s in models[0].scores if all(s in m.scores for m in models)]
    rates = {s: np.stack([m.by_layer(rows, s) for m in models]) for s in scores}
    spread: dict[str, Numbers] = {}
    if len(models) > 1:
        spread = {score: rates[score].std(0, ddof=1).tolist() for score in PLAIN}
    return Curves(
        f"aer_by_layer_{rows}",
        f"Error rate by layer, {ROWS[rows]}",
        {score: values.mean(0).tolist() for score, values in rates.items()},
        "AER, %",
        spread,
        "Mean over the models; bands of one standard deviation for weight and norm.",
    )


def _rates_by_head(models: Sequence[ModelMeasures], rows: Rows) -> list[Figure]:
    means = {s: np.mean([m.by_head(rows, s) for m in models], axis=0) for s in PLAIN}
    together = np.stack(list(means.values()))
    return [
        Heatmap(
            f"aer_by_head_{rows}_{score}",
            f"Error rate of each head by {score}, {ROWS[rows]}",
            values.tolist(),
            "AER, %",
            "Mean over the models; weight and norm have one scale of colours.",
            (float(together.min()), float(together.max())),
        )
        for score, values in means.items()
    ]


def _norms_and_rates(models: Sequence[ModelMeasures], read: Sequence[Rows]) -> Scatter:
    groups, captions = {}, []
    for rows in read:
        groups[ROWS[rows]] = [
            (float(norm), float(rate))
            for model in models
            for norm, rate in zip(
                model.head_norms[rows].ravel(),
                model.by_head(rows, "norm").ravel(),
                strict=True,
            )
        ]
        mean = mean_or_none([correlations(model, rows)[0] for model in models])
        if mean is not None:
            captions.append(f"{ROWS[rows]}: {mean:.2f}")
    return Scatter(
        "norms_and_rates",
        "A head's mean norm and its error rate",
        groups,
        "mean ‖αf(x)‖",
        "AER by norm, %",
        "\n".join(["Spearman", *captions]) if captions else "",
        "A point for each head of each model; the correlation is the mean over models.",
    )
