"""`aligner choose` and what `align` makes of its file, through real processes."""

import json
from pathlib import Path

import pytest
from conftest import Outcome, Run, Trained
from small_encoders import save_encoder
from small_marian import save_marian

SRC = "the house is small .\n\nla . the\nthe house\nsmall house\n" * 40
TGT = "la maison est petite .\nmaison\nla house .\nla maison\npetite maison\n" * 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chosen")
    save_marian(folder / "there")
    save_marian(folder / "back", seed_shift=0.3, form="bin")
    (folder / "src").write_text(SRC, encoding="utf-8")
    (folder / "tgt").write_text(TGT, encoding="utf-8")
    return folder


def models(folder: Path) -> list[str | Path]:
    return [folder / "there", "--reverse-model", folder / "back"]


def text(folder: Path) -> list[str | Path]:
    return ["--src", folder / "src", "--tgt", folder / "tgt"]


@pytest.fixture(scope="module")
def chosen(folder: Path, run: Run) -> Outcome:
    out = ["--out", folder / "choice.json"]
    found = run("choose", *models(folder), *text(folder), *out)
    assert found.code == 0, found.err
    return found


def test_the_table_shows_every_layer_and_row(folder: Path, chosen: Outcome) -> None:
    title, header, *rows = [line.split("\t") for line in chosen.out.splitlines()]
    assert title == ["# agreement on 160 pairs; * is read"]
    assert header[1:] == ["forward AWI", "forward AWO", "reverse AWI", "reverse AWO"]
    assert [row[0] for row in rows[:2]] == ["1", "2"]
    kept = json.loads((folder / "choice.json").read_text())
    for place, (way, found) in enumerate(kept["ways"].items()):
        assert found["model"].endswith(("there", "back")[place])
        for one in found["figures"]:
            cell = rows[one["layer"] - 1][1 + 2 * place + (one["rows"] == "awo")]
            assert cell.split()[0] == f"{one['agreement']:.3f}"
            is_read = (one["layer"], one["rows"]) == (found["layer"], found["rows"])
            assert cell.endswith(" *") == is_read, way
    assert rows[-2:] == [
        ["precise", "balanced", "recall"],
        [f"{kept['thresholds'][name]:.4f}" for name in rows[-2]],
    ]


def test_a_choice_spares_choosing_and_lets_text_stream(
    folder: Path, chosen: Outcome, run: Run
) -> None:
    """The whole text, by a choice or not, and line by line: the same links."""
    expected = run("align", *models(folder), *text(folder))
    assert expected.code == 0, expected.err
    choice = ["--choice", folder / "choice.json"]
    whole = run("align", *models(folder), *text(folder), *choice)
    assert whole.out == expected.out
    assert "agree" not in whole.err
    piped = ["--src", "-", "--tgt", folder / "tgt", "--line-by-line", *choice]
    streamed = run("align", *models(folder), *piped, stdin=SRC.encode())
    assert streamed.code == 0, streamed.err
    assert streamed.out == expected.out
    kept = json.loads((folder / "choice.json").read_text())
    recall = run("align", *models(folder), *text(folder), *choice, "--preset", "recall")
    assert f"threshold {kept['thresholds']['recall']:.2f}" in recall.err


def test_one_way_is_chosen_by_a_prior(folder: Path, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "one.json"
    found = run("choose", folder / "there", *text(folder), "--out", out)
    assert found.code == 0, found.err
    assert "thresholds" not in found.out
    assert "it agrees with a prior" in found.err
    expected = run("align", folder / "there", *text(folder))
    again = run("align", folder / "there", *text(folder), "--choice", out)
    assert again.out == expected.out


def test_an_encoder_is_kept_with_a_choice(
    folder: Path, run: Run, tmp_path: Path
) -> None:
    encoder = ["--encoder", save_encoder("bert", tmp_path / "bert")]
    out = tmp_path / "choice.json"
    found = run("choose", *models(folder), *text(folder), *encoder, "--out", out)
    assert found.code == 0, found.err
    assert "encoder: layer" in found.err
    expected = run("align", *models(folder), *text(folder), *encoder)
    assert expected.code == 0, expected.err
    command = ["align", *models(folder), *text(folder), "--choice", out]
    assert run(*command, *encoder).out == expected.out
    run(*command).assert_clean_failure(f"--encoder: expected {encoder[1]}", "got none")
    other = save_encoder("roberta", tmp_path / "roberta")
    another = run(*command, "--encoder", other)
    another.assert_clean_failure("roberta: expected the encoder that")
    one = run("align", folder / "there", *text(folder), *encoder)
    one.assert_clean_failure("--encoder: expected --reverse-model")


def test_the_languages_of_raw_text_are_kept(
    folder: Path, run: Run, tmp_path: Path
) -> None:
    raw = ["--src", tmp_path / "src", "--tgt", tmp_path / "tgt"]
    (tmp_path / "src").write_text("The house is small.\nThe house.\n" * 40)
    (tmp_path / "tgt").write_text("La maison est petite.\nLa maison.\n" * 40)
    out, languages = tmp_path / "choice.json", ["--tokenize", "en", "fr"]
    found = run("choose", *models(folder), *raw, *languages, "--out", out)
    assert found.code == 0, found.err
    expected = run("align", *models(folder), *raw, *languages)
    command = ["align", *models(folder), *raw, "--choice", out]
    assert run(*command).out == expected.out
    other = run(*command, "--tokenize", "en", "de")
    other.assert_clean_failure("--tokenize en de: expected en fr, as", "choice.json")
    page = ["--out", tmp_path / "page.html"]
    view = run("view", *models(folder), *raw, "--choice", out, *page)
    assert view.code == 0, view.err
    assert '"maison"' in (tmp_path / "page.html").read_text()


def test_mistakes_end_in_one_line(
    folder: Path, chosen: Outcome, trained: Trained, run: Run, tmp_path: Path
) -> None:
    choice = ["--choice", folder / "choice.json"]
    for options, expected in (
        (["--layer", "1"], "--layer: expected none beside --choice"),
        (["--score", "weight"], "--score: expected none beside --choice"),
        (["--prior-weight", "0.2"], "--prior-weight: expected none beside"),
        (["--encoder", "some/encoder"], "some/encoder"),
    ):
        found = run("align", *models(folder), *text(folder), *choice, *options)
        found.assert_clean_failure(expected)
    one = run("align", folder / "there", *text(folder), *choice)
    one.assert_clean_failure("expected a choice for forward, got one for forward and")
    ours = run("choose", trained.model, *text(folder))
    ours.assert_clean_failure("expected a model of others, got one of aligner")
    (tmp_path / "empty").write_text(" ||| \n")
    empty = run("choose", *models(folder), "--src", tmp_path / "empty")
    empty.assert_clean_failure("expected a pair with words on both sides")
    kept = (folder / "choice.json").read_text()
    (tmp_path / "half.json").write_text(kept[:100])
    half = ["--choice", tmp_path / "half.json"]
    found = run("align", *models(folder), *text(folder), *half)
    found.assert_clean_failure("half.json: cannot be read as JSON")
    stdout = run("choose", *models(folder), *text(folder), "--out", "-")
    stdout.assert_clean_failure("expected --out FILE")
