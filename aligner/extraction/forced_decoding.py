"""Sentence pairs in batches, ready for forced decoding: the target is given."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aligner.extraction.expected_attention import spread
from aligner.nmt.batching import cut, pad
from aligner.prior.soft_links import SoftLinks
from aligner.text.subwords import Subwords

Ids = NDArray[np.int32]

# Padded, on the longer side. On a CPU, small batches stay in the cache and hold little
# padding; other devices have more to do at once.
BATCH_TOKENS = 4096
CPU_BATCH_TOKENS = 1024
BATCH_CELLS = 1 << 19  # source positions x target positions, over the batch


class SubwordPair(NamedTuple):
    """A sentence pair as subwords, where `src` is the side that is read.

    `src_words` and `tgt_words` give the word that each subword is part of; -1 for what
    stands around the source besides EOS, such as the name of its language. `expected`
    are the links that a prior expects, for a network that reads them.
    """

    src: Ids
    tgt: Ids
    src_words: Ids
    tgt_words: Ids
    expected: SoftLinks | None = None

    @classmethod
    def of(
        cls,
        pair: tuple[Sequence[str], Sequence[str]],
        subwords: Subwords,
        expected: SoftLinks | None = None,
    ) -> "SubwordPair":
        """Cut a sentence pair, given as words, into subwords."""
        src, src_words = subwords.encode(pair[0], "src")
        tgt, tgt_words = subwords.encode(pair[1], "tgt")
        return cls(src, tgt, src_words, tgt_words, expected)

    def turned(self) -> "SubwordPair":
        """Return the pair as the other direction sees it."""
        expected = self.expected and self.expected.turned()
        return SubwordPair(self.tgt, self.src, self.tgt_words, self.src_words, expected)

    @property
    def size(self) -> tuple[int, int]:
        """The number of words on the side that is written, and that is read."""
        return int(self.tgt_words[-1]) + 1, int(self.src_words.max()) + 1


class ForcedBatch(NamedTuple):
    """Padded sentence pairs, ready for forced decoding.

    Attributes:
        indices: the pairs' places in the sequence that they were taken from.
        src: (B, S) subwords, ending in EOS.
        tgt: (B, T) the decoder's input, beginning with the tag.
        src_words: (B, S) each position's word; what is of no word: one past the last.
        tgt_words: (B, T - 1) each target subword's word; -1 for padding.
        expected: (B, T - 1, S) where a prior expects each target subword to look; None
            where the network does not ask.
    """

    indices: list[int]
    src: Tensor
    tgt: Tensor
    src_words: Tensor
    tgt_words: Tensor
    expected: Tensor | None = None


def forced_batches(
    pairs: Sequence[SubwordPair], tag: int, device: torch.device
) -> Iterator[ForcedBatch]:
    """Yield all pairs in batches of like length, within the memory limits above."""
    tokens = CPU_BATCH_TOKENS if device.type == "cpu" else BATCH_TOKENS
    lengths = np.array([(len(pair.src), len(pair.tgt)) for pair in pairs], np.int64)
    lengths = lengths.reshape(-1, 2) + 1
    # By either side alone, the other would mostly be padding.
    order = np.lexsort((lengths.sum(axis=1), lengths.max(axis=1)))
    for part in cut(lengths[order], tokens, BATCH_CELLS):
        yield _collate(pairs, order[part].tolist(), tag, device)


def _collate(
    pairs: Sequence[SubwordPair], indices: list[int], tag: int, device: torch.device
) -> ForcedBatch:
    chosen = [pairs[i] for i in indices]
    batch = pad([(pair.src, pair.tgt, tag) for pair in chosen])
    src_words = np.empty(batch.src.shape, np.int64)
    tgt_words = np.full((len(chosen), batch.tgt.shape[1] - 1), -1, np.int64)
    for row, pair in enumerate(chosen):
        src_words[row] = pair.size[1]
        is_word = pair.src_words >= 0
        src_words[row, : len(pair.src)][is_word] = pair.src_words[is_word]
        tgt_words[row, : len(pair.tgt)] = pair.tgt_words
    tensors = batch.src, batch.tgt, *map(torch.from_numpy, (src_words, tgt_words))
    src, tgt, of_src, of_tgt = (tensor.to(device) for tensor in tensors)
    expected = None
    links = [pair.expected for pair in chosen if pair.expected is not None]
    if len(links) == len(chosen):
        is_word = src_words[:, :-1] < src_words[:, -1:]  # EOS counts as one past them
        words = np.where(is_word, src_words[:, :-1], -1)
        places = np.repeat(np.arange(len(links)), [len(one.src) for one in links])
        expected = spread(words, tgt_words, places, SoftLinks.joined(links)).to(device)
    return ForcedBatch(indices, src, tgt, of_src, of_tgt, expected)


def unpadded(
    scores: NDArray[np.float32], batch: ForcedBatch, pairs: Sequence[SubwordPair]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield each pair's place, and its part of scores (B, ..., words, words + 1)."""
    for row, index in enumerate(batch.indices):
        written, read = pairs[index].size
        yield index, scores[row, ..., :written, : read + 1]
