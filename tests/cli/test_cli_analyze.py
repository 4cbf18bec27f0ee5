"""aligner analyze, as a real process on a real model."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from conftest import PROGRAM, SENTENCES, Run, Trained, outcome, start
from small_encoders import LINES, save_encoder

NMT_TABLES = [
    "aer_by_head",
    "aer_by_layer",
    "aer_by_layer_and_model",
    "aer_summary",
    "choices_without_gold",
    "head_correlations",
    "models",
    "norm_against_weight",
    "token_frequency",
    "token_kinds",
    "token_kinds_by_head",
    "token_kinds_by_layer",
    "token_weight_and_norm",
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
    twin = shutil.copytree(trained.model, out.parent / "twins" / trained.model.name)
    command = ["analyze", "nmt", trained.model, twin, *trained.text()]
    result = run(*command, "--gold", gold, "--out", out)
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
    assert settings["models"][0]["directory"] == str(trained.model)
    for model in read_table(report / "models.csv"):
        assert (model["seed"], model["guide"], model["updates"]) == ("1", "auto", "24")
    assert any("with a guide" in note for note in content["notes"])


def test_models_of_one_name_are_told_apart(report: Path, trained: Trained) -> None:
    rows = read_table(report / "norm_against_weight.csv")
    assert {row["model"] for row in rows} == {"1: model", "2: model"}


@pytest.fixture(scope="module")
def replaced(
    trained: Trained, gold: Path, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return a report in the place of an earlier one, with frequencies as it says."""
    out = tmp_path_factory.mktemp("replaced")
    old = {"tables": [{"name": "old"}], "figures": [{"name": "older"}]}
    (out / "report.json").write_text(json.dumps(old))
    for name in ("old.csv", "older.svg", "older.png", "mine.csv"):
        (out / name).write_text("")
    command = ["analyze", "nmt", trained.model, *trained.text(), "--gold", gold]
    again = run(*command, "--out", out)
    again.assert_clean_failure("a report is there already", "--overwrite")
    options = ["--overwrite", "--frequency-text", trained.src]
    result = run(*command, "--out", out, *options)
    assert result.code == 0, result.err
    return out


def test_a_report_is_replaced_only_when_asked_to(replaced: Path) -> None:
    names = {path.name for path in replaced.iterdir()}
    assert "mine.csv" in names
    assert not {"old.csv", "older.svg", "older.png"} & names
    content = json.loads((replaced / "report.json").read_text(encoding="utf-8"))
    assert content["settings"]["direction"] == "forward"


def test_frequencies_are_those_of_the_training_text_or_of_another(
    report: Path, replaced: Path
) -> None:
    expected = read_table(report / "token_frequency.csv")[:2]
    found = read_table(replaced / "token_frequency.csv")
    assert [row["model"] for row in found] == ["model"] * 2
    for one, other in zip(found, expected, strict=True):
        assert {**one, "model": ""} == {**other, "model": ""}


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
    result.assert_clean_failure("pip install '.[analysis]'")
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
    assert "warning: gold: 1 of 3 sentence pairs have no gold links" in result.err


def test_models_are_checked_before_any_is_measured(
    trained: Trained, gold: Path, run: Run, tmp_path: Path
) -> None:
    command = ["analyze", "nmt", trained.model, *trained.text(), "--gold", gold]
    other = tmp_path / "other"
    shutil.copytree(trained.model, other)
    recipe = (other / "config.toml").read_text()
    larger = recipe.replace("encoder_layers = 1", "encoder_layers = 2")
    (other / "config.toml").write_text(larger)
    for options, expected in (
        ([trained.model], "expected different models, got one of them twice"),
        ([tmp_path / "none"], "none: no such model directory"),
        ([other], "expected 1 encoder and 2 decoder layers of 2 heads"),
        (["--max-length", "1"], "expected a pair that can be read, got none"),
    ):
        result = run(*command, *options, "--out", tmp_path / "out")
        result.assert_clean_failure(expected)
    assert not (tmp_path / "out").exists()


def test_nothing_is_read_of_stdin_as_training_text(
    trained: Trained, gold: Path, run: Run, tmp_path: Path
) -> None:
    """A model that was trained from stdin says so; there is no such text any more."""
    model = tmp_path / "model"
    shutil.copytree(trained.model, model)
    meta = json.loads((model / "meta.json").read_text())
    meta["files"] |= {"src": "-", "tgt": None}
    (model / "meta.json").write_text(json.dumps(meta))
    out = tmp_path / "out"
    command = ["analyze", "nmt", model, *trained.text(), "--gold", gold, "--out", out]
    result = run(*command, stdin=b"a ||| b\n")
    assert result.code == 0, result.err
    assert "nothing is said of frequency" in result.err
    assert not (out / "token_frequency.csv").exists()


BERT_TABLES = [
    "frequency",
    "groups",
    "groups_by_head",
    "groups_by_layer",
    "variation",
    "variation_by_head",
    "variation_by_layer",
    "weight_and_norm",
]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder("bert", tmp_path_factory.mktemp("encoders") / "bert")


@pytest.mark.process
def test_an_encoder_is_studied_from_its_directory(
    encoder: Path, tmp_path: Path
) -> None:
    text, out = tmp_path / "text", tmp_path / "out"
    text.write_text("\n".join([*LINES, "the house is a small tree " * 9]) + "\n")
    command = ["analyze", "bert", encoder, "--text", text, "--out", out]
    result = outcome(start(command))
    assert result.code == 0, result.err
    names = {path.name for path in out.iterdir()}
    assert sorted(n[:-4] for n in names if n.endswith(".csv")) == BERT_TABLES
    groups = read_table(out / "groups.csv")
    assert [row["group"] for row in groups] == [
        "[CLS]",
        "[SEP]",
        "comma, period",
        "other",
    ]
    assert sum(float(row["α"]) for row in groups) == pytest.approx(1, abs=1e-5)
    assert "note: 1 of 6 lines were split" in result.err
    content = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert content["settings"]["class"] == "BertModel"


def test_a_group_without_tokens_is_left_out_with_a_note(
    encoder: Path, run: Run, tmp_path: Path
) -> None:
    text, out = tmp_path / "text", tmp_path / "out"
    text.write_text("the house\na small tree\n")
    command = ["analyze", "bert", encoder, "--text", text, "--out", out]
    result = run(*command)
    assert result.code == 0, result.err
    assert "note: The text has no tokens of the group “comma, period”" in result.err
    assert all("comma" not in row["group"] for row in read_table(out / "groups.csv"))


WITHOUT_TRANSFORMERS = WITHOUT_MATPLOTLIB.replace("matplotlib", "transformers")


@pytest.mark.parametrize(
    ("options", "program", "expected"),
    [
        (
            "{encoder} --text nothing",
            PROGRAM,
            "error: nothing: expected text, got no words",
        ),
        ("{encoder} --text none.txt", PROGRAM, "error: none.txt: cannot read it"),
        (
            "{encoder} --text gpt/config.json --frequency-text no",
            PROGRAM,
            "error: no: cannot",
        ),
        (
            "{model} --text nothing",
            PROGRAM,
            "got a model of aligner: see aligner analyze",
        ),
        ("{gpt} --text nothing", PROGRAM, "expected a model of type bert"),
        ("{encoder} --text nothing", WITHOUT_TRANSFORMERS, "pip install '.[bert]'"),
    ],
)
def test_what_cannot_be_studied_is_said_in_one_line(
    encoder: Path,
    trained: Trained,
    run: Run,
    tmp_path: Path,
    options: str,
    program: str,
    expected: str,
) -> None:
    (tmp_path / "nothing").write_text("\n")
    (tmp_path / "gpt").mkdir()
    (tmp_path / "gpt" / "config.json").write_text('{"model_type": "gpt2"}')
    named = options.format(encoder=encoder, model=trained.model, gpt=tmp_path / "gpt")
    command = ["analyze", "bert", *named.split(), "--out", "out"]
    result = run(*command, program=program, cwd=tmp_path)
    result.assert_clean_failure(expected)
    assert not (tmp_path / "out").exists()
