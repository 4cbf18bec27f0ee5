"""From scores between subwords to scores between words, before any argmax.

Kobayashi et al. (2020): the scores of a source word's subwords are summed, those of a
target word's subwords averaged. EOS, which the source ends in, stands for NULL.
"""

from typing import Literal

import torch
from torch import Tensor

Rows = Literal["awi", "awo", "full"]


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
