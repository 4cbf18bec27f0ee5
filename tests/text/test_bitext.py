"""Reading parallel text: lines, compression, formats, and what bad input gets."""

import gzip
import io
import lzma
import os
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from aligner.errors import AlignerError, ConfigError, CorpusError
from aligner.text.bitext import read_bitext, read_lines

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


def written(directory: Path, content: bytes, name: str = "text") -> Path:
    path = directory / name
    path.write_bytes(content)
    return path


def message(call: Callable[[], object]) -> str:
    with pytest.raises(CorpusError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    return text


# Lines


def test_only_newlines_end_a_line(tmp_path: Path) -> None:
    text = "a\u2028b\n c\u0085\x0c\x0bd \r\ne\rf\n\u00a0\n\nlast"
    path = written(tmp_path, text.encode())
    assert list(read_lines(path)) == [
        "a\u2028b",
        " c\u0085\x0c\x0bd ",  # "\r\n" is an end too
        "e\rf",  # a lone "\r" is not
        "\u00a0",
        "",
        "last",  # without an end
    ]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\n\r"))))
def test_lines_come_back_as_written(lines: list[str]) -> None:
    # Hypothesis allows no function-scoped tmp_path.
    with tempfile.TemporaryDirectory() as directory:
        content = "".join(f"{line}\n" for line in lines).encode()
        path = written(Path(directory), b"\xef\xbb\xbf" + content)
        assert list(read_lines(path)) == lines


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_compression_is_seen_by_content(tmp_path: Path, compression: str) -> None:
    lines = [f"Zeile {i} über\tTabs" for i in range(20_000)]  # several read chunks
    content = "".join(f"{line}\n" for line in lines).encode()
    path = written(tmp_path, COMPRESSIONS[compression](content), "misnamed.txt")
    assert list(read_lines(path)) == lines


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_stdin(monkeypatch: pytest.MonkeyPatch, compression: str) -> None:
    data = COMPRESSIONS[compression]("\ufeffé\nb\n".encode())
    stdin = io.TextIOWrapper(io.BytesIO(data))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert list(read_lines("-")) == ["é", "b"]
    assert not stdin.closed


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd"])
def test_concatenated_streams(tmp_path: Path, compression: str) -> None:
    compress = COMPRESSIONS[compression]
    padding = b"\0\0\0\0" if compression == "xz" else b""
    path = written(tmp_path, compress(b"a\nb") + padding + compress(b"c\nd\n"))
    assert list(read_lines(path)) == ["a", "bc", "d"]


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd"])
def test_truncated_and_damaged_data(tmp_path: Path, compression: str) -> None:
    data = COMPRESSIONS[compression](bytes(os.urandom(3000)).hex().encode())
    truncated = written(tmp_path, data[:-30])
    assert f"truncated {compression}" in message(lambda: list(read_lines(truncated)))
    damaged = written(tmp_path, data + b"garbage")
    assert f"damaged {compression}" in message(lambda: list(read_lines(damaged)))


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", gzip.compress(b"", mtime=0)])
def test_empty_file_has_no_lines(tmp_path: Path, content: bytes) -> None:
    assert list(read_lines(written(tmp_path, content))) == []


def test_only_the_leading_bom_is_dropped(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeffa\n\ufeffb\n".encode())
    assert list(read_lines(path)) == ["a", "\ufeffb"]


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_invalid_byte_is_located_in_the_file(tmp_path: Path, bom: bytes) -> None:
    content = bom + "é\r\nxy".encode() + b"\xe9z\n"
    error = message(lambda: list(read_lines(written(tmp_path, content))))
    assert "text, line 2:" in error
    assert "0xe9" in error
    assert f"at byte {content.index(0xE9)} " in error


def test_lines_before_an_error_are_given(tmp_path: Path) -> None:
    lines = read_lines(written(tmp_path, b"good\nb\xff\n"))
    assert next(lines) == "good"
    message(lambda: next(lines))


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a".encode("utf-16")]
)
def test_binary_file(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path, content)
    error = message(lambda: list(read_lines(path)))
    assert "binary" in error or "expected UTF-8" in error


def test_binary_file_without_newlines_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 34)  # 16 GiB of NUL bytes
    assert "line 1" in message(lambda: list(read_lines(path)))


def test_missing_file_and_directory(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    error = message(lambda: list(read_lines(missing)))
    assert str(missing) in error
    assert "no such file" in error
    assert "is a directory" in message(lambda: list(read_lines(tmp_path)))


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read anything"
)
def test_unreadable_file(tmp_path: Path) -> None:
    path = written(tmp_path, b"a\n")
    path.chmod(0)
    assert "permission denied" in message(lambda: list(read_lines(path)))


def test_very_long_lines(tmp_path: Path) -> None:
    words = " ".join(["word"] * 100_000)
    path = written(tmp_path, f"{words}\n{'x' * 50_000}\n".encode())
    assert list(read_lines(path)) == [words, "x" * 50_000]


# Two files


def test_two_files(tmp_path: Path) -> None:
    src = written(tmp_path, b"a b\n\nc\n", "src")
    tgt = written(tmp_path, gzip.compress(b"x\ny\nz"), "tgt")
    assert list(read_bitext(src, tgt)) == [("a b", "x"), ("", "y"), ("c", "z")]


def test_unequal_lengths_name_both_counts_and_the_place(tmp_path: Path) -> None:
    src = written(tmp_path, b"a\nb\nc\nd\n", "src")
    tgt = written(tmp_path, b"x\ny\n", "tgt")
    error = message(lambda: list(read_bitext(src, tgt)))
    assert f"4 in {src} and 2 in {tgt}: {tgt} ends before line 3" in error
    error = message(lambda: list(read_bitext(tgt, src)))
    assert f"2 in {tgt} and 4 in {src}: {tgt} ends before line 3" in error


def test_one_side_from_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\n")))
    tgt = written(tmp_path, b"x\n")
    assert list(read_bitext("-", tgt)) == [("a", "x")]


def test_contradicting_arguments(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="once only"):
        read_bitext("-", "-")
    with pytest.raises(ConfigError, match="one file"):
        read_bitext(tmp_path / "a", tmp_path / "b", format="tsv")


# One file


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a b ||| x\nc ||| \n", [("a b", "x"), ("c", "")]),
        ("||| y\n|||\n", [("", "y"), ("", "")]),
        ("a\t|||\tx\nb|||c ||| y\n", [("a", "x"), ("b|||c", "y")]),  # a token only
        ("\n \na ||| x\n\n", [("", ""), ("", ""), ("a", "x"), ("", "")]),
        ("a b\tx\n\n\ty\n", [("a b", "x"), ("", ""), ("", "y")]),
        ("a\tb ||| x\nc ||| y\tz\n", [("a\tb", "x"), ("c", "y\tz")]),  # bars first
        ("a\tx\nb\ty ||| z\n", [("a", "x"), ("b", "y ||| z")]),  # line 1 decided
    ],
)  # fmt: skip
def test_format_is_recognised(
    tmp_path: Path, content: str, expected: list[tuple[str, str]]
) -> None:
    assert list(read_bitext(written(tmp_path, content.encode()))) == expected


def test_format_can_be_stated(tmp_path: Path) -> None:
    path = written(tmp_path, b"a ||| b\tc\n")
    assert list(read_bitext(path, format="tsv")) == [("a ||| b", "c")]
    assert list(read_bitext(path, format="|||")) == [("a", "b\tc")]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a ||| b\na ||| b ||| c\n", "line 2: expected one ||| .* got 2"),
        (b"||| |||\n", "line 1: expected one ||| .* got 2"),
        (b"a ||| b\nno bars\n", "line 2: expected one ||| .* got 0"),
        (b"a\tb\n\na\tb\tc\n", "line 3: expected two columns, got 3"),
        (b"a\tb\nno tab\n", "line 2: expected two columns, got 1"),
        (b"\nneither\n", "line 2: .* neither"),
    ],
)
def test_malformed_single_files(tmp_path: Path, content: bytes, expected: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(AlignerError, match=expected):
        list(read_bitext(path))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_who_listens_knows_how_far_a_file_was_read(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    content = random.Random(1).randbytes(200_000).hex().encode()
    text = b"".join(content[i : i + 50] + b"\n" for i in range(0, len(content), 50))
    src, tgt = tmp_path / "src", tmp_path / "tgt"
    src.write_bytes(pack(text))
    tgt.write_bytes(text)
    places: list[int] = []
    pairs = read_bitext(src, tgt, listen=places.append)
    next(pairs)
    size = src.stat().st_size
    assert 0 < places[-1] < size / 2, "no more than a block ahead"
    assert sum(1 for _ in pairs) == 7999
    assert places == sorted(places)
    assert places[-1] == size
