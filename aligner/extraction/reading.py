"""What is read of a model's cross-attention: which numbers, and as scores of words.

Kobayashi et al. (2020): the scores of a source word's subwords are summed, those of a
target word's subwords averaged, before any argmax. EOS, which the source ends in,
stands for NULL.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aligner.errors import ConfigError
from aligner.extraction.contributions import contributions, residual_norms
from aligner.extraction.forced_decoding import (
    ForcedBatch,
    SubwordPair,
    forced_batches,
    unpadded,
)
from aligner.nmt.attention import AttentionRecord
from aligner.nmt.checkpoint import check_finite
from aligner.nmt.cross_attention import CrossAttention
from aligner.nmt.norms import head_norms, layer_norms
from aligner.nmt.precision import computing
from aligner.nmt.sublayers import SublayerRecord, sublayer_records
from aligner.nmt.threads import each_alone
from aligner.nmt.transformer import Transformer
from aligner.ranges import INDEX
from aligner.terms import Precision, Rows, Score, check_term

WordScores = NDArray[np.float32]

PLAIN: tuple[Score, ...] = ("norm", "weight")  # which attention alone decides


@dataclass(frozen=True)
class Reading:
    """Which numbers of the cross-attention are read as an alignment.

    Attributes:
        layer: the decoder layer, from 0.
        rows: the decoder's rows that speak for a target word.
        score: vector norms, attention weights as the baseline, or what else `Score` is.
        head: one head, from 0; None for all heads together.

    Raises:
        ConfigError: a layer or a head is no number from 0, or there are no such rows
            or scores.
    """

    layer: int
    rows: Rows
    score: Score = "norm"
    head: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers and the names."""
        INDEX.check("layer", self.layer)
        check_term("rows", self.rows, get_args(Rows))
        check_term("score", self.score, get_args(Score))
        if self.head is not None:
            INDEX.check("head", self.head)

    def record(
        self, network: CrossAttention, batch: "ForcedBatch"
    ) -> AttentionRecord | SublayerRecord:
        """Return what is needed of the layer for this reading, and no more.

        Raises:
            ConfigError: the score looks beyond attention, into another's network.
        """
        if self.score in PLAIN:
            return next(plain_records(network, batch, self.rows, self.layer, 1))
        if not isinstance(network, Transformer):
            plain = " or ".join(PLAIN)
            raise ConfigError(f"score {self.score}: expected {plain} for this model")
        whole = self.rows == "full"
        return next(
            sublayer_records(
                network, batch.src, batch.tgt, first=self.layer, whole=whole,
                expected=batch.expected if whole else None,
            )
        )  # fmt: skip

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


def plain_records(
    network: CrossAttention,
    batch: ForcedBatch,
    rows: Rows,
    first: int = 0,
    count: int | None = None,
) -> Iterator[AttentionRecord]:
    """Yield the records of some layers for some rows, with what is expected in them."""
    text = batch.src, batch.tgt
    if rows != "full":
        return network.records(*text, first=first, count=count)
    if batch.expected is None or not isinstance(network, Transformer):
        return network.records(*text, first=first, count=count, whole=True)
    return network.records(
        *text, first=first, count=count, whole=True, expected=batch.expected
    )


def records_of(
    network: CrossAttention, batch: ForcedBatch, readings: Sequence[Reading]
) -> Iterator[tuple[Reading, AttentionRecord]]:
    """Yield each of some readings of plain scores with the record that it reads."""
    for whole in (False, True):
        wanted = [one for one in readings if (one.rows == "full") == whole]
        if not wanted:
            continue
        layers = sorted(one.layer for one in wanted)
        first, count = layers[0], layers[-1] - layers[0] + 1
        records = plain_records(network, batch, wanted[0].rows, first, count)
        for layer, record in enumerate(records, start=first):
            yield from ((one, record) for one in wanted if one.layer == layer)


def attention_scores(
    record: AttentionRecord, score: Score = "norm", head: int | None = None
) -> Tensor:
    """Return one layer's plain scores, (B, T, S): of one head, or of all together."""
    if score == "norm":
        return layer_norms(record) if head is None else head_norms(record)[:, head]
    return record.weights.mean(1) if head is None else record.weights[:, head]


def sublayer_scores(
    record: SublayerRecord, score: Score = "norm", head: int | None = None
) -> Tensor:
    """Return one layer's scores of any kind, (B, T, S)."""
    if score in PLAIN:
        return attention_scores(record.attention, score, head)
    if head is not None:
        record = record.of_head(head)
    if score == "resln":
        return residual_norms(record)
    return contributions(record, 1 if score == "alti-l1" else 2)


def target_rows(scores: Tensor, rows: Rows) -> Tensor:
    """Return the decoder's rows that speak for y_1 .. y_m, (B, m, S).

    The decoder is fed `tag y_1 .. y_m`, so `scores` is (B, m + 1, S). AWI, alignment
    with the input, takes the row where y_t is fed in, and so does `full`, where the
    decoder sees the whole target; AWO, with the output, the row before, which predicts
    y_t.
    """
    return scores[:, :-1] if rows == "awo" else scores[:, 1:]


def word_scores(scores: Tensor, src_words: Tensor, tgt_words: Tensor) -> Tensor:
    """Return scores between words, (B, target words, source words + 1).

    Args:
        scores: (B, m, S) between subwords; 0 where the source is padding.
        src_words: (B, S) the word of each source position. EOS counts as the word
            after the sentence's last, so NULL's column follows the last word's.
            Padding may name any word.
        tgt_words: (B, m) the word of each target subword, -1 for padding.
    """
    to_src = one_hot(src_words, int(src_words.max()) + 1)  # (B, S, words + 1)
    to_tgt = one_hot(tgt_words, int(tgt_words.max()) + 1)  # (B, m, words)
    pieces = to_tgt.sum(1).clamp_min(1)[:, :, None]  # (B, words, 1)
    return to_tgt.transpose(1, 2) @ scores @ to_src / pieces


def one_hot(indices: Tensor, size: int) -> Tensor:
    """Return float indicators (..., size) of indices (...); none for -1."""
    return (indices[..., None] == torch.arange(size, device=indices.device)).float()


def _in_full(
    record: AttentionRecord | SublayerRecord,
) -> AttentionRecord | SublayerRecord:
    """Return a record with all of it in the weights' precision, under autocast too."""
    dtype = record.weights.dtype
    if isinstance(record, SublayerRecord):
        return replace(record, vectors=record.vectors.to(dtype))
    return record._replace(gram=record.gram.to(dtype))


def read_word_scores(
    network: CrossAttention,
    pairs: Sequence[SubwordPair],
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
    device = network.device

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
        for found in each_alone(read, batches, precision, device):
            for index, scores in found:
                results[index] = scores
    return results
