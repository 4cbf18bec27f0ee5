"""What is read of one layer's attention as scores between subwords."""

from typing import Literal

from torch import Tensor

from aligner.nmt.attention import AttentionRecord
from aligner.nmt.norms import head_norms, layer_norms

Score = Literal["norm", "weight"]


def attention_scores(
    record: AttentionRecord, score: Score = "norm", head: int | None = None
) -> Tensor:
    """Return one layer's scores, (B, T, S): of one head, or of all heads together.

    `norm` is the norm of the (summed) vectors, `weight` the (mean) attention weight,
    the baseline.
    """
    if score == "norm":
        return layer_norms(record) if head is None else head_norms(record)[:, head]
    return record.weights.mean(1) if head is None else record.weights[:, head]
