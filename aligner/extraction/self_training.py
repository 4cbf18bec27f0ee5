"""What a model finds in its own training text, to guide its next round.

The statistical prior and the attention err differently, so what both find together is
better than either, and than what guided the attention so far. Guided by that, the
attention gets better in turn (SHIFT-AET, Chen et al. 2020, trains on a model's own
links likewise).
"""

from collections.abc import Sequence

import numpy as np

from aligner.extraction.aligner import Aligner, PairScores, WordPair
from aligner.extraction.selection import agreement
from aligner.links.alignment import flip
from aligner.links.matching import best_links, row_shares
from aligner.prior.prior import LEAST_PROBABILITY, NO_LINKS, SoftLinks

CHUNK_PAIRS = 2048


def find_links(
    aligner: Aligner, pairs: Sequence[WordPair]
) -> tuple[list[SoftLinks], float]:
    """Return the likely links of sentence pairs, and how far the directions agree.

    Both directions' shares are joined by their geometric mean, as the prior's are. A
    pair that cannot be aligned has no links.
    """
    links = [NO_LINKS] * len(pairs)
    forward, reverse = [], []
    for first in range(0, len(pairs), CHUNK_PAIRS):
        chunk = pairs[first : first + CHUNK_PAIRS]
        good = [i for i, pair in enumerate(chunk) if not aligner.problem(pair)]
        for index, scores in zip(
            good, aligner.word_scores([chunk[i] for i in good]), strict=True
        ):
            if scores.forward is None or scores.reverse is None:
                raise ValueError("self-training needs both directions")
            links[first + index] = _soft_links(scores)
            forward.append(flip(best_links(scores.forward)))
            reverse.append(best_links(scores.reverse))
    return links, agreement(forward, reverse)


def _soft_links(scores: PairScores) -> SoftLinks:
    forward, reverse = map(row_shares, scores)  # type: ignore[arg-type]
    joint = np.sqrt(forward[:, :-1].T * reverse[:, :-1])  # (S, T)
    src, tgt = np.nonzero(joint > LEAST_PROBABILITY)
    return SoftLinks(
        src.astype(np.int32), tgt.astype(np.int32), joint[src, tgt].astype(np.float32)
    )
