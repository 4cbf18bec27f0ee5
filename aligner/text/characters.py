"""Characters as readers see them, and where they stand in a line that is made NFC.

A letter with its marks is one, whatever their code points: no word begins or ends
within. White space and control characters belong to no word.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import regex

from aligner.text.words import canonical

Span: TypeAlias = tuple[int, int]  # code points, from 0; the end is the first one after

_GAP = r"\s\p{Cc}\p{Z}\u200b"
GAP = regex.compile(f"[{_GAP}]")
# Extended grapheme clusters (UAX 29), to which marks that those leave out belong too.
CHARACTER = regex.compile(rf"[{_GAP}]|\X(?:(?=\p{{M}})\X)*")
# Without these, each code point is a character.
_JOINED = regex.compile(
    r"[\p{M}\p{GCB=Extend}\p{GCB=SpacingMark}\p{GCB=ZWJ}\p{GCB=Prepend}\p{RI}"
    r"\p{GCB=L}\p{GCB=V}\p{GCB=T}]"
)


def composed(line: str) -> tuple[str, dict[int, int] | None]:
    """Return a line in form NFC, and where its characters begin in the line as it was.

    By the places in NFC where characters begin, and where the last one ends; None where
    each code point is a character, and stands where it stood.
    """
    if line.isascii() or not _JOINED.search(line):
        # Without marks, NFC may still put one character for another.
        text = canonical(line)
        if len(text) == len(line) and not _JOINED.search(text):
            return text, None
    starts = [found.start() for found in CHARACTER.finditer(line)]
    parts = [canonical(line[a:b]) for a, b in pairwise([*starts, len(line)])]
    places, end = {0: 0}, 0
    for part, start in zip(parts, starts, strict=True):
        places[end] = start
        end += len(part)
    places[end] = len(line)
    return "".join(parts), places


def in_line(words: Sequence[Span], places: dict[int, int] | None) -> list[Span]:
    """Return where words of an NFC text, in order, stand in the line that it was.

    What begins or ends within a character is one with what stands beside it there.
    """
    if places is None:
        return list(words)
    found: list[Span] = []
    for start, end in words:
        while start not in places:
            start -= 1
        while end not in places:
            end += 1
        if found and places[start] < found[-1][1]:
            first, last = found.pop()
            found.append((first, max(last, places[end])))
        else:
            found.append((places[start], places[end]))
    return found


def cut_characters(text: str, start: int, end: int) -> list[Span]:
    """Return the characters between two places of a text, without gaps."""
    found = (one.span() for one in CHARACTER.finditer(text, start, end))
    return [span for span in found if not GAP.match(text, span[0])]
