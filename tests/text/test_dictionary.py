"""A dictionary: an entry a line, cut into words as text is; what is none is named."""

from pathlib import Path

import pytest

from aligner.errors import CorpusError
from aligner.text.dictionary import read_dictionary


def test_entries_have_words_on_both_sides(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("house\tmaison\nin front  of\tdevant \n", encoding="utf-8")
    assert list(read_dictionary(path)) == [
        (["house"], ["maison"]),
        (["in", "front", "of"], ["devant"]),
    ]


def test_entries_are_cut_like_raw_text(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("don't\tl'été\n", encoding="utf-8")
    assert list(read_dictionary(path, ("en", "fr"))) == [(["don", "'t"], ["l'", "été"])]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\tb\nc d\n", "line 2: expected one tab, between source and target, got 0"),
        ("a\tb\tc\n", "line 1: expected one tab, between source and target, got 2"),
        ("a\tb\n\n", "line 2: expected one tab, between source and target, got 0"),
        ("a\t \n", "line 1: expected words on both sides of the tab, got an empty tar"),
        ("\tb\n", "line 1: expected words on both sides of the tab, got an empty sou"),
        ("a\tb\n\xe4\tb\n", "line 2: expected UTF-8"),
        ("", "expected entries of a dictionary, got none"),
    ],
)
def test_what_is_no_entry_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_bytes(content.encode("latin1"))
    with pytest.raises(CorpusError, match=f"{path}.*{message}"):
        read_dictionary(path)
