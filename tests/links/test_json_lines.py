"""JSON lines: valid by the schema, places by any count, and read back."""

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligner.errors import LinkFormatError
from aligner.links.aligned_pair import AlignedPair
from aligner.links.formats import read_links
from aligner.links.json_lines import format_json, parse_json_links
from aligner.text.words import Sentence, split_sentence

ROOT = Path(__file__).parent.parent.parent
SCHEMA = json.loads((ROOT / "docs" / "jsonl.schema.json").read_text(encoding="utf-8"))
VALID = jsonschema.Draft202012Validator(SCHEMA)
LINE = st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=20)


def pair_of(src: Sentence, tgt: Sentence) -> AlignedPair:
    scores = {(i, j): 1 / (1 + i + j) for i in range(len(src)) for j in range(len(tgt))}
    return AlignedPair(frozenset(scores), scores, 0.123456, "")


@given(LINE, LINE)
def test_lines_are_valid_and_read_back(src: str, tgt: str) -> None:
    sides = split_sentence(src), split_sentence(tgt)
    pair = pair_of(*sides)
    for offsets, encoding, width in (
        ("codepoints", "utf-32-le", 4),
        ("bytes", "utf-8", 1),
        ("utf16", "utf-16-le", 2),
    ):
        line = format_json(pair, *sides, offsets=offsets)  # type: ignore[arg-type]
        assert len(line.splitlines()) == 1
        found = json.loads(line)
        VALID.validate(found)
        assert parse_json_links(line) == pair.links
        assert (found["src"], found["tgt"], found["score"]) == (src, tgt, 0.1235)
        for name, words in zip(("src", "tgt"), sides, strict=True):
            units = found[name].encode(encoding)
            cut = [
                units[token["start"] * width : token["end"] * width].decode(encoding)
                for token in found[f"{name}_tokens"]
            ]
            assert cut == words


def test_a_pair_without_links() -> None:
    pair = AlignedPair(frozenset(), {}, problem="the source side is empty")
    found = json.loads(format_json(pair, split_sentence(""), split_sentence("a b")))
    VALID.validate(found)
    assert found["problem"] == "the source side is empty"
    assert found["src_tokens"] == found["links"] == []


def test_either_kind_of_line_is_read(tmp_path: Path) -> None:
    sides = split_sentence("a b"), split_sentence("c")
    links, empty = pair_of(*sides), AlignedPair(frozenset(), {})
    path = tmp_path / "links"
    lines = [format_json(pair, *sides) + "\n" for pair in (links, empty)]
    path.write_text("".join(lines), encoding="utf-8")
    assert read_links(path, one_based=True) == [{(0, 0), (1, 0)}, set()]
    path.write_text("\n1-1 2-1\n", encoding="utf-8")
    assert read_links(path, one_based=True) == [set(), {(0, 0), (1, 0)}]


@pytest.mark.parametrize(
    "bad",
    [
        "0-0",
        "[]",
        "{}",
        '{"links": 3}',
        '{"links": [{"src": 0}]}',
        '{"links": [{"src": -1, "tgt": 0}]}',
        '{"links": [{"src": true, "tgt": 0}]}',
        '{"links": [[0, 0]]}',
        "[" * 100_000,
    ],
)
def test_other_lines_are_named(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "bad"
    path.write_text('{"links": []}\n' + bad + "\n", encoding="utf-8")
    with pytest.raises(
        LinkFormatError, match=r'bad, line 2: expected JSON with "links"'
    ):
        read_links(path)
