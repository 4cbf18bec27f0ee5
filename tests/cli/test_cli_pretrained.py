"""`aligner align` by translation models of others, through real processes."""

import json
from pathlib import Path

import pytest
from conftest import Run
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
        (["--encoder", "some/encoder"], "--encoder: expected a model of aligner"),
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
