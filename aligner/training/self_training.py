"""What a model finds in its own training text, to guide its next round.

The statistical prior and the attention err differently. What both find together may be
better than what guided the attention so far, and guide it further (SHIFT-AET, Chen et
al. 2020, trains on a model's own links likewise).
"""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np

from aligner.extraction.aligner import Aligner
from aligner.extraction.expected_attention import joint_links
from aligner.extraction.pair_aligner import WordPair, chunks
from aligner.extraction.selection import agreement
from aligner.links.alignment import Alignment
from aligner.links.matching import forward_links, reverse_links
from aligner.prior.soft_links import GrowingLinks, TextLinks


def find_links(aligner: Aligner, pairs: Iterable[WordPair]) -> tuple[TextLinks, float]:
    """Return the likely links of sentence pairs, and how far the directions agree.

    Both directions' shares are joined by their geometric mean, as the prior's are. No
    pair may have a `problem`, and the aligner must know both directions.
    """
    links = GrowingLinks()
    one, other = itertools.tee(_directions(aligner, pairs, links))
    agreed = agreement((choice[0] for choice in one), (choice[1] for choice in other))
    return links.finish(), agreed


def _directions(
    aligner: Aligner, pairs: Iterable[WordPair], links: GrowingLinks
) -> Iterator[tuple[Alignment, Alignment]]:
    """Yield what either direction chooses, and add the likely links on the way."""
    for chunk in chunks(pairs):
        for scores in aligner.word_scores(chunk):
            if scores.forward is None or scores.reverse is None:
                raise ValueError("expected the scores of both directions")
            found = joint_links(scores.forward, scores.reverse)
            links.append(np.array([len(found.src)]), found)
            yield forward_links(scores.forward), reverse_links(scores.reverse)
