"""Training filters: which sentence pairs a translation model should learn from."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from aligner.ranges import COUNT, Range

Words = Sequence[str]

_SHORT = 5  # words: up to here a ratio of lengths says nothing


@dataclass(frozen=True)
class Filters:
    """What a pair must fulfil; pairs with an empty side are always dropped.

    Attributes:
        max_words: the most words on either side.
        max_ratio: the longer side's words over the shorter's; pairs whose longer side
            has at most five words are spared.
    """

    max_words: int = 200
    max_ratio: float = 9.0

    def __post_init__(self) -> None:
        """Check the limits.

        Raises:
            ConfigError: a limit would drop every pair.
        """
        COUNT.check("max_words", self.max_words)
        Range(1, math.inf).check("max_ratio", self.max_ratio)


@dataclass
class FilterCounts:
    """How many pairs were kept, and dropped for which reason (the first that fits)."""

    kept: int = 0
    empty: int = 0
    too_long: int = 0
    ratio: int = 0
    duplicate: int = 0

    @property
    def dropped(self) -> int:
        """The number of pairs that were not kept."""
        return self.empty + self.too_long + self.ratio + self.duplicate


def filter_pairs(
    pairs: Iterable[tuple[Words, Words]], filters: Filters, counts: FilterCounts
) -> Iterator[tuple[int, Words, Words]]:
    """Yield the pairs that pass, each with its 0-based index in the input.

    A stream in constant memory: of equal pairs all pass, see `duplicates`.

    Args:
        pairs: source words and target words.
        filters: the limits.
        counts: updated with each pair.
    """
    for index, (src, tgt) in enumerate(pairs):
        shorter, longer = sorted((len(src), len(tgt)))
        if not shorter:
            counts.empty += 1
        elif longer > filters.max_words:
            counts.too_long += 1
        elif longer > _SHORT and longer > filters.max_ratio * shorter:
            counts.ratio += 1
        else:
            counts.kept += 1
            yield index, src, tgt
