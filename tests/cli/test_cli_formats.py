"""What goes in and comes out: docs/formats.md, made anew; raw text end to end."""

import csv
import json
import re
from pathlib import Path

import jsonschema
import pytest
from conftest import ROOT, Run

from aligner.links.alignment import GoldAlignment
from aligner.links.formats import format_gold, read_gold, read_links, read_pharaoh
from aligner.prior.storage import load_prior
from aligner.sample.grammar import sample_corpus
from aligner.text.dictionary import read_dictionary

PAGE = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
SCHEMA = json.loads((ROOT / "docs" / "jsonl.schema.json").read_text(encoding="utf-8"))
BLOCKS = dict(re.findall(r"^```text (\S+)\n(.*?)^```", PAGE, re.M | re.S))
NUMBER = re.compile(r"\b[01]\.\d+\b")
# Several commands in one process, as loading the libraries takes most of the time.
MANY = """
import sys
from aligner.cli.app import app
for options in sys.argv[1:]:
    app(["prior", *options.split()], standalone_mode=False)
"""
OF_FIVE = "--src my.en --tgt my.de --load ende"
COMMANDS = [
    "--src train.en --tgt train.de --tokenize en de --save ende --out train.align",
    "--src train.en --tgt train.de --tokenize en de --format jsonl --out train.jsonl",
    "--src train.en --tgt train.de --tokenize en de --dictionary my.dict.tsv "
    "--save with-entries --out with-entries.align",
    f"{OF_FIVE} --out my.align --words my.words --sentence-scores my.scores",
    f"{OF_FIVE} --out my.scored --scores",
    f"{OF_FIVE} --out my.jsonl --format jsonl --tokenize en de",
    f"{OF_FIVE} --out my.links.tsv --format tsv",
    f"{OF_FIVE} --out shared.tsv --format tsv --shard 1/2",
    f"{OF_FIVE} --out shared.tsv --format tsv --shard 2/2",
    f"{OF_FIVE} --out my.covered --cover both --threshold 1 --scores",
    "--src my.both --load ende --out both.align",
    "--src my.tsv --load ende --out tsv.align",
    "--src hard.en --tgt hard.de --load ende --format jsonl --offsets utf16 "
    "--out hard.jsonl --words hard.words",
]


def raw(words: tuple[str, ...]) -> str:
    return re.sub(r" (?=[.,!?])", "", " ".join(words))


@pytest.fixture(scope="module")
def folder(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where all that the page shows has been written."""
    folder = tmp_path_factory.mktemp("formats")
    pairs = sample_corpus(300, 1)
    five = [pair for pair in pairs if len(pair.src) <= 6][:5]
    texts = {
        f"{name}.{end}": [raw(getattr(pair, side)) for pair in some]
        for name, some in (("train", pairs), ("my", five))
        for end, side in (("en", "src"), ("de", "tgt"))
    }
    both = list(zip(texts["my.en"], texts["my.de"], strict=True))
    texts |= {
        "my.both": [" ||| ".join(pair) for pair in both],
        "my.tsv": ["\t".join(pair) for pair in both],
        "my.gold": [format_gold(pair.gold) for pair in five],
        "hard.en": ["", "\U0001f600 She\u2028sle\u0301pt.\x01", '"x"'],
        "hard.de": ["leer", "Sie\u00a0schlief.", ""],
    }
    texts["my.dict.tsv"] = BLOCKS["my.dict.tsv"].splitlines()
    for name, lines in texts.items():
        content = "".join(f"{line}\n" for line in lines)
        (folder / name).write_text(content, encoding="utf-8")
    result = run(*COMMANDS, program=MANY, cwd=folder)
    assert result.code == 0, result.err
    return folder


def words_of(folder: Path, name: str) -> list[list[list[str]]]:
    """Return the words that were written beside links, by side and line."""
    texts = ((folder / f"{name}.align.{side}").read_text() for side in ("src", "tgt"))
    return [[line.split() for line in text.splitlines()] for text in texts]


def close(one: str, other: str) -> bool:
    """Tell whether texts are the same but for the last digits of scores."""
    numbers, others = (list(map(float, NUMBER.findall(text))) for text in (one, other))
    same = NUMBER.sub("#", one) == NUMBER.sub("#", other)
    return same and numbers == pytest.approx(others, abs=0.01)


@pytest.mark.parametrize("name", BLOCKS)
def test_every_block_of_the_page_is_made_anew(folder: Path, name: str) -> None:
    if name in ("my.talp", "my.naacl"):
        (folder / name).write_text(BLOCKS[name], encoding="utf-8")
        gold, found = read_gold(folder / "my.gold"), read_gold(folder / name)
        if name == "my.naacl":  # its first five lines are all but a link of a pair
            first = sorted(gold[0].sure)[:5]
            gold = [GoldAlignment(frozenset(first))]
        assert found == gold
        return
    found = (folder / name).read_text(encoding="utf-8")
    shown = BLOCKS[name]
    assert shown.count("\n") >= 5
    assert close("".join(found.splitlines(keepends=True)[: shown.count("\n")]), shown)


def test_the_page_shows_all() -> None:
    assert len(BLOCKS) == 16


def test_every_entry_of_the_dictionary_is_evidence(folder: Path) -> None:
    entries = read_dictionary(folder / "my.dict.tsv", ("en", "de"))
    assert len(entries) == 5
    alone, beside = (load_prior(folder / name) for name in ("ende", "with-entries"))
    for entry in entries:
        [(before, _)], [(after, _)] = (
            alone.word_scores([entry]),
            beside.word_scores([entry]),
        )
        assert after[:, :-1].sum() > max(before[:, :-1].sum() - 0.01, 0.9)


def test_all_formats_say_the_same(folder: Path) -> None:
    links = read_pharaoh(folder / "my.align")
    for name in ("my.scored", "my.jsonl", "both.align", "tsv.align"):
        assert read_links(folder / name) == links
    with (folder / "my.links.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, dialect="excel-tab"))
    words = words_of(folder, "my")
    for row in rows:
        pair, src, tgt = (int(row[name]) for name in ("pair", "src", "tgt"))
        assert (src, tgt) in links[pair - 1]
        assert row["src_word"] == words[0][pair - 1][src]
        assert row["tgt_word"] == words[1][pair - 1][tgt]
    assert len(rows) == sum(map(len, links))
    parts = [(folder / f"shared.tsv.{n}").read_text(encoding="utf-8") for n in (1, 2)]
    assert "".join(parts) == (folder / "my.links.tsv").read_text(encoding="utf-8")


def test_json_lines_are_valid_and_words_are_in_place(folder: Path) -> None:
    for name in ("my", "train"):
        cut = words_of(folder, name)
        lines = (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        assert len(lines) == len(cut[0])
        for line, *sides in zip(lines, *cut, strict=True):
            found = json.loads(line)
            jsonschema.Draft202012Validator(SCHEMA).validate(found)
            for side, words in zip(("src", "tgt"), sides, strict=True):
                tokens = found[f"{side}_tokens"]
                text = found[side]
                assert [text[t["start"] : t["end"]] for t in tokens] == words


def test_hard_lines(folder: Path) -> None:
    lines = (folder / "hard.jsonl").read_text(encoding="utf-8").split("\n")
    empty, hard, last = map(json.loads, lines[:-1])
    assert (empty["src"], empty["problem"]) == ("", "the source side is empty")
    assert last["problem"] == "the target side is empty"
    assert len(last["src_tokens"]) == 3
    assert hard["src"] == "\U0001f600 She\u2028sle\u0301pt.\x01"
    spans = [(token["start"], token["end"]) for token in hard["src_tokens"]]
    assert spans == [(0, 2), (3, 6), (7, 13), (13, 14)]
    words = (folder / "hard.words").read_text(encoding="utf-8").split("\n")
    assert len(words) == 4
    assert not words[0]


def test_a_cover_links_every_word(folder: Path) -> None:
    src, tgt = words_of(folder, "my")
    for links, s, t in zip(read_pharaoh(folder / "my.covered"), src, tgt, strict=True):
        assert {i for i, _ in links} == set(range(len(s)))
        assert {j for _, j in links} == set(range(len(t)))


def test_json_lines_are_evaluated(run: Run, folder: Path) -> None:
    options = ["--gold", "my.gold", "--hyp", "my.align", "--hyp", "my.jsonl"]
    result = run("evaluate", *options, cwd=folder)
    assert result.code == 0, result.err
    rows = [line.split() for line in result.out.splitlines() if line.startswith("my.")]
    assert rows[0][1:4] == rows[1][1:4]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--tokenize", "fr", "de"], "--tokenize fr de: expected en de, as ende has"),
        (["--tokenize", "english", "de"], "expected en de"),
        ([], "raw text: expected --out, to write the words beside it"),
        (["--offsets", "bytes", "--out", "x"], "--offsets: expected --format jsonl"),
        (["--words", "-"], "--words -: expected --out"),
        (["--out", "x", "--words", "x"], "x: expected --words another file than --out"),
        (["--format", "xml"], "'xml' is not one of"),
        (["--cover", "all"], "'all' is not one of"),
    ],
)
def test_what_does_not_fit_is_refused(
    run: Run, folder: Path, options: list[str], expected: str
) -> None:
    options = options if "--words" not in options else ["--format", "tsv", *options]
    result = run("prior", *OF_FIVE.split(), *options, cwd=folder)
    assert result.code == 2
    assert "Traceback" not in result.err
    assert expected in " ".join(result.err.replace("│", " ").split())
    assert not (folder / "x").exists()
