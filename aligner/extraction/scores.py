"""What is read of one layer's attention as scores between subwords."""

from typing import Literal

from torch import Tensor

from aligner.extraction.contributions import contributions, residual_norms
from aligner.nmt.attention import AttentionRecord
from aligner.nmt.norms import head_norms, layer_norms
from aligner.nmt.sublayers import SublayerRecord

# `norm` is the norm of the (summed) vectors, `weight` the (mean) attention weight, the
# baseline; `resln` the norm after residual sum and layer normalisation; `alti-l1` and
# `alti-l2` the contributions of ALTI: see `contributions.py`.
Score = Literal["norm", "weight", "resln", "alti-l1", "alti-l2"]
PLAIN: tuple[Score, ...] = ("norm", "weight")  # which attention alone decides


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
