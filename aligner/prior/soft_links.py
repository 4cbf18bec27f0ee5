"""Likely links with their probabilities: of one sentence pair, and of a whole text."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aligner.text.encoded import SENTENCES, steps
from aligner.text.mapped import GrowingArray, blocks

LEAST_PROBABILITY = 0.02  # of the links that are reported

Ints = NDArray[np.int64]
Places = NDArray[np.int32]
Floats = NDArray[np.float32]


class SoftLinks(NamedTuple):
    """The likely links of a sentence pair.

    Attributes:
        src: source words.
        tgt: target words.
        probability: the geometric mean of both directions' posteriors.
    """

    src: Places
    tgt: Places
    probability: Floats


NO_LINKS = SoftLinks(
    np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32)
)


@dataclass(frozen=True)
class TextLinks:
    """The likely links of the sentence pairs of a text, end to end in flat arrays.

    Attributes:
        ends: for each pair, where its links end; 0 comes first.
        links: the links of all pairs.
    """

    ends: Ints
    links: SoftLinks

    @classmethod
    def gather(
        cls, pairs: Iterable[SoftLinks], folder: Path | None = None
    ) -> "TextLinks":
        """Lay the links of sentence pairs end to end, on disk."""
        growing = GrowingLinks(folder)
        for links in pairs:
            growing.append(np.array([len(links.src)]), links)
        return growing.whole()

    def __len__(self) -> int:
        """Return the number of sentence pairs."""
        return len(self.ends) - 1

    def __getitem__(self, index: int) -> SoftLinks:
        """Return the links of one pair."""
        first, last = self.ends[index : index + 2]
        src, tgt, probability = self.links
        return SoftLinks(src[first:last], tgt[first:last], probability[first:last])

    def __iter__(self) -> Iterator[SoftLinks]:
        """Yield the links of every pair."""
        return (self[index] for index in range(len(self)))

    def counts(self, pairs: Ints) -> Ints:
        """Return how many links some pairs have."""
        counts: Ints = self.ends[pairs + 1] - self.ends[pairs]
        return counts

    def flat(self, pairs: Ints) -> SoftLinks:
        """Return the links of some pairs end to end."""
        counts = self.counts(pairs)
        places = np.repeat(self.ends[pairs], counts) + steps(counts)
        src, tgt, probability = self.links
        return SoftLinks(src[places], tgt[places], probability[places])

    def select(self, pairs: Ints, folder: Path | None = None) -> "TextLinks":
        """Return the links of the pairs at some indices, in that order, on disk."""
        chosen = GrowingLinks(folder)
        for block in blocks(pairs, SENTENCES):
            chosen.append(self.counts(block), self.flat(block))
        return chosen.whole()


class GrowingLinks:
    """Links on disk that grow at their end."""

    def __init__(self, folder: Path | None = None) -> None:
        """Begin without any, on the disk of a folder, by default the system's own."""
        self._ends = GrowingArray(np.int64, folder)
        self._ends.append(np.zeros(1, np.int64))
        self._end = 0
        self._parts = [GrowingArray(part.dtype, folder) for part in NO_LINKS]

    def append(self, counts: Ints, links: SoftLinks) -> None:
        """Add the links of sentence pairs, end to end, and how many each has."""
        self._ends.append(self._end + np.cumsum(counts))
        self._end += len(links.src)
        for part, values in zip(self._parts, links, strict=True):
            part.append(values)

    def whole(self) -> TextLinks:
        """Return them all; nothing can be added any more."""
        return TextLinks(
            self._ends.whole(), SoftLinks(*(part.whole() for part in self._parts))
        )
