"""Training filters: which sentence pairs a translation model should learn from."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from aligner.errors import ConfigError

Words = Sequence[str]

_SHORT = 5  # words: up to here a ratio of lengths says nothing


@dataclass(frozen=True)
class Filters:
    """What a pair must fulfil; pairs with an empty side are always dropped.

    Attributes:
        max_words: the most words on either side.
        max_ratio: the longer side's words over the shorter's; pairs whose longer side
            has at most five words are spared.
        drop_duplicates: keep only the first of equal pairs.
    """

    max_words: int = 200
    max_ratio: float = 9.0
    drop_duplicates: bool = True

    def __post_init__(self) -> None:
        """Check the limits.

        Raises:
            ConfigError: a limit would drop every pair.
        """
        if self.max_words < 1:
            raise ConfigError(f"max_words: expected at least 1, got {self.max_words}")
        if not self.max_ratio >= 1:
            raise ConfigError(f"max_ratio: expected at least 1, got {self.max_ratio}")


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

    A stream: memory grows by 16 bytes and a set entry per pair where duplicates are
    dropped, else not at all.

    Args:
        pairs: source words and target words.
        filters: the limits.
        counts: updated with each pair.
    """
    seen: set[bytes] = set()
    for index, (src, tgt) in enumerate(pairs):
        shorter, longer = sorted((len(src), len(tgt)))
        if not shorter:
            counts.empty += 1
        elif longer > filters.max_words:
            counts.too_long += 1
        elif longer > _SHORT and longer > filters.max_ratio * shorter:
            counts.ratio += 1
        elif filters.drop_duplicates and _seen_before(src, tgt, seen):
            counts.duplicate += 1
        else:
            counts.kept += 1
            yield index, src, tgt


def _seen_before(src: Words, tgt: Words, seen: set[bytes]) -> bool:
    text = f"{' '.join(src)}\n{' '.join(tgt)}".encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(text, digest_size=16).digest()
    if digest in seen:
        return True
    seen.add(digest)
    return False
