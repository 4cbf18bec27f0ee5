"""Alignment files: Pharaoh links, and gold links in Pharaoh, Talp and NAACL format.

Pharaoh  one line a sentence pair, `src-tgt` tokens, 0-based; `src-tgt:score` adds a
         score. Gold files write `-` for a sure link, `?` or `p` for a possible one.
Talp     the same tokens, `-` sure and `p` (or `?`) possible, 1-based.
NAACL    one line a link, `sentence src tgt [S|P] [confidence]`, sentences and positions
         1-based; S, sure, when there is no label (Mihalcea and Pedersen 2003).

The index base is the format's own or what the caller states, never guessed. In memory
links are (src, tgt), 0-based.
"""

import codecs
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from aligner.errors import LinkFormatError
from aligner.links.alignment import Alignment, GoldAlignment, Link
from aligner.links.json_lines import parse_json_links
from aligner.packed import decompressed
from aligner.terms import GoldFormat

# Far beyond any sentence; what is larger is damage, and could exhaust memory later.
MAX_INDEX = 1_000_000

_PHARAOH_TOKEN = re.compile(r"([0-9]+)-([0-9]+)(?::(\S+))?")
_GOLD_TOKEN = re.compile(r"([0-9]+)([-?p])([0-9]+)")
_DIGITS = re.compile(r"[0-9]+")


def parse_pharaoh(
    text: str, *, one_based: bool = False, reverse: bool = False
) -> Alignment:
    """Read one line of Pharaoh links, `0-0 2-1`, with or without `:score`.

    Args:
        text: The line; an empty one is an empty alignment.
        one_based: Whether the file counts words from 1.
        reverse: Whether the file writes `tgt-src`.

    Raises:
        LinkFormatError: A token is malformed. The message has no file or line.
    """
    return frozenset(
        _parse_link_token(token, one_based, reverse) for token in text.split()
    )


def read_pharaoh(
    path: str | Path, *, one_based: bool = False, reverse: bool = False
) -> list[Alignment]:
    """Read a file of Pharaoh links, one alignment a line; `-` is stdin.

    Raises:
        LinkFormatError: The file cannot be read, or a token is malformed.
    """
    return _parsed(path, _read_lines(path), partial(_pharaoh, one_based, reverse))


def read_links(
    path: str | Path, *, one_based: bool = False, reverse: bool = False
) -> list[Alignment]:
    """Read Pharaoh links, or the links of JSON lines, which begin with a brace.

    Args:
        path: The file; `-` is stdin.
        one_based: Whether Pharaoh lines count words from 1; JSON never does.
        reverse: Whether Pharaoh lines have `tgt-src`; JSON says which is which.

    Raises:
        LinkFormatError: The file cannot be read, or a line is malformed.
    """
    lines = _read_lines(path)
    if next((line for line in lines if line.strip()), "").lstrip()[:1] == "{":
        return _parsed(path, lines, parse_json_links)
    return _parsed(path, lines, partial(_pharaoh, one_based, reverse))


def _pharaoh(one_based: bool, reverse: bool, line: str) -> Alignment:
    return parse_pharaoh(line, one_based=one_based, reverse=reverse)


def _parsed(
    path: str | Path, lines: Iterable[str], parse: Callable[[str], Alignment]
) -> list[Alignment]:
    alignments = []
    for number, line in enumerate(lines, start=1):
        try:
            alignments.append(parse(line))
        except LinkFormatError as error:
            raise _located(path, number, error) from None
    return alignments


def format_pharaoh(
    alignment: Iterable[Link], scores: Mapping[Link, float] | None = None
) -> str:
    """Write links as `0-0 2-1`, sorted by source, then target; no line end.

    With scores, `0-0:0.9312`: four decimals, one score for every link.
    """
    if scores is None:
        return " ".join(f"{src}-{tgt}" for src, tgt in sorted(alignment))
    return " ".join(
        f"{src}-{tgt}:{scores[src, tgt]:.4f}" for src, tgt in sorted(alignment)
    )


def parse_scored(text: str) -> dict[Link, float]:
    """Read one line of Pharaoh links, each with its score, `0-0:0.9312 2-1:0.4`.

    Raises:
        LinkFormatError: A token is malformed, or has no score. The message has no file
            or line.
    """
    scores = {}
    for token in text.split():
        link = _parse_link_token(token, one_based=False, reverse=False)
        _, _, score = token.partition(":")
        if not score:
            raise LinkFormatError(
                f"expected a score for every link or for none, got {_quoted(token)}"
            )
        scores[link] = float(score)
    return scores


def parse_gold(
    text: str, *, one_based: bool = False, reverse: bool = False
) -> GoldAlignment:
    """Read one line of gold links in Pharaoh format, `0-0 2?1`.

    Raises:
        LinkFormatError: A token is malformed. The message has no file or line.
    """
    sure: set[Link] = set()
    possible: set[Link] = set()
    for token in text.split():
        match = _GOLD_TOKEN.fullmatch(token)
        if not match:
            raise LinkFormatError(
                "expected `src-tgt` (sure) or `src?tgt` or `srcptgt` (possible), "
                f"got {_quoted(token)}"
            )
        link = _link(match[1], match[3], one_based, reverse, token)
        (sure if match[2] == "-" else possible).add(link)
    return GoldAlignment(frozenset(sure), frozenset(possible))


def format_gold(gold: GoldAlignment) -> str:
    """Write a gold alignment as Pharaoh: `0-0` is sure, `2?1` only possible."""
    return " ".join(
        f"{src}{'-' if (src, tgt) in gold.sure else '?'}{tgt}"
        for src, tgt in sorted(gold.possible)
    )


def read_gold(
    path: str | Path,
    *,
    format: GoldFormat | None = None,
    one_based: bool | None = None,
    reverse: bool = False,
    sentences: int | None = None,
    check_lines: bool = True,
) -> list[GoldAlignment]:
    """Read gold links, one GoldAlignment a sentence pair.

    Args:
        path: The file; `-` is stdin.
        format: When None: Talp if the name ends in `.talp`; else NAACL if the first
            line that is not blank has 3 to 5 fields, the first three being integers;
            else Pharaoh.
        one_based: Whether words are counted from 1; None means as the format defines:
            Talp and NAACL do, Pharaoh does not. NAACL sentences always count from 1.
        reverse: Whether the file puts the target first.
        sentences: How many sentence pairs there must be. NAACL files leave out pairs
            without links, so only this tells how many end the file; by default the
            highest sentence number does.
        check_lines: Whether other files must have as many lines; without it, whoever
            calls compares them.

    Raises:
        LinkFormatError: The file cannot be read, has another number of lines than
            `sentences`, or a line is malformed.
    """
    lines = _read_lines(path)
    if format is None:
        format = _format_of(path, lines)
    if one_based is None:
        one_based = format != "pharaoh"
    if format == "naacl":
        return _read_naacl(path, lines, one_based, reverse, sentences)
    if check_lines and sentences is not None and len(lines) != sentences:
        raise LinkFormatError(
            f"{_name(path)}: expected {sentences} lines, as many as there are "
            f"alignments, got {len(lines)}"
        )
    gold = []
    for number, line in enumerate(lines, start=1):
        try:
            gold.append(parse_gold(line, one_based=one_based, reverse=reverse))
        except LinkFormatError as error:
            raise _located(path, number, error) from None
    return gold


def _format_of(path: str | Path, lines: list[str]) -> GoldFormat:
    if Path(path).suffix.lower() == ".talp":
        return "talp"
    fields = next((line.split() for line in lines if line.strip()), [])
    integers = all(_DIGITS.fullmatch(field) for field in fields[:3])
    return "naacl" if 3 <= len(fields) <= 5 and integers else "pharaoh"


def _read_naacl(
    path: str | Path,
    lines: list[str],
    one_based: bool,
    reverse: bool,
    sentences: int | None,
) -> list[GoldAlignment]:
    sure: dict[int, set[Link]] = {}
    possible: dict[int, set[Link]] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            sentence, link, is_sure = _parse_naacl_line(line, one_based, reverse)
            if sentences is not None and sentence >= sentences:
                raise LinkFormatError(
                    f"expected a sentence number up to {sentences}, as many as there "
                    f"are to compare it with, got {sentence + 1}"
                )
        except LinkFormatError as error:
            raise _located(path, number, error) from None
        (sure if is_sure else possible).setdefault(sentence, set()).add(link)
    if sentences is None:
        sentences = max([*sure, *possible], default=-1) + 1
    return [
        GoldAlignment(frozenset(sure.get(n, ())), frozenset(possible.get(n, ())))
        for n in range(sentences)
    ]


def _parse_naacl_line(
    line: str, one_based: bool, reverse: bool
) -> tuple[int, Link, bool]:
    """Return the 0-based sentence, the link, and whether it is sure."""
    fields = line.split()
    numbers, rest = fields[:3], fields[3:]
    label = rest.pop(0) if rest and rest[0] in ("S", "P") else "S"
    if (
        len(numbers) < 3
        or not all(_DIGITS.fullmatch(field) for field in numbers)
        or len(rest) > 1
        or not all(_is_number(field) for field in rest)
    ):
        raise LinkFormatError(
            f"expected `sentence src tgt [S|P] [confidence]`, got {_quoted(line)}"
        )
    sentence = _parse_index(numbers[0], one_based=True, token=line)
    return (
        sentence,
        _link(numbers[1], numbers[2], one_based, reverse, line),
        label == "S",
    )


def _parse_link_token(token: str, one_based: bool, reverse: bool) -> Link:
    match = _PHARAOH_TOKEN.fullmatch(token)
    if not match or not (match[3] is None or _is_number(match[3])):
        raise LinkFormatError(
            f"expected links like `0-0` or `0-0:0.93`, got {_quoted(token)}"
        )
    return _link(match[1], match[2], one_based, reverse, token)


def _link(first: str, second: str, one_based: bool, reverse: bool, token: str) -> Link:
    link = _parse_index(first, one_based, token), _parse_index(second, one_based, token)
    return (link[1], link[0]) if reverse else link


def _parse_index(digits: str, one_based: bool, token: str) -> int:
    # Length first: Python refuses to convert numbers of thousands of digits.
    significant = digits.lstrip("0")
    if len(significant) > len(str(MAX_INDEX)) or int(digits) > MAX_INDEX:
        raise LinkFormatError(
            f"expected numbers up to {MAX_INDEX}, got {_quoted(token)}"
        )
    index = int(digits) - one_based
    if index < 0:
        raise LinkFormatError(
            f"expected numbers from 1 up (counted from 1), got {_quoted(token)}"
        )
    return index


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _read_lines(path: str | Path) -> list[str]:
    """Return the lines without their ends; only `\\n` and `\\r\\n` end a line."""
    try:
        if _is_stdin(path):
            data = b"".join(decompressed(sys.stdin.buffer))
        else:
            with Path(path).open("rb") as file:
                data = b"".join(decompressed(file))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LinkFormatError(
            f"{_name(path)}: expected a readable file, got: {reason}"
        ) from None
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = error.start - data.rfind(b"\n", 0, error.start)
        raise LinkFormatError(
            f"{_name(path)}, line {line}: expected UTF-8, "
            f"got 0x{data[error.start]:02x} at byte {byte}"
        ) from None
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def _is_stdin(path: str | Path) -> bool:
    return str(path) == "-"


def _name(path: str | Path) -> str:
    return "<stdin>" if _is_stdin(path) else str(path)


def _located(path: str | Path, line: int, error: LinkFormatError) -> LinkFormatError:
    return LinkFormatError(f"{_name(path)}, line {line}: {error}")


def _quoted(text: str) -> str:
    """Show what came on one line, shortened, control characters escaped."""
    text = text.strip()
    return repr(text if len(text) <= 40 else f"{text[:40]}…")
