"""The study of encoders, against naive loops in float64 over the same definitions."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from encoder_oracle import Oracle
from scipy import stats
from small_encoders import KINDS, LINES, load_in_double, save_encoder

from aligner.analysis.encoder.encoder import Encoder
from aligner.analysis.encoder.measures import batches, is_mark, measure_encoder
from aligner.analysis.encoder.study import study_encoder
from aligner.analysis.report.content import Cell, Report
from aligner.analysis.report.directory import write_report
from aligner.analysis.report.figures import DRAWN_POINTS, Curves, Heatmap, Scatter
from aligner.analysis.tokens.frequencies import frequency_ranks
from aligner.errors import CorpusError

pytestmark = pytest.mark.slow

Rows = list[list[Cell]]


class Case(NamedTuple):
    report: Report
    oracle: Oracle
    names: dict[str, str]  # of the report's groups -> of the oracle's

    def table(self, name: str) -> Rows:
        return rows(self.report, name)


def rows(report: Report, name: str) -> Rows:
    (table,) = [table for table in report.tables if table.name == name]
    return [list(row) for row in table.rows]


def assert_rows(found: Rows, expected: Rows, rel: float = 1e-9) -> None:
    assert len(found) == len(expected)
    for mine, other in zip(found, expected, strict=True):
        for cell, value in zip(mine, other, strict=True):
            is_number = isinstance(value, float)
            assert cell == (pytest.approx(value, rel=rel) if is_number else value)


@pytest.fixture(scope="module", params=["bert", "roberta", "distilbert", "electra"])
def case(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Case:
    directory = save_encoder(request.param, tmp_path_factory.mktemp("model"))
    encoder = load_in_double(directory)
    special = [encoder.tokenizer.cls_token, encoder.tokenizer.sep_token]
    return Case(
        study_encoder(encoder, LINES),
        Oracle(directory, encoder, LINES),
        {**{s: s for s in special}, "comma, period": "mark", "other": "rest"},
    )


def test_groups_are_those_of_the_oracle(case: Case) -> None:
    means = {name: case.oracle.mean(other) for name, other in case.names.items()}
    total = sum(weighted for _, weighted, _ in means.values())
    expected = [[*mean, mean[1] / total] for mean in means.values()]
    assert_rows([row[2:] for row in case.table("groups")], expected)
    assert [row[0] for row in case.table("groups")] == list(case.names)
    assert sum(row[2] for row in case.table("groups")) == pytest.approx(1)
    assert sum(row[5] for row in case.table("groups")) == pytest.approx(1)


def test_layers_and_heads_are_those_of_the_oracle(case: Case) -> None:
    oracle = case.oracle
    layers, heads = range(oracle.layers), range(oracle.heads)
    expected = []
    for layer in layers:
        means = {name: oracle.mean(other, layer) for name, other in case.names.items()}
        total = sum(weighted for _, weighted, _ in means.values())
        expected += [
            [layer + 1, name, *mean, mean[1] / total] for name, mean in means.items()
        ]
    assert_rows(case.table("groups_by_layer"), expected)
    assert_rows(
        case.table("groups_by_head"),
        [
            [layer + 1, head + 1, name, *oracle.mean(group, layer, head)]
            for layer in layers
            for head in heads
            for name, group in case.names.items()
        ],
    )


def test_weights_and_norms_correlate_as_in_the_oracle(case: Case) -> None:
    for name, points, found in case.table("weight_and_norm"):
        group = case.names[str(name)]
        assert points == sum(key[3] == group for key in case.oracle.sums)
        assert found == pytest.approx(case.oracle.spearman(group), abs=1e-9)


def test_variation_is_that_of_the_oracle(case: Case) -> None:
    oracle, places = case.oracle, np.ndindex(case.oracle.layers, case.oracle.heads)
    by_head = [
        [layer + 1, head + 1, *(oracle.variation(k, layer, head) for k in "fa")]
        for layer, head in places
    ]
    inputs = [oracle.variation("x", layer) for layer in range(oracle.layers)]
    assert_rows(case.table("variation_by_head"), by_head)
    columns = [inputs, *([row[k] for row in by_head] for k in (2, 3))]
    expected = [[np.mean(column), max(column)] for column in columns]
    assert_rows([row[1:] for row in case.table("variation")], expected)
    for layer, x, f, a in case.table("variation_by_layer"):
        of_layer = [row[2:] for row in by_head if row[0] == layer]
        assert x == pytest.approx(inputs[int(layer) - 1])
        assert [f, a] == pytest.approx(np.mean(of_layer, axis=0).tolist())


def test_frequency_is_that_of_the_oracle(case: Case) -> None:
    values = case.oracle.token_values
    ids = [token for token, _, _ in values]
    ranks = stats.rankdata([-ids.count(token) for token in set(ids)])
    rank_of = dict(zip(set(ids), ranks.tolist(), strict=True))
    types = [
        (token, *np.mean([v[1:] for v in values if v[0] == token], axis=0).tolist())
        for token in set(ids)
    ]
    expected = [
        [
            stats.spearmanr([rank_of[v[0]] for v in of], [v[k] for v in of]).statistic
            for k in (1, 2)
        ]
        for of in (values, types)
    ]
    found = case.table("frequency")
    assert [row[1] for row in found] == [len(values), len(types)]
    assert_rows([row[2:] for row in found], expected)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_and_batches_change_nothing_that_shows(
    kind: str, tmp_path: Path
) -> None:
    encoder = Encoder.load(str(save_encoder(kind, tmp_path)))
    exact = load_in_double(tmp_path)
    reports = [
        study_encoder(encoder, LINES),
        study_encoder(exact, LINES, batch_tokens=1),
        study_encoder(exact, LINES, batch_tokens=30),
        study_encoder(exact, LINES, batch_tokens=10_000),
    ]
    for tables in zip(*(report.tables for report in reports), strict=True):
        in_float32, *in_float64 = [[list(row) for row in t.rows] for t in tables]
        if tables[0].name not in {"weight_and_norm", "frequency"}:  # ranks may change
            assert_rows(in_float32, in_float64[0], rel=1e-4)
        for again in in_float64[1:]:
            assert_rows(again, in_float64[0])


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return Encoder.load(str(save_encoder("bert", tmp_path_factory.mktemp("bert"))))


def test_figures_show_what_the_tables_say(case: Case) -> None:
    figures = {figure.name: figure for figure in case.report.figures}
    by_layer = case.table("groups_by_layer")
    for name, column in (("weights_by_layer", 2), ("norms_by_layer", 3)):
        curves = figures[name]
        assert isinstance(curves, Curves)
        for group, series in curves.series.items():
            assert series == [row[column] for row in by_layer if row[1] == group]
    slugs = ("cls", "sep", "comma_period", "other")
    for slug, group in zip(slugs, case.names, strict=True):
        heatmap = figures[f"norms_by_head_{slug}"]
        assert isinstance(heatmap, Heatmap)
        of_group = [row[4] for row in case.table("groups_by_head") if row[2] == group]
        assert [v for row in heatmap.values for v in row] == of_group
    scatter = figures["weights_against_norms"]
    assert isinstance(scatter, Scatter)
    for name, points, correlation in case.table("weight_and_norm"):
        assert len(scatter.groups[str(name)]) == points
        assert f"{name}: {correlation:.2f}" in scatter.caption


def test_a_report_can_be_written(bert: Encoder, tmp_path: Path) -> None:
    report = study_encoder(bert, LINES)
    write_report(tmp_path, report)
    written = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert len(written["tables"]) == 8
    assert len(written["figures"]) == len(list(tmp_path.glob("*.svg"))) == 9


def test_many_points_are_drawn_as_a_sample(bert: Encoder) -> None:
    report = study_encoder(bert, LINES * 150)  # 2 layers, 4 heads, 5 sequences
    (scatter,) = [f for f in report.figures if f.name == "weights_against_norms"]
    assert isinstance(scatter, Scatter)
    assert len(scatter.groups["other"]) == DRAWN_POINTS < 8 * 5 * 150


ALL = ["[CLS]", "[SEP]", "comma, period", "other"]
NOTES: list[tuple[list[str], list[str], list[str], int]] = [
    # text, groups that are left, what notes say, cells that do not exist
    (["he said he"], ["[CLS]", "[SEP]", "other"], ["“comma, period”", "not exist"], 2),
    ([", . ,", "."], ["[CLS]", "[SEP]", "comma, period"], ["“other”", "not exist"], 4),
    (["he " * 50 + "is a ."], ALL, ["1 of 1 lines were split: .* 24 tokens"], 0),
    (["a tree"], ["[CLS]", "[SEP]", "other"], ["“comma, period”", "not exist"], 4),
]


@pytest.mark.parametrize(("lines", "groups", "notes", "gaps"), NOTES)
def test_what_is_missing_is_noted(
    bert: Encoder, lines: list[str], groups: list[str], notes: list[str], gaps: int
) -> None:
    report = study_encoder(bert, lines)
    assert [row[0] for row in rows(report, "groups")] == groups
    for table in ("groups_by_layer", "groups_by_head"):
        assert {cell for row in rows(report, table) for cell in row[:3]} >= set(groups)
    for figure in report.figures:
        if isinstance(figure, Curves):
            assert list(figure.series) == groups
    for note in notes:
        assert [n for n in report.notes if re.search(note, n)]
    found = [cell for t in report.tables for row in t.rows for cell in row]
    assert found.count(None) == gaps


def test_frequencies_may_come_from_another_text(bert: Encoder) -> None:
    text = ["the house is a tree .", "he said , the tree"]
    other = ["the the the the", "house house house", "is is", "a"]
    report = study_encoder(bert, text, frequency_lines=other)
    measures = measure_encoder(bert, bert.sequences(text).ids)
    tokens = bert.tokenizer.convert_ids_to_tokens(measures.tokens.tolist())
    ranks = [{"the": 1, "house": 2, "is": 3, "a": 4}.get(t, 7) for t in tokens]
    (row, _) = rows(report, "frequency")
    expected = [
        stats.spearmanr(ranks, values).statistic
        for values in (measures.token_norms, measures.token_weights)
    ]
    assert row == ["occurrences", 11, *map(pytest.approx, expected)]
    assert any("5 of 9 distinct tokens" in note for note in report.notes)
    assert "analysed text itself" in study_encoder(bert, text).notes[-1]


def test_equal_counts_share_their_mean_rank() -> None:
    counts = {10: 5, 11: 2, 12: 2, 13: 1}
    found = frequency_ranks(counts, [10, 14, 15])
    assert found == {10: 1, 11: 2.5, 12: 2.5, 13: 4, 14: 5.5, 15: 5.5}


def test_settings_and_notes_are_passed_on(bert: Encoder) -> None:
    report = study_encoder(bert, LINES, settings={"text": "a.en"}, notes=["First."])
    assert report.notes[0] == "First."
    expected = {"text": "a.en", "class": "BertModel", "layers": 2, "heads": 4}
    expected |= {"lines": 5, "split lines": 0, "sequences": 5, "tokens": 42}
    assert report.settings.items() >= expected.items()


def test_progress_counts_sequences(bert: Encoder) -> None:
    told: list[tuple[int, int]] = []
    study_encoder(
        bert, LINES, batch_tokens=1, on_progress=lambda *done: told.append(done)
    )
    assert told == [(n, 5) for n in range(1, 6)]


def test_an_empty_text_is_refused(bert: Encoder) -> None:
    with pytest.raises(CorpusError, match="at least one token, got none"):
        study_encoder(bert, ["", " "])


@pytest.mark.parametrize(
    ("token", "expected"),
    [(",", True), ("▁,", True), ("Ġ.", True), ("##.", True)]
    + [(token, False) for token in (";", "...", "Ġ", "a.", "[SEP]")],
)
def test_commas_and_periods(token: str, expected: bool) -> None:
    assert is_mark(token) == expected


@pytest.mark.parametrize(
    ("lengths", "tokens", "expected"),
    [
        ([3, 9, 3, 4], 9, [[0, 2], [3], [1]]),
        ([3, 3, 3], 9, [[0, 1, 2]]),
        ([20], 9, [[0]]),
    ],
)
def test_batches_hold_what_fits(
    lengths: list[int], tokens: int, expected: list[list[int]]
) -> None:
    assert list(batches(lengths, tokens)) == expected
