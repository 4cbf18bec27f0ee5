r"""Parallel text as streams: two files, one file of `src ||| tgt`, or TSV.

Only "\n" and "\r\n" end a line; every other separator is a character of its line.
Compression is recognised by content, never by name, on stdin too.
"""

import itertools
import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

from aligner.errors import ConfigError, CorpusError
from aligner.packed import decompressed

BitextFormat = Literal["auto", "|||", "tsv"]

_BOM = b"\xef\xbb\xbf"
_BARS = re.compile(r"(?<![^ \t])\|\|\|(?![^ \t])")


def read_lines(
    path: str | Path, listen: Callable[[int], None] = lambda position: None
) -> Iterator[str]:
    """Yield a text file's lines, without their ends, in bounded memory.

    Args:
        path: plain, gzip, bzip2, xz or zstd; "-" is stdin. UTF-8, a leading BOM is
            dropped.
        listen: told again and again how many bytes of the file have been read, packed
            as they are; never of a pipe.

    Raises:
        CorpusError: while iterating, if the file cannot be opened or read, its
            compressed data are damaged, or a line is not UTF-8 text.
    """
    name = "<stdin>" if str(path) == "-" else str(path)
    try:
        with _opened(path) as file:
            chunks = decompressed(file)
            if file.seekable():
                chunks = _told(chunks, lambda: listen(file.tell()))
            yield from _decoded(_byte_lines(chunks), name)
    except OSError as error:
        reason = error.strerror.lower() if error.strerror else str(error)
        raise CorpusError(f"{name}: cannot read it: {reason}") from None


def is_piped(path: str | Path) -> bool:
    """Tell whether a text can be read only once: stdin, a pipe, a terminal."""
    if str(path) in ("-", os.devnull):
        return str(path) == "-"
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)


def first_piped(*texts: str | Path | None) -> str | Path | None:
    """Return the first of some texts that can be read only once, if there is one."""
    return next((text for text in texts if text and is_piped(text)), None)


def check_read_once(*paths: str | Path | None) -> None:
    """Check that no two of some texts come from the same pipe.

    Raises:
        ConfigError: two do, and each would get parts of it.
    """
    seen = set()
    for path in paths:
        if path is None or not is_piped(path):
            continue
        pipe = _identity(path)
        if pipe in seen:
            what = "stdin" if str(path) == "-" else "a pipe"
            raise ConfigError(f"{path}: {what} can be read once only")
        seen.add(pipe)


def _identity(path: str | Path) -> tuple[int, int] | None:
    """Return what is the same for all names of a pipe."""
    try:
        found = os.stat("/dev/stdin" if str(path) == "-" else path)
    except OSError:  # stdin where it has no name
        return None
    return found.st_dev, found.st_ino


def read_bitext(
    src: str | Path,
    tgt: str | Path | None = None,
    *,
    format: BitextFormat = "auto",
    listen: Callable[[int], None] = lambda position: None,
) -> Iterator[tuple[str, str]]:
    """Yield (source, target) line pairs: as many as there are lines.

    Args:
        src: the source side, or both sides where `tgt` is not given.
        tgt: the target side, line by line the translation of `src`.
        format: of a single file. "|||" stands for `src ||| tgt`, "tsv" for two columns;
            "auto" decides by the first line that is not blank: bars between spaces or
            tabs count before a tab. Blank lines are empty pairs.
        listen: told how far `src` has been read, as by `read_lines`.

    Raises:
        ConfigError: the arguments contradict each other.
        CorpusError: while iterating, as `read_lines`, or if the two files differ in
            length, or a line does not have exactly two sides.
    """
    if tgt is None:
        return _single_file(src, format, listen)
    check_read_once(src, tgt)
    if format != "auto":
        raise ConfigError(f"format {format!r}: expected one file, got two")
    return _two_files(src, tgt, listen)


def _two_files(
    src: str | Path, tgt: str | Path, listen: Callable[[int], None]
) -> Iterator[tuple[str, str]]:
    src_count = tgt_count = 0
    sides = read_lines(src, listen), read_lines(tgt)
    for src_line, tgt_line in itertools.zip_longest(*sides):
        src_count += src_line is not None
        tgt_count += tgt_line is not None
        if src_count == tgt_count:
            yield src_line, tgt_line
    if src_count != tgt_count:
        shorter = src if src_count < tgt_count else tgt
        end = min(src_count, tgt_count) + 1
        raise CorpusError(
            f"expected as many lines on both sides, got {src_count} in {src} "
            f"and {tgt_count} in {tgt}: {shorter} ends before line {end}"
        )


def _single_file(
    path: str | Path, format: BitextFormat, listen: Callable[[int], None]
) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(read_lines(path, listen), start=1):
        if not line.strip(" \t"):
            yield "", ""
            continue
        where = f"{'<stdin>' if str(path) == '-' else path}, line {number}"
        if format == "auto":
            format = _recognised(line, where)
        if format == "|||":
            sides = [side.strip(" \t") for side in _BARS.split(line)]
            expected = "one ||| between source and target"
            got = f"{len(sides) - 1}"
            if len(sides) > 2:
                got += " (two files, or tabs throughout, avoid it)"
        else:
            sides = line.split("\t")
            expected, got = "two columns", f"{len(sides)}"
        if len(sides) != 2:
            raise CorpusError(f"{where}: expected {expected}, got {got}")
        yield sides[0], sides[1]


def _recognised(line: str, where: str) -> BitextFormat:
    if _BARS.search(line):
        return "|||"
    if "\t" in line:
        return "tsv"
    raise CorpusError(
        f"{where}: expected two sides separated by ||| or a tab, got neither "
        "(for two files, name both)"
    )


# Bytes -------------------------------------------------------------------------------


def _opened(path: str | Path) -> Any:
    if str(path) == "-":
        return nullcontext(sys.stdin.buffer)
    return open(path, "rb")


def _told(chunks: Iterable[bytes], listen: Callable[[], None]) -> Iterator[bytes]:
    for chunk in chunks:
        listen()
        yield chunk


def _byte_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines with their ends; binary data comes as soon as a NUL byte shows."""
    pending: list[bytes] = []
    for chunk in chunks:
        *complete, rest = chunk.split(b"\n")
        for piece in complete:
            yield b"".join([*pending, piece, b"\n"])
            pending.clear()
        pending.append(rest)
        if b"\0" in rest:
            break
    last = b"".join(pending)
    if last and last != _BOM:
        yield last


def _decoded(lines: Iterable[bytes], name: str) -> Iterator[str]:
    offset = 0
    for number, raw in enumerate(lines, start=1):
        start, end = 0, len(raw)
        if number == 1 and raw.startswith(_BOM):
            start = len(_BOM)
        if raw.endswith(b"\n"):
            end -= 2 if raw.endswith(b"\r\n") else 1
        if b"\0" in raw:
            raise CorpusError(
                f"{name}, line {number}: expected UTF-8 text, got a NUL byte at byte "
                f"{offset + raw.index(0)}: it looks like a binary file"
            )
        try:
            yield raw[start:end].decode("utf-8")
        except UnicodeDecodeError as error:
            position = start + error.start
            raise CorpusError(
                f"{name}, line {number}: expected UTF-8, got byte "
                f"0x{raw[position]:02x} at byte {offset + position} of the text"
            ) from None
        offset += len(raw)
