"""Sentence pairs in batches, ready for forced decoding: the target is given."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aligner.nmt.batching import cut, pad
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
    stands around the source besides EOS, such as the name of its language.
    """

    src: Ids
    tgt: Ids
    src_words: Ids
    tgt_words: Ids

    @classmethod
    def of(
        cls, pair: tuple[Sequence[str], Sequence[str]], subwords: Subwords
    ) -> "SubwordPair":
        """Cut a sentence pair, given as words, into subwords."""
        src, src_words = subwords.encode(pair[0], "src")
        tgt, tgt_words = subwords.encode(pair[1], "tgt")
        return cls(src, tgt, src_words, tgt_words)

    def turned(self) -> "SubwordPair":
        """Return the pair as the other direction sees it."""
        return SubwordPair(self.tgt, self.src, self.tgt_words, self.src_words)

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
    """

    indices: list[int]
    src: Tensor
    tgt: Tensor
    src_words: Tensor
    tgt_words: Tensor


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
    return ForcedBatch(indices, *(tensor.to(device) for tensor in tensors))


def unpadded(
    scores: NDArray[np.float32], batch: ForcedBatch, pairs: Sequence[SubwordPair]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield each pair's place, and its part of scores (B, ..., words, words + 1)."""
    for row, index in enumerate(batch.indices):
        written, read = pairs[index].size
        yield index, scores[row, ..., :written, : read + 1]
