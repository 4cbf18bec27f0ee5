"""The tables of the study of translation models, on figures made by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from aligner.analysis.nmt.measures import SCORES, ModelMeasures, Place
from aligner.analysis.nmt.study import study_models
from aligner.analysis.report.content import Report, Table
from aligner.links.alignment import GoldAlignment

GOLD = [GoldAlignment(frozenset({(0, 0), (1, 1)}))] * 4
RIGHT, WRONG = frozenset({(0, 0), (1, 1)}), frozenset({(0, 1)})
LAYERS, HEADS = 2, 3
HEAD_NORMS = np.array([[0.5, 0.9, 0.4], [0.3, 0.2, 0.1]])


def model(name: str, *, shift: float = 0.0, agreement: bool = True) -> ModelMeasures:
    """Return figures in which AWI's layer 2 is best, and layer 1 has larger vectors."""
    aer = {}
    for rows, base in (("awi", 40.0), ("awo", 60.0)):
        for index, score in enumerate(SCORES):
            for layer in range(LAYERS):
                rate = base - 10 * layer - index + shift
                aer[Place(layer, None, rows, score)] = rate
                for head in range(HEADS):
                    aer[Place(layer, head, rows, score)] = rate + 5 * head
    links = {
        place: [RIGHT, RIGHT, RIGHT, WRONG if place.score == "weight" else RIGHT]
        for place in aer
    }
    known = {(0, "awi"): 0.2, (1, "awi"): 0.5, (0, "awo"): 0.4, (1, "awo"): 0.1}
    return ModelMeasures(
        name,
        links,
        aer,
        {"awi": np.array([3.0, 2.0]), "awo": np.array([3.0, 2.0])},
        {"awi": HEAD_NORMS, "awo": HEAD_NORMS},
        known if agreement else {},
    )


def table(report: Report, name: str) -> Table:
    return next(one for one in report.tables if one.name == name)


def rows_of(report: Report, name: str) -> list[dict[str, object]]:
    found = table(report, name)
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


SEEDS = [model("a"), model("b", shift=2.0), model("c", shift=7.0)]


@pytest.mark.parametrize(
    ("rows", "choice", "norm", "weight"),
    [
        ("AWI", "mean over layers", 37.0, 38.0),  # 39 + 29 halved, 40 + 30 halved; + 3
        ("AWI", "best layer, by gold", 32.0, 33.0),
        ("AWI", "layer of highest mean norm", 42.0, 43.0),  # layer 1
        ("AWI", "layer of best agreement", 32.0, 33.0),
        ("AWO", "layer of best agreement", 62.0, 63.0),
        ("AWI", "head of highest mean norm", 47.0, 48.0),  # 1.2
        ("AWI", "best head, by gold", 32.0, 33.0),
    ],
)
def test_the_summary_is_the_mean_and_deviation_over_models(
    rows: str, choice: str, norm: float, weight: float
) -> None:
    found = rows_of(study_models(SEEDS, GOLD, {}), "aer_summary")
    (row,) = [r for r in found if (r["rows"], r["choice"]) == (rows, choice)]
    assert (row["norm"], row["weight"]) == (pytest.approx(norm), pytest.approx(weight))
    assert row["norm SD"] == pytest.approx(np.std([0, 2, 7], ddof=1))


def test_choices_name_what_was_chosen_and_what_it_costs() -> None:
    found = rows_of(study_models([model("a")], GOLD, {}), "choices_without_gold")
    awi = [tuple(r.values())[2:] for r in found if r["rows"] == "AWI"]
    assert awi == [
        ("layer of highest mean norm", 1, None, 2, None, 39.0, 29.0, 10.0),
        ("layer of best agreement", 2, None, 2, None, 29.0, 29.0, 0.0),
        ("head of highest mean norm", 1, 2, 2, 1, 44.0, 29.0, 15.0),
    ]


def test_norm_is_compared_with_weight_on_the_same_sentences() -> None:
    found = rows_of(study_models([model("a")], GOLD, {}), "norm_against_weight")
    assert len(found) == 2 * LAYERS
    for row in found:
        # Weights miss 2 sure links of 8 and put 1 wrong one: 1 - 12 / (7 + 8).
        assert row["difference"] == pytest.approx(-100 * 3 / 15)
        assert row["low"] <= row["difference"] <= row["high"]
        assert 0 < row["p"] <= 1


def test_correlations_are_scipys_over_all_heads() -> None:
    one = model("a")
    found = rows_of(study_models([one, one], GOLD, {}), "head_correlations")
    norms, rates = one.head_norms["awi"].ravel(), one.by_head("awi", "norm").ravel()
    for row in (r for r in found if r["rows"] == "AWI"):
        assert row["Spearman"] == pytest.approx(stats.spearmanr(norms, rates)[0])
        assert row["Pearson"] == pytest.approx(stats.pearsonr(norms, rates)[0])
    assert [r["model"] for r in found if r["rows"] == "AWO"] == ["a", "a", "mean"]


def test_one_model_of_one_direction_has_no_deviations_and_no_agreement() -> None:
    report = study_models([model("a", agreement=False)], GOLD, {})
    summary = rows_of(report, "aer_summary")
    assert all(row["norm SD"] is None for row in summary)
    assert "layer of best agreement" not in [row["choice"] for row in summary]
    layers = rows_of(report, "aer_by_layer_and_model")
    assert all(row["agreement"] is None for row in layers)


def test_figures_hold_the_means_of_the_tables() -> None:
    report = study_models(SEEDS, GOLD, {})
    by_name = {figure.name: figure for figure in report.figures}
    assert by_name["aer_by_layer_awi"].series["norm"] == pytest.approx([42.0, 32.0])
    deviation = np.std([0, 2, 7], ddof=1)
    assert by_name["aer_by_layer_awi"].spread["norm"] == pytest.approx([deviation] * 2)
    assert by_name["mean_norm_by_head_awi"].values[0] == pytest.approx([0.5, 0.9, 0.4])
    points = by_name["norms_and_rates"].groups["AWI"]
    assert len(points) == 3 * LAYERS * HEADS
    assert points[1] == pytest.approx((0.9, 44.0))


def test_no_number_is_not_a_number() -> None:
    report = study_models([model("a")], GOLD, {})
    for one in report.tables:
        for row in one.rows:
            assert all(math.isfinite(c) for c in row if isinstance(c, float))


def test_rows_of_another_pass_go_with_its_own_norms() -> None:
    one = model("a")
    for place, rate in [item for item in one.aer.items() if item[0].rows == "awi"]:
        one.aer[place._replace(rows="full")] = rate
        one.links[place._replace(rows="full")] = one.links[place]
    one.layer_norms["full"] = np.array([1.0, 9.0])  # the other layer is larger
    one.head_norms["full"] = HEAD_NORMS[::-1]
    found = rows_of(study_models([one], GOLD, {}), "choices_without_gold")
    chosen = {
        (r["rows"], r["choice"]): (r["layer"], r["head"])
        for r in found
        if "norm" in str(r["choice"])
    }
    assert chosen["AWI", "layer of highest mean norm"] == (1, None)
    assert chosen["whole target", "layer of highest mean norm"] == (2, None)
    assert chosen["AWI", "head of highest mean norm"] == (1, 2)
    assert chosen["whole target", "head of highest mean norm"] == (2, 2)
