"""Sentence pairs of any number, aligned so many at a time."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import get_args

from aligner.links.aligned_pair import AlignedPair
from aligner.prior.soft_links import TextLinks, aligned_pairs
from aligner.terms import Cover, check_term
from aligner.text.numbered import NumberedBitext, Numbering, WordPair
from aligner.text.words import check_words


def aligned_by_part(
    pairs: Iterable[WordPair],
    size: int,
    links_of: Callable[..., TextLinks],
    threshold: float,
    cover: Cover | None = None,
) -> Iterator[AlignedPair]:
    """Yield the links of sentence pairs, so many of which are read and handled at once.

    Args:
        pairs: the sentence pairs.
        size: how many of them at once.
        links_of: a `soft_links`, of a prior by itself or with an encoder.
        threshold: what a link's probability must exceed.
        cover: as in `Prior.align`.

    Raises:
        ConfigError: there is no such side to cover.
        TypeError: a side is no sequence of words.
    """
    check_cover(cover)
    return _aligned(iter(pairs), size, links_of, threshold, cover)


def _aligned(
    pairs: Iterator[WordPair],
    size: int,
    links_of: Callable[..., TextLinks],
    threshold: float,
    cover: Cover | None,
) -> Iterator[AlignedPair]:
    first = 1
    while part := list(islice(pairs, size)):
        text = numbered(part, first)
        links = links_of(text, covers=cover is not None)
        first += len(part)
        yield from aligned_pairs(part, links, threshold, cover)


def numbered(pairs: Iterable[WordPair], first: int = 1) -> NumberedBitext:
    """Number the words of pairs, of which the first has a number in errors."""
    numbering = Numbering()
    for number, (src, tgt) in enumerate(pairs, start=first):
        check_words(src, f"pair {number}, source side")
        check_words(tgt, f"pair {number}, target side")
        numbering.add(src, tgt)
    return numbering.finish()


def check_cover(cover: Cover | None) -> None:
    """Check that a side, or both, or none is named.

    Raises:
        ConfigError: something else is.
    """
    if cover is not None:
        check_term("cover", cover, get_args(Cover))
