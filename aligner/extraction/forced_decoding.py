"""Feed a model given translations, and read word scores off its cross-attention."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aligner.extraction.scores import (
    PLAIN,
    Score,
    attention_scores,
    sublayer_scores,
)
from aligner.extraction.word_scores import Rows, target_rows, word_scores
from aligner.nmt.attention import AttentionRecord
from aligner.nmt.batching import pad
from aligner.nmt.checkpoint import check_finite
from aligner.nmt.loss import attention_kernels, computing
from aligner.nmt.sublayers import SublayerRecord, sublayer_records
from aligner.nmt.transformer import Transformer
from aligner.text.subwords import Subwords

Ids = NDArray[np.int32]
WordScores = NDArray[np.float32]
Item = TypeVar("Item")
Result = TypeVar("Result")
Precision = Literal["auto", "float32", "bfloat16"]

# Padded, on the longer side. On a CPU, small batches stay in the cache and hold little
# padding; other devices have more to do at once.
BATCH_TOKENS = 4096
CPU_BATCH_TOKENS = 1024
BATCH_CELLS = 1 << 19  # source positions x target positions, over the batch


@dataclass(frozen=True)
class Reading:
    """Which numbers of the cross-attention are read as an alignment.

    Attributes:
        layer: the decoder layer, from 0.
        rows: the decoder's rows that speak for a target word.
        score: vector norms, attention weights as the baseline, or what else `Score` is.
        head: one head, from 0; None for all heads together.
    """

    layer: int
    rows: Rows
    score: Score = "norm"
    head: int | None = None

    def record(
        self, network: Transformer, batch: "ForcedBatch"
    ) -> AttentionRecord | SublayerRecord:
        """Return what is needed of the layer for this reading, and no more."""
        text, whole = (batch.src, batch.tgt), self.rows == "full"
        if self.score in PLAIN:
            return next(network.records(*text, first=self.layer, whole=whole))
        return next(sublayer_records(network, *text, first=self.layer, whole=whole))

    def word_scores(
        self, record: AttentionRecord | SublayerRecord, batch: "ForcedBatch"
    ) -> Tensor:
        """Return scores (B, target words, source words + 1) of the layer's record."""
        if isinstance(record, SublayerRecord):
            scores = sublayer_scores(record, self.score, self.head)
        else:
            scores = attention_scores(record, self.score, self.head)
        scores = target_rows(scores, self.rows)
        return word_scores(scores, batch.src_words, batch.tgt_words)


class Segmented(NamedTuple):
    """A sentence pair as subwords, where `src` is the side that is read.

    `src_words` and `tgt_words` give the word that each subword is part of.
    """

    src: Ids
    tgt: Ids
    src_words: Ids
    tgt_words: Ids

    @classmethod
    def of(
        cls, pair: tuple[Sequence[str], Sequence[str]], subwords: Subwords
    ) -> "Segmented":
        """Cut a sentence pair, given as words, into subwords."""
        src, src_words = subwords.encode(pair[0], "src")
        tgt, tgt_words = subwords.encode(pair[1], "tgt")
        return cls(src, tgt, src_words, tgt_words)

    def turned(self) -> "Segmented":
        """Return the pair as the other direction sees it."""
        return Segmented(self.tgt, self.src, self.tgt_words, self.src_words)

    @property
    def size(self) -> tuple[int, int]:
        """The number of words on the side that is written, and that is read."""
        return int(self.tgt_words[-1]) + 1, int(self.src_words[-1]) + 1


class ForcedBatch(NamedTuple):
    """Padded sentence pairs, ready for forced decoding.

    Attributes:
        indices: the pairs' places in the sequence that they were taken from.
        src: (B, S) subwords, ending in EOS.
        tgt: (B, T) the decoder's input, beginning with the tag.
        src_words: (B, S) each position's word; EOS and padding: one past the last.
        tgt_words: (B, T - 1) each target subword's word; -1 for padding.
    """

    indices: list[int]
    src: Tensor
    tgt: Tensor
    src_words: Tensor
    tgt_words: Tensor


def forced_batches(
    pairs: Sequence[Segmented], tag: int, device: torch.device
) -> Iterator[ForcedBatch]:
    """Yield all pairs in batches of like length, within the memory limits above."""
    tokens = CPU_BATCH_TOKENS if device.type == "cpu" else BATCH_TOKENS
    order = sorted(range(len(pairs)), key=lambda i: _lengths(pairs[i]))
    first, longest_src, longest_tgt = 0, 0, 0
    for last, index in enumerate(order):
        src, tgt = len(pairs[index].src) + 1, len(pairs[index].tgt) + 1
        longest_src, longest_tgt = max(longest_src, src), max(longest_tgt, tgt)
        rows = last + 1 - first
        too_many = rows * max(longest_src, longest_tgt) > tokens
        if too_many or rows * longest_src * longest_tgt > BATCH_CELLS:
            if last > first:
                yield _collate(pairs, order[first:last], tag, device)
            first, longest_src, longest_tgt = last, src, tgt
    if order:
        yield _collate(pairs, order[first:], tag, device)


def _lengths(pair: Segmented) -> tuple[int, int]:
    # By either side alone, the other would mostly be padding.
    src, tgt = len(pair.src), len(pair.tgt)
    return max(src, tgt), src + tgt


def _collate(
    pairs: Sequence[Segmented], indices: list[int], tag: int, device: torch.device
) -> ForcedBatch:
    chosen = [pairs[i] for i in indices]
    batch = pad([(pair.src, pair.tgt, tag) for pair in chosen])
    src_words = np.empty(batch.src.shape, np.int64)
    tgt_words = np.full((len(chosen), batch.tgt.shape[1] - 1), -1, np.int64)
    for row, pair in enumerate(chosen):
        src_words[row] = pair.size[1]
        src_words[row, : len(pair.src)] = pair.src_words
        tgt_words[row, : len(pair.tgt)] = pair.tgt_words
    tensors = batch.src, batch.tgt, *map(torch.from_numpy, (src_words, tgt_words))
    return ForcedBatch(indices, *(tensor.to(device) for tensor in tensors))


def records_of(
    network: Transformer, batch: ForcedBatch, readings: Sequence[Reading]
) -> Iterator[tuple[Reading, AttentionRecord]]:
    """Yield each of some readings of plain scores with the record that it reads."""
    for whole in (False, True):
        wanted = [one for one in readings if (one.rows == "full") == whole]
        if not wanted:
            continue
        layers = sorted(one.layer for one in wanted)
        first, count = layers[0], layers[-1] - layers[0] + 1
        records = network.records(batch.src, batch.tgt, first=first, whole=whole)
        for layer, record in enumerate(islice(records, count), start=first):
            yield from ((one, record) for one in wanted if one.layer == layer)


def unpadded(
    scores: NDArray[np.float32], batch: ForcedBatch, pairs: Sequence[Segmented]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield each pair's place, and its part of scores (B, ..., words, words + 1)."""
    for row, index in enumerate(batch.indices):
        written, read = pairs[index].size
        yield index, scores[row, ..., :written, : read + 1]


def _in_full(
    record: AttentionRecord | SublayerRecord,
) -> AttentionRecord | SublayerRecord:
    """Return a record with all of it in the weights' precision, under autocast too."""
    dtype = record.weights.dtype
    if isinstance(record, SublayerRecord):
        return replace(record, vectors=record.vectors.to(dtype))
    return record._replace(gram=record.gram.to(dtype))


def read_word_scores(
    network: Transformer,
    pairs: Sequence[Segmented],
    tag: int,
    reading: Reading,
    precision: Precision = "float32",
) -> list[WordScores]:
    """Return each pair's scores, (written words, read words + 1), NULL last.

    The precision is that of the network's matrix products, as in training; scores are
    made of them in float32. On a CPU, they are the same for any number of threads.

    Raises:
        ModelError: a score is not finite.
    """
    device = next(network.parameters()).device

    @torch.inference_mode()
    def read(batch: ForcedBatch) -> list[tuple[int, WordScores]]:
        record = _in_full(reading.record(network, batch))
        with torch.autocast(device.type, enabled=False):
            scores = reading.word_scores(record, batch)
        check_finite(scores, f"the model's scores in {precision}")
        return list(unpadded(scores.cpu().numpy(), batch, pairs))

    results: list[WordScores] = [np.empty((0, 0), np.float32)] * len(pairs)
    batches = forced_batches(pairs, tag, device)
    with computing(precision, device):  # weights are cast once, until its end
        for found in _each(read, batches, precision, device):
            for index, scores in found:
                results[index] = scores
    return results


def _each(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    precision: Precision,
    device: torch.device,
) -> Iterator[Result]:
    """Yield what becomes of each item, in order; on a CPU, by as many threads as torch.

    Each computes alone: small products gain little from a second thread. There, torch
    chooses among all its ways to attend: to limit it would be to limit all threads.
    """
    if device.type != "cpu":
        with attention_kernels(device):
            yield from map(work, items)
        return
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(threads, "align", _compute_alone, (precision, device))
    try:
        yield from pool.map(work, items)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # for threads that begin after this


def _compute_alone(precision: Precision, device: torch.device) -> None:
    """Prepare a thread that computes alone until it ends."""
    torch.set_num_threads(1)
    computing(precision, device).__enter__()  # type: ignore[no-untyped-call]
