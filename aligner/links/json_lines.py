"""JSON lines: an object for each sentence pair, with the places of words in the text.

docs/formats.md describes it, docs/jsonl.schema.json defines it. Links and tokens are
counted from 0, as everywhere.
"""

import json
from collections.abc import Sequence
from typing import Any, Protocol

from aligner.errors import LinkFormatError
from aligner.links.aligned_pair import AlignedPair
from aligner.links.alignment import Alignment, Link
from aligner.terms import Offsets

# What Python's and others' readers take for the end of a line, though JSON does not.
_ENDS = {ord(end): f"\\u{ord(end):04x}" for end in "\u0085\u2028\u2029"}
_SHOWN = 40


class Side(Protocol):
    """A line, and for each of its words where it begins and ends in code points."""

    line: str

    @property
    def spans(self) -> Sequence[tuple[int, int]]:
        """The places of the words, in order."""


def json_record(
    aligned: AlignedPair, src: Side, tgt: Side, offsets: Offsets = "codepoints"
) -> dict[str, Any]:
    """Return what was found of a pair as values of JSON's types.

    Args:
        aligned: links, their scores, the pair's, and the problem.
        src: the source line and its words.
        tgt: the target line and its words.
        offsets: what places are counted in: code points; bytes of UTF-8; or code units
            of UTF-16, as in JavaScript and Java.
    """
    return {
        "src": src.line,
        "tgt": tgt.line,
        "src_tokens": _tokens(src, offsets),
        "tgt_tokens": _tokens(tgt, offsets),
        "links": [
            {"src": i, "tgt": j, "score": round(aligned.scores[i, j], 4)}
            for i, j in sorted(aligned.links)
        ],
        "score": round(aligned.score, 4),
        "problem": aligned.problem,
    }


def format_json(
    aligned: AlignedPair, src: Side, tgt: Side, offsets: Offsets = "codepoints"
) -> str:
    """Write `json_record` as a line, without its end."""
    record = json_record(aligned, src, tgt, offsets)
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    return text if text.isascii() else text.translate(_ENDS)


def parse_json_links(text: str) -> Alignment:
    """Read the links of one line.

    Raises:
        LinkFormatError: it is no such line. The message has no file or line.
    """
    try:
        found = json.loads(text)
        return frozenset(_link(link) for link in found["links"])
    except (ValueError, KeyError, TypeError, RecursionError):
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        raise LinkFormatError(
            'expected JSON with "links", each with "src" and "tgt" from 0, '
            f"got {shown!r}"
        ) from None


def _link(link: Any) -> Link:
    src, tgt = link["src"], link["tgt"]
    if type(src) is not int or type(tgt) is not int or min(src, tgt) < 0:
        raise ValueError
    return src, tgt


def _tokens(side: Side, offsets: Offsets) -> list[dict[str, int]]:
    spans, line = side.spans, side.line
    if offsets != "codepoints" and not line.isascii():
        spans = _converted(line, spans, offsets)
    return [{"start": start, "end": end} for start, end in spans]


def _converted(
    line: str, spans: Sequence[tuple[int, int]], offsets: Offsets
) -> list[tuple[int, int]]:
    """Return places in code points as those in bytes, or in code units."""
    found, place, counted = [], 0, 0

    def at(next_place: int) -> int:
        nonlocal place, counted
        counted += _size(line[place:next_place], offsets)
        place = next_place
        return counted

    for start, end in spans:
        found.append((at(start), at(end)))
    return found


def _size(text: str, offsets: Offsets) -> int:
    if offsets == "bytes":
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
