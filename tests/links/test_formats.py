"""Alignment files: what is read, what is written, and what malformed input gets."""

import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligner.errors import LinkFormatError
from aligner.links.alignment import Alignment, GoldAlignment, flip
from aligner.links.formats import (
    format_gold,
    format_pharaoh,
    parse_pharaoh,
    read_gold,
    read_pharaoh,
)
from aligner.terms import GoldFormat

index = st.integers(0, 200)
alignments = st.frozensets(st.tuples(index, index), max_size=30)


def write(tmp_path: Path, text: str | bytes, name: str = "links") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def gold(sure: str, possible: str = "") -> GoldAlignment:
    return GoldAlignment(parse_pharaoh(sure), parse_pharaoh(possible))


@given(alignments)
def test_what_is_written_is_read_back(alignment: Alignment) -> None:
    assert parse_pharaoh(format_pharaoh(alignment)) == alignment


@given(alignments)
def test_scores_are_read_over(alignment: Alignment) -> None:
    scores = {link: sum(link) / 400 for link in alignment}
    assert parse_pharaoh(format_pharaoh(alignment, scores)) == alignment


def test_gold_that_is_written_is_read_back(tmp_path: Path) -> None:
    alignment = gold("0-0 3-1", "2-1")
    assert format_gold(alignment) == "0-0 2?1 3-1"
    assert read_gold(write(tmp_path, format_gold(alignment))) == [alignment]


@given(alignments)
def test_reading_reversed_is_flipping(alignment: Alignment) -> None:
    assert parse_pharaoh(format_pharaoh(alignment), reverse=True) == flip(alignment)


def test_links_are_written_by_source_then_target() -> None:
    assert format_pharaoh({(10, 0), (2, 3), (2, 1)}) == "2-1 2-3 10-0"
    assert format_pharaoh({(0, 0)}, {(0, 0): 0.93124}) == "0-0:0.9312"


def test_one_based_links_come_down_by_one() -> None:
    assert parse_pharaoh("1-1 3-2", one_based=True) == {(0, 0), (2, 1)}


@pytest.mark.parametrize(
    "token",
    [
        "3-",  # half a link
        "-3",
        "a-b",
        "-1-2",  # negative
        "1--2",
        "5-7-.9",  # a score as others write it
        "1-2:",
        "1-2:x",
        "1-2:nan",
        "1?2",  # gold only
        "1.0-2",
        "٣-٤",  # digits, but not ASCII ones
        "0-0\x000-1",  # a binary file
        "0-100000000",  # would exhaust memory in whoever builds a matrix
        "9" * 5000 + "-0",  # more digits than int() takes
    ],
)
def test_a_malformed_token_is_named(token: str, tmp_path: Path) -> None:
    path = write(tmp_path, f"0-0\n1-1 {token} 2-2\n")
    with pytest.raises(LinkFormatError) as error:
        read_pharaoh(path)
    message = str(error.value)
    assert message.startswith(f"{path}, line 2: expected ")
    assert f"got '{token[:3]}" in message or "\\x00" in message
    assert "\n" not in message
    assert len(message) < len(str(path)) + 150


def test_index_0_is_an_error_where_words_count_from_1(tmp_path: Path) -> None:
    path = write(tmp_path, "0-1\n")
    assert read_pharaoh(path) == [{(0, 1)}]
    with pytest.raises(LinkFormatError, match="line 1: expected numbers from 1 up"):
        read_pharaoh(path, one_based=True)


def test_every_line_is_an_alignment_an_empty_one_too(tmp_path: Path) -> None:
    path = write(tmp_path, "\n0-0\n\n")
    assert read_pharaoh(path) == [frozenset(), {(0, 0)}, frozenset()]
    assert read_pharaoh(write(tmp_path, "")) == []


def test_windows_line_ends_a_byte_order_mark_and_no_last_line_end(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, b"\xef\xbb\xbf0-0\r\n\r\n1-1")
    assert read_pharaoh(path) == [{(0, 0)}, frozenset(), {(1, 1)}]


def test_only_a_newline_ends_a_line(tmp_path: Path) -> None:
    assert len(read_pharaoh(write(tmp_path, "0-0\u20281-1\x0c2-2\x852-3\n"))) == 1


def test_a_dash_is_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"0-1\nx\n")))
    with pytest.raises(LinkFormatError, match=r"^<stdin>, line 2: expected links"):
        read_pharaoh("-")


def test_unreadable_files_are_errors_of_one_line(tmp_path: Path) -> None:
    missing = tmp_path / "none"
    for path in (missing, tmp_path, "nul\0byte"):
        with pytest.raises(LinkFormatError, match="expected a readable file") as error:
            read_pharaoh(path)
        assert "\n" not in str(error.value)
    with pytest.raises(LinkFormatError, match="No such file"):
        read_gold(missing)


def test_invalid_utf8_is_located(tmp_path: Path) -> None:
    path = write(tmp_path, b"0-0\n0-1 \xff\n")
    with pytest.raises(LinkFormatError, match=r"line 2: .* UTF-8, got 0xff at byte 5"):
        read_pharaoh(path)


def test_pharaoh_gold_counts_from_0(tmp_path: Path) -> None:
    path = write(tmp_path, "0-0 1?1 2p0\n\n")
    assert read_gold(path) == [gold("0-0", "1-1 2-0"), gold("")]


def test_talp_gold_counts_from_1(tmp_path: Path) -> None:
    path = write(tmp_path, "1-1 2p2\n", "test.talp")
    assert read_gold(path) == [gold("0-0", "1-1")]
    assert read_gold(path, format="pharaoh") == [gold("1-1", "2-2")]
    assert read_gold(path, one_based=False) == [gold("1-1", "2-2")]


def test_naacl_gold_counts_sentences_and_words_from_1(tmp_path: Path) -> None:
    path = write(tmp_path, "0001 1 1 S\n0001 2 3 P\n\n0003 1 2\n0003 2 2 P 0.5\n")
    expected = [gold("0-0", "1-2"), gold(""), gold("0-1", "1-1")]
    assert read_gold(path) == expected
    assert read_gold(path, sentences=4) == [*expected, gold("")]


def test_naacl_lines_may_come_in_any_order_and_with_a_bare_confidence(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, "2 1 1 0.9\n1 1 2 S 1.0\n")
    assert read_gold(path) == [gold("0-1"), gold("0-0")]


def test_a_stated_base_governs_naacl_positions_not_sentences(tmp_path: Path) -> None:
    path = write(tmp_path, "1 0 4 S\n")
    assert read_gold(path, one_based=False) == [gold("0-4")]
    with pytest.raises(LinkFormatError, match="line 1: expected numbers from 1 up"):
        read_gold(path)
    with pytest.raises(LinkFormatError, match="expected numbers from 1 up"):
        read_gold(write(tmp_path, "0 1 1\n"), one_based=False)


@pytest.mark.parametrize("text", ["0-1 2?0\n", "1 1 2 S\n1 3 1 P\n"])
def test_reversed_gold_exchanges_the_sides(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    (straight,), (reverse,) = read_gold(path), read_gold(path, reverse=True)
    assert reverse.sure == flip(straight.sure)
    assert reverse.possible == flip(straight.possible)


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ("1 2\n", "naacl"),
        ("1 2 x\n", "naacl"),
        ("1 2 3 Q\n", "naacl"),
        ("1 2 3 S 0.5 7\n", "naacl"),
        ("1 2 -3 S\n", "naacl"),
        ("1 2 9999999 S\n", "naacl"),
        ("0-0 1-\n", "pharaoh"),
        ("0-0:0.5\n", "pharaoh"),
        ("0S0\n", "talp"),
        ("0-1\n", "talp"),
    ],
)
def test_a_malformed_gold_line_is_located(
    tmp_path: Path, text: str, format: GoldFormat
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(LinkFormatError) as error:
        read_gold(path, format=format)
    assert str(error.value).startswith(f"{path}, line 1: expected ")


def test_a_format_that_does_not_hold_to_the_end_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LinkFormatError, match=r"line 2: expected `sentence src tgt"):
        read_gold(write(tmp_path, "1 1 1\n0-0 1-1\n"))


def test_gold_of_another_length_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LinkFormatError, match=r"expected 3 lines, .* got 2"):
        read_gold(write(tmp_path, "0-0\n0-0\n"), sentences=3)
    with pytest.raises(LinkFormatError, match=r"line 2: .* up to 1, as many .* got 2"):
        read_gold(write(tmp_path, "1 1 1\n2 1 1\n"), sentences=1)


def test_empty_gold_files(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    assert read_gold(path) == []
    assert read_gold(path, format="naacl", sentences=2) == [gold(""), gold("")]
    assert read_gold(write(tmp_path, "\n\n")) == [gold(""), gold("")]
