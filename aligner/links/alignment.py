"""Word alignments as sets of links, 0-based, always (src, tgt)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

Link: TypeAlias = tuple[int, int]
Alignment: TypeAlias = frozenset[Link]


@dataclass(frozen=True)
class GoldAlignment:
    """Hold one sentence's gold links: the sure ones, and all that are acceptable.

    `possible` always includes `sure` (Och and Ney 2003); sure links that are missing
    from it are added on construction.
    """

    sure: Alignment = frozenset()
    possible: Alignment = frozenset()

    def __post_init__(self) -> None:
        """Make `possible` a superset of `sure`."""
        object.__setattr__(self, "possible", self.possible | self.sure)


def flip(alignment: Iterable[Link]) -> Alignment:
    """Exchange the sides: each link (s, t) becomes (t, s)."""
    return frozenset((tgt, src) for src, tgt in alignment)
