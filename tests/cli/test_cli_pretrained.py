"""`align`, `view` and `analyze nmt` on models of others, through real processes."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Run, Trained
from small_encoders import save_encoder
from small_marian import save_marian
from small_translators import save_translator

SRC = "the house is small .\n\nla . the\nthe house\nsmall house\n"
TGT = "la maison est petite .\nmaison\nla house .\nla maison\npetite maison\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foreign")
    save_marian(folder / "there")
    save_marian(folder / "back", seed_shift=0.3, form="bin")
    (folder / "src").write_text(SRC, encoding="utf-8")
    (folder / "tgt").write_text(TGT, encoding="utf-8")
    return folder


def text(folder: Path) -> list[str | Path]:
    return ["--src", folder / "src", "--tgt", folder / "tgt"]


def test_a_pair_of_models_aligns_every_line(folder: Path, run: Run) -> None:
    models = [folder / "there", "--reverse-model", folder / "back"]
    found = run("align", *models, *text(folder))
    assert found.code == 0, found.err
    lines = found.out.split("\n")
    assert len(lines) == 6
    assert lines[1] == ""
    assert "they agree by" in found.err
    assert "threshold 0." in found.err
    given = ["--layer", "1", "--rows", "awi", "--threshold", "0.2", "--scores"]
    again = run("align", *models, *text(folder), *given)
    assert again.code == 0, again.err
    assert ":0." in again.out
    assert "agree" not in again.err.replace("they agree by", "")
    with_prior = run("align", *models, *text(folder), "--prior-weight", "1")
    assert with_prior.code == 0, with_prior.err
    assert "prior: learning from 4 pairs" in with_prior.err


def test_one_model_aligns_one_way(folder: Path, run: Run) -> None:
    found = run("align", folder / "there", *text(folder))
    assert found.code == 0, found.err
    assert "note: one direction only, as there is no --reverse-model" in found.err
    assert len(found.out.splitlines()) == 5


def test_a_model_of_many_languages_aligns_both_ways(folder: Path, run: Run) -> None:
    model = save_translator("nllb", folder / "nllb")
    options = ["--languages", "eng_Latn", "fra_Latn"]
    found = run("align", model, *options, *text(folder))
    assert found.code == 0, found.err
    assert "they agree by" in found.err
    assert len(found.out.splitlines()) == 5
    run("align", model, *text(folder)).assert_clean_failure("expected --languages")
    options[-1] = "klingon"
    run("align", model, *options, *text(folder)).assert_clean_failure("got 'klingon'")


def test_mistakes_end_in_one_line(folder: Path, run: Run, tmp_path: Path) -> None:
    there, nothing = folder / "there", tmp_path / "nothing"
    nothing.mkdir()
    for options, expected in (
        (["--reverse-model", nothing], "got neither"),
        (["--languages", "en", "fr"], "expected no --languages"),
        (["--encoder", "some/encoder"], "--encoder: expected --reverse-model"),
        (["--score", "alti-l1"], "expected score norm or weight, got alti-l1"),
        (["--rows", "full"], "expected rows awi or awo, got full"),
        (["--layer", "3"], "expected a layer from 1 to 2, got 3"),
        (["--preset", "precise"], "expected both directions, got forward"),
    ):
        found = run("align", there, *text(folder), *options)
        found.assert_clean_failure(expected)
        assert not found.out
    piped = run("align", there, "--src", "-", "--tgt", folder / "tgt")
    piped.assert_clean_failure("-: expected a file")


def test_other_files_are_refused(folder: Path, run: Run, tmp_path: Path) -> None:
    damaged = save_marian(tmp_path / "damaged", form="bin")
    path = damaged / "model.intgemm8.bin"
    path.write_bytes(b"\x02" + path.read_bytes()[1:])
    found = run("align", damaged, *text(folder))
    found.assert_clean_failure(str(path), "in version 1, got 2")
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    (encoder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    found = run("align", encoder, *text(folder))
    found.assert_clean_failure("with cross-attention, got a BertConfig")
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text(json.dumps({"model_type": "marian"}))
    (pickled / "pytorch_model.bin").write_bytes(b"PK")
    found = run("align", pickled, *text(folder))
    found.assert_clean_failure("nothing is unpickled here", "save_pretrained")


def content(page: Path) -> dict[str, Any]:
    text = page.read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(
        text.split('id="data">')[1].split("</script>")[0]
    )
    return found


def test_a_page_shows_both_models(folder: Path, run: Run, tmp_path: Path) -> None:
    models = [folder / "there", "--reverse-model", folder / "back"]
    align = run("align", *models, *text(folder))
    out = ["--out", tmp_path / "page.html"]
    found = run("view", *models, *text(folder), *out)
    assert found.code == 0, found.err
    shown = content(tmp_path / "page.html")
    assert set(shown["ways"]) == {"forward", "reverse"}
    for way in shown["ways"].values():
        assert way["heads"] == 2
        assert way["first"] in way["readings"]
        assert len(way["readings"]) == 4
    for pair, line in zip(shown["pairs"], align.out.splitlines(), strict=True):
        assert " ".join(f"{s}-{t}" for s, t, _ in pair["links"]) == line
    full = shown["pairs"][0]["scores"]
    assert {key.split()[0] for key in full} == {"forward", "reverse"}
    given = ["--layer", "2", "--rows", "awo", "--overwrite"]
    assert run("view", *models, *text(folder), *out, *given).code == 0
    ways = content(tmp_path / "page.html")["ways"].values()
    assert [way["first"] for way in ways] == [[1, "awo"]] * 2
    assert run("view", folder / "there", *text(folder), *out, "--overwrite").code == 0
    assert set(content(tmp_path / "page.html")["ways"]) == {"forward"}


def test_a_page_shows_the_links_beside_an_encoder(
    folder: Path, run: Run, trained: Trained, tmp_path: Path
) -> None:
    """Of models of others, and of ours."""
    encoder = ["--encoder", save_encoder("bert", tmp_path / "bert")]
    others = [folder / "there", "--reverse-model", folder / "back"]
    page = ["--out", tmp_path / "page.html", "--overwrite"]
    for models in (others, [trained.model]):
        align = run("align", *models, *text(folder), *encoder)
        view = run("view", *models, *text(folder), *encoder, *page)
        assert view.code == align.code == 0, view.err
        pairs = content(tmp_path / "page.html")["pairs"]
        for pair, line in zip(pairs, align.out.splitlines(), strict=False):
            assert " ".join(f"{s}-{t}" for s, t, _ in pair["links"]) == line


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_a_report_scores_one_of_both_models(
    folder: Path, run: Run, tmp_path: Path, direction: str
) -> None:
    """The rates are those of evaluate, of what align links by the same reading."""
    (tmp_path / "gold").write_text("0-0 1-1\n\n0-0\n0-0\n0-1 1-0\n")
    models = [folder / "there", "--reverse-model", folder / "back"]
    command = ["analyze", "nmt", *models, *text(folder), "--gold", tmp_path / "gold"]
    command += ["--direction", direction, "--frequency-text", folder / "src"]
    found = run(*command, "--out", tmp_path / "report")
    assert found.code == 0, found.err
    rates = table(tmp_path / "report" / "aer_by_layer_and_model.csv")
    assert {row["model"] for row in rates} == {
        {"forward": "there", "reverse": "back"}[direction]
    }
    assert len(rates) == 4
    assert all(row["agreement"] for row in rates)
    assert "resln" not in rates[0]
    for row in rates:
        options = ["--layer", row["layer"], "--rows", row["rows"].lower()]
        options += ["--direction", direction, "--out", tmp_path / "links"]
        assert run("align", *models, *text(folder), *options).code == 0
        scored = run(
            "evaluate", "--gold", tmp_path / "gold", "--hyp", tmp_path / "links"
        )
        rate = float(scored.out.splitlines()[2].split("\t")[1].split()[0])
        assert rate == pytest.approx(float(row["norm"]), abs=0.051)
    kinds = table(tmp_path / "report" / "token_kinds.csv")
    assert [row["group"] for row in kinds] == ["</s>", "punctuation", "other"]
    assert sum(float(row["α"]) for row in kinds) == pytest.approx(1, abs=1e-4)
    assert {row["attention"] for row in kinds} == {"cross-attention"}


def test_the_name_of_a_language_is_no_word(
    folder: Path, run: Run, tmp_path: Path
) -> None:
    model = save_translator("nllb", tmp_path / "nllb")
    (tmp_path / "gold").write_text("0-0 1-1\n\n0-0\n0-0\n0-1 1-0\n")
    command = ["analyze", "nmt", model, *text(folder), "--gold", tmp_path / "gold"]
    languages = ["--languages", "eng_Latn", "fra_Latn"]
    found = run(*command, *languages, "--out", tmp_path / "report")
    assert found.code == 0, found.err
    kinds = table(tmp_path / "report" / "token_kinds.csv")
    assert {row["group"]: row["tokens"] for row in kinds}["other special"] == "4"
    two = run("analyze", "nmt", folder / "there", folder / "back", *command[3:])
    two.assert_clean_failure("expected one model where it is of others, got 2")
    other = ["--direction", "reverse", "--out", tmp_path / "other"]
    one = run("analyze", "nmt", folder / "there", *command[3:], *other)
    one.assert_clean_failure("direction reverse: expected --reverse-model")
