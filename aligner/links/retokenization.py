"""Carry links to another tokenisation of the same text, by the characters shared."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import product, takewhile
from typing import Any, TypeAlias, TypeVar

from aligner.errors import CorpusError, LinkFormatError
from aligner.links.alignment import Alignment, Link

Words: TypeAlias = Sequence[str]
Value = TypeVar("Value", bound=Any)

# What pieces carry beside their text: none, sentencepiece's, BPE's, and WordPiece's.
_MARKS = [re.compile(mark) for mark in ("(?!)", "▁", "@@$", "^##")]
_SPACE = re.compile(r"\s+")
SHOWN = 20  # characters of texts that differ


def retokenize(
    links: Alignment, src: tuple[Words, Words], tgt: tuple[Words, Words]
) -> Alignment:
    """Carry links from old words to new ones of the same text.

    links = retokenize(frozenset({(0, 0)}), (["cats"], ["cat@@", "s"]), (["x"], ["x"]))
    assert links == {(0, 0), (1, 0)}

    Two new words are linked where they share characters with two old ones that are.
    Texts are the same if they have the same characters in Unicode's form NFKC, without
    white space and case, and without `▁`, a final `@@`, or a first `##`, if these mark
    pieces.

    Args:
        links: between the old words.
        src: the old source words, and the new ones.
        tgt: likewise.

    Raises:
        CorpusError: the texts of a side differ.
        LinkFormatError: a link points beyond the old words.
    """
    return frozenset(carry(dict.fromkeys(links, True), src, tgt))


def carry(
    links: Mapping[Link, Value], src: tuple[Words, Words], tgt: tuple[Words, Words]
) -> dict[Link, Value]:
    """Carry links with what is known of each, as `retokenize` does.

    Where several old links become one, it has the highest of their values.
    """
    new_src, new_tgt = _overlaps("source", *src), _overlaps("target", *tgt)
    carried: dict[Link, Value] = {}
    for (i, j), value in links.items():
        if i >= len(new_src) or j >= len(new_tgt):
            raise LinkFormatError(
                f"expected links up to {len(new_src) - 1}-{len(new_tgt) - 1}, the last "
                f"words, got {i}-{j}"
            )
        for link in product(new_src[i], new_tgt[j]):
            carried[link] = max(carried.get(link, value), value)
    return carried


def _overlaps(side: str, old: Words, new: Words) -> list[list[int]]:
    """Return for each old word the new words that share characters with it.

    Raises:
        CorpusError: the texts differ.
    """
    differing = []
    for was, came in product(list(_readings(old)), list(_readings(new))):
        texts = "".join(was), "".join(came)
        if texts[0] == texts[1]:
            return _shared(was, came)
        differing.append((_alike(*texts), texts))
    place, (expected, got) = max(differing, key=lambda found: found[0])
    raise CorpusError(
        f"the {side} texts differ: expected {_shown(expected, place)}, got "
        f"{_shown(got, place)}"
    )


def _readings(words: Words) -> Iterator[list[str]]:
    """Yield what words may be the pieces of, by each kind of marks."""
    for mark in _MARKS:
        yield [_normal(mark.sub("", word)) for word in words]


def _normal(text: str) -> str:
    return _SPACE.sub("", unicodedata.normalize("NFKC", text).casefold())


def _alike(one: str, other: str) -> int:
    """Return how many characters two texts share at their beginning."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _shown(text: str, place: int) -> str:
    shown = text[place : place + SHOWN]
    return repr(shown + "…" * (place + SHOWN < len(text))) if shown else "its end"


def _shared(old: Words, new: Words) -> list[list[int]]:
    """Return for each word the other words that share characters of one text."""
    shared: list[dict[int, None]] = [{} for _ in old]
    for one, other in zip(_owners(old), _owners(new), strict=True):
        shared[one][other] = None
    return [list(others) for others in shared]


def _owners(words: Words) -> Iterator[int]:
    """Yield, character by character, the word that it is of."""
    return (number for number, word in enumerate(words) for _ in word)
