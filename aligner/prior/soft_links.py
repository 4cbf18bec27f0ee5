"""Likely links with their probabilities: of one sentence pair, and of a whole text."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from aligner.errors import ModelError
from aligner.files import replacing
from aligner.links.aligned_pair import AlignedPair
from aligner.links.alignment import Link
from aligner.terms import Cover
from aligner.text.numbered import WordPair
from aligner.text.ragged import SENTENCES, GrowingEnds, steps
from aligner.text.scratch import BLOCK, GrowingArray, blocks

LEAST_PROBABILITY = 0.02  # of the links that are reported

Ints = NDArray[np.int64]
Places = NDArray[np.int32]
Floats = NDArray[np.float32]


class SoftLinks(NamedTuple):
    """The likely links of a sentence pair.

    Attributes:
        src: source words.
        tgt: target words.
        probability: both directions' posteriors, joined by the power mean.
    """

    src: Places
    tgt: Places
    probability: Floats

    def turned(self) -> "SoftLinks":
        """Return the links as the other direction sees them."""
        return SoftLinks(self.tgt, self.src, self.probability)

    @classmethod
    def joined(cls, pairs: Sequence["SoftLinks"]) -> "SoftLinks":
        """Return the links of some pairs, at least one, end to end."""
        return cls(*map(np.concatenate, zip(*pairs, strict=True)))

    def aligned(
        self,
        pair: WordPair,
        threshold: float,
        cover: Cover | None = None,
        score: float | None = None,
    ) -> AlignedPair:
        """Return the links of a pair that are likelier than a threshold.

        Args:
            pair: its words.
            threshold: what a link's probability must exceed.
            cover: the side, or both, of which every word that is left without a link
                gets its likeliest one; that has to be among the likely links.
            score: of the pair; by default, the mean of its words' best links.
        """
        every = {
            (i, j): p for i, j, p in zip(*(part.tolist() for part in self), strict=True)
        }
        scores = {link: p for link, p in every.items() if p > threshold}
        if cover is not None:
            _cover(scores, every, cover)
        if score is None:
            score = self._mean_best(pair)
        return AlignedPair(frozenset(scores), scores, score)

    def _mean_best(self, pair: WordPair) -> float:
        src_words, tgt_words = map(len, pair)
        best = np.zeros(src_words + tgt_words)
        # What is there for the cover alone says nothing of how well the sides fit.
        likely = np.where(self.probability > LEAST_PROBABILITY, self.probability, 0)
        np.maximum.at(best, self.src, likely)
        np.maximum.at(best, src_words + self.tgt, likely)
        return float(best.mean())


def _cover(
    scores: dict[Link, float], every: Mapping[Link, float], cover: Cover
) -> None:
    """Add the likeliest link of each word without one, as `links.matching.covered`."""
    for side, skipped in ((0, "tgt"), (1, "src")):
        if cover == skipped:
            continue
        linked = {link[side] for link in scores}
        best: dict[int, Link] = {}
        for link in sorted(every, key=lambda link: (-every[link], link)):
            best.setdefault(link[side], link)
        scores |= {link: every[link] for i, link in best.items() if i not in linked}


NO_LINKS = SoftLinks(
    np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32)
)


def aligned_pairs(
    pairs: Iterable[WordPair],
    links: "TextLinks",
    threshold: float,
    cover: Cover | None = None,
) -> Iterator[AlignedPair]:
    """Yield the links of pairs that are likelier than a threshold, as `aligned`.

    Pairs with an empty side have none, and say so.
    """
    of_pairs = repeat(None) if links.scores is None else map(float, links.scores)
    both = zip(pairs, links, strict=True)
    for (pair, found), score in zip(both, of_pairs, strict=False):
        if all(pair):
            yield found.aligned(pair, threshold, cover, score)
        else:
            yield AlignedPair(frozenset(), {}, problem="a side is empty")


PARTS = {
    "ends": ("I64", np.int64),
    "src": ("I32", np.int32),
    "tgt": ("I32", np.int32),
    "probability": ("F32", np.float32),
}


@dataclass(frozen=True)
class TextLinks:
    """The likely links of the sentence pairs of a text, end to end in flat arrays.

    Attributes:
        ends: for each pair, where its links end; 0 comes first.
        links: the links of all pairs.
        scores: of the pairs, the probability that each is a translation, if it was
            asked for and is known.
    """

    ends: Ints
    links: SoftLinks
    scores: NDArray[np.float64] | None = None

    @classmethod
    def gather(cls, pairs: Iterable[SoftLinks]) -> "TextLinks":
        """Lay the links of sentence pairs end to end, on disk."""
        growing = GrowingLinks()
        for links in pairs:
            growing.append(np.array([len(links.src)]), links)
        return growing.finish()

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

    def select(self, pairs: Ints) -> "TextLinks":
        """Return the links of the pairs at some indices, in that order, on disk."""
        chosen = GrowingLinks()
        for block in blocks(pairs, SENTENCES):
            chosen.append(self.counts(block), self.flat(block))
        return chosen.finish()

    def save(self, path: Path) -> None:
        """Write the links to a file, whole or not at all, as safetensors."""
        arrays: list[NDArray[Any]] = [self.ends[1:], *self.links]
        header, end = {}, 0
        for (name, (dtype, _)), values in zip(PARTS.items(), arrays, strict=True):
            offsets = [end, end := end + values.nbytes]
            header[name] = {
                "dtype": dtype,
                "shape": values.shape,
                "data_offsets": offsets,
            }
        # By hand: the library would hold the whole file in memory.
        described = json.dumps(header).encode()
        described += b" " * (-len(described) % 8)
        with replacing(path) as beside, beside.open("wb") as file:
            file.write(len(described).to_bytes(8, "little") + described)
            for values in arrays:
                for block in blocks(values):
                    file.write(block.tobytes())

    @classmethod
    def load(cls, path: Path, pairs: int) -> "TextLinks":
        """Return the links of so many pairs that `save` wrote, on disk.

        Raises:
            ModelError: the file is damaged, or has links for another number of pairs.
        """
        try:
            with safe_open(path, "numpy") as file:
                found = file.get_slice("ends").get_shape()[0]
                ends, *parts = (_read(file, name) for name in PARTS)
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{path}: damaged guide: {error}") from error
        if found != pairs:
            raise ModelError(
                f"{path}: the training text differs from the one that it was made "
                f"with: expected {found} pairs to train on, got {pairs}"
            )
        return cls(ends, SoftLinks(*parts))


def _read(file: Any, name: str) -> NDArray[Any]:
    """Return one array of a safetensors file, on disk; in front of the ends, 0."""
    part, read = file.get_slice(name), GrowingArray(PARTS[name][1])
    (size,) = part.get_shape()
    if name == "ends":
        read.append(np.zeros(1, np.int64))
    for first in range(0, size, BLOCK):
        read.append(part[first : min(first + BLOCK, size)])
    return read.finish()


class GrowingLinks:
    """Links on disk that grow at their end."""

    def __init__(self) -> None:
        """Begin without any."""
        self._ends = GrowingEnds()
        self._parts = [GrowingArray(part.dtype) for part in NO_LINKS]

    def append(self, counts: Ints, links: SoftLinks) -> None:
        """Add the links of sentence pairs, end to end, and how many each has."""
        self._ends.append(counts)
        for part, values in zip(self._parts, links, strict=True):
            part.append(values)

    def finish(self) -> TextLinks:
        """Return them all; nothing can be added any more."""
        return TextLinks(
            self._ends.finish(), SoftLinks(*(part.finish() for part in self._parts))
        )
