"""Where a prior expects attention to look: its links, spread over subwords."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aligner.links.matching import Scores, joint_scores
from aligner.prior.soft_links import LEAST_PROBABILITY, SoftLinks

Ints = NDArray[np.int64]


def joint_links(forward: Scores, reverse: Scores) -> SoftLinks:
    """Return the likely links that both directions' scores give, joined as a prior's.

    Args:
        forward: (target words, source words + 1), NULL last.
        reverse: (source words, target words + 1), likewise.
    """
    joint = joint_scores(forward, reverse)  # (S, T)
    src, tgt = np.nonzero(joint > LEAST_PROBABILITY)
    return SoftLinks(
        src.astype(np.int32), tgt.astype(np.int32), joint[src, tgt].astype(np.float32)
    )


def spread(src_words: Ints, tgt_words: Ints, row: Ints, links: SoftLinks) -> Tensor:
    """Return where each target subword is to look, (B, T - 1, S), float32.

    A word's pieces share equally. Each row sums to 1, the part that no link takes going
    to EOS, which stands for NULL; rows of padding are 0.

    Args:
        src_words: (B, S - 1) the word of each source subword, EOS left out; -1 for
            padding.
        tgt_words: (B, T - 1) likewise.
        row: the place in the batch that each link belongs to.
        links: the links of all pairs, end to end.
    """
    rows, pieces = src_words.shape
    src_count, tgt_count = int(src_words.max()) + 1, int(tgt_words.max()) + 1
    mass = np.zeros((rows, tgt_count, src_count + 1), np.float32)  # the last: nothing
    mass[row, links.tgt, links.src] = links.probability
    mass /= np.maximum(mass.sum(axis=2, keepdims=True), 1)
    null = np.maximum(1 - mass.sum(axis=2), 0)  # (B, target words)
    # A source word's pieces share its part.
    sizes = np.zeros((rows, src_count + 1), np.float32)
    np.add.at(sizes, (np.arange(rows)[:, None], src_words), 1)
    mass /= np.maximum(sizes, 1)[:, None, :]
    mass[:, :, -1] = 0
    batch = np.arange(rows)[:, None]
    spread = np.zeros((rows, tgt_words.shape[1], pieces + 1), np.float32)
    spread[:, :, :-1] = mass[
        batch[:, :, None], tgt_words[:, :, None], src_words[:, None, :]
    ]
    ends = (src_words >= 0).sum(axis=1)  # where EOS stands
    positions = np.arange(tgt_words.shape[1])[None, :]
    spread[batch, positions, ends[:, None]] = null[batch, tgt_words]
    spread[tgt_words < 0] = 0
    return torch.from_numpy(spread)
