"""aligner analyze, as a real process on a real model."""

import csv
import json
from pathlib import Path

import pytest
from conftest import SENTENCES, Run, Trained

NMT_TABLES = [
    "aer_by_head",
    "aer_by_layer",
    "aer_by_layer_and_model",
    "aer_summary",
    "choices_without_gold",
    "head_correlations",
    "norm_against_weight",
]


@pytest.fixture(scope="module")
def gold(trained: Trained, run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return alignments of the test text that pass for gold."""
    path = tmp_path_factory.mktemp("gold") / "gold"
    result = run("prior", *trained.text(), "--out", path)
    assert result.code == 0, result.err
    return path


@pytest.fixture(scope="module")
def report(
    trained: Trained, gold: Path, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("report")
    result = run(
        *("analyze", "nmt", trained.model, trained.model, *trained.text()),
        *("--gold", gold, "--out", out),
    )
    assert result.code == 0, result.err
    assert result.out == ""
    assert f"report: {out / 'report.html'}" in result.err
    return out


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_report_has_a_page_its_data_tables_and_figures(report: Path) -> None:
    names = {path.name for path in report.iterdir()}
    assert {"report.html", "report.json"} < names
    assert sorted(n[:-4] for n in names if n.endswith(".csv")) == NMT_TABLES
    assert {n[:-4] for n in names if n.endswith(".svg")} == {
        n[:-4] for n in names if n.endswith(".png")
    }


def test_the_rates_are_those_of_evaluate(
    report: Path, trained: Trained, gold: Path, run: Run, tmp_path: Path
) -> None:
    found = {
        (row["rows"], row["layer"]): row
        for row in read_table(report / "aer_by_layer_and_model.csv")
    }
    for rows, layer, score in (("awo", "2", "weight"), ("awi", "1", "alti-l2")):
        links = tmp_path / f"{rows}-{score}"
        options = ["--direction", "forward", "--rows", rows, "--layer", layer]
        options += ["--score", score, "--prior-weight", "0", "--out", links]
        assert run("align", trained.model, *trained.text(), *options).code == 0
        scored = run("evaluate", "--gold", gold, "--hyp", links)
        rate = float(scored.out.splitlines()[2].split("\t")[1].split()[0])
        expected = float(found[(rows.upper(), layer)][score])
        assert rate == pytest.approx(expected, abs=0.051)


def test_the_settings_say_what_was_analysed(report: Path, trained: Trained) -> None:
    content = json.loads((report / "report.json").read_text(encoding="utf-8"))
    settings = content["settings"]
    assert settings["pairs"] == SENTENCES
    assert settings["direction"] == "forward"
    for model in settings["models"]:
        assert model["directory"] == str(trained.model)
        assert (model["seed"], model["guide"], model["updates"]) == (1, "auto", 24)
    assert any("with a guide" in note for note in content["notes"])


def test_models_of_one_name_are_told_apart(report: Path, trained: Trained) -> None:
    rows = read_table(report / "norm_against_weight.csv")
    assert {row["model"] for row in rows} == {"1: model", "2: model"}


def test_a_report_is_replaced_only_when_asked_to(
    trained: Trained, gold: Path, run: Run, tmp_path: Path
) -> None:
    command = ["analyze", "nmt", trained.model, *trained.text(), "--gold", gold]
    assert run(*command, "--out", tmp_path, "--direction", "reverse").code == 0
    (tmp_path / "mine").write_text("kept")
    again = run(*command, "--out", tmp_path)
    again.assert_clean_failure("a report is there already", "--overwrite")
    assert run(*command, "--out", tmp_path, "--overwrite").code == 0
    content = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert content["settings"]["direction"] == "forward"
    assert (tmp_path / "mine").exists()


WITHOUT_MATPLOTLIB = """
import sys
sys.modules["matplotlib"] = None
from aligner.cli import main
main()
"""


def test_without_matplotlib_it_says_what_to_install(
    trained: Trained, gold: Path, run: Run, tmp_path: Path
) -> None:
    result = run(
        *("analyze", "nmt", trained.model, *trained.text(), "--gold", gold),
        *("--out", tmp_path / "out"),
        program=WITHOUT_MATPLOTLIB,
    )
    result.assert_clean_failure("pip install 'aligner[analysis]'")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "links", "expected"),
    [
        ("a b\nc d\n", "0-0\n", ["expected 2 lines", "got 1"]),
        ("a b\nc d\n", "0-0\n0-0 1-2\n", ["gold: pair 2", "2 source", "got 1-2"]),
        ("a b\nc d\n", "0-0\n0:0\n", ["gold, line 2", "0:0"]),
        ("\n\n", "\n\n", ["text: expected sentence pairs, got no words"]),
        ("", "", ["text: expected sentence pairs, got no words"]),
    ],
)
def test_gold_of_other_text_is_an_error(
    trained: Trained,
    run: Run,
    tmp_path: Path,
    text: str,
    links: str,
    expected: list[str],
) -> None:
    (tmp_path / "text").write_text(text)
    (tmp_path / "gold").write_text(links)
    result = run(
        *("analyze", "nmt", trained.model, "--src", "text", "--tgt", "text"),
        *("--gold", "gold", "--out", "out"),
        cwd=tmp_path,
    )
    result.assert_clean_failure(*expected)
    assert not (tmp_path / "out").exists()


def test_pairs_that_cannot_be_read_are_named_and_count_as_unlinked(
    trained: Trained, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("a b\n\nc d\n")
    (tmp_path / "gold").write_text("0-0\n\n1-1\n")
    result = run(
        *("analyze", "nmt", trained.model, "--src", "text", "--tgt", "text"),
        *("--gold", "gold", "--out", "out"),
        cwd=tmp_path,
    )
    assert result.code == 0, result.err
    content = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert any("1 pairs could not be read" in note for note in content["notes"])
