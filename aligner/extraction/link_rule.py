"""From the word scores of a sentence pair to its links."""

from dataclasses import dataclass
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from aligner.extraction.reading import WordScores
from aligner.links.aligned_pair import AlignedPair
from aligner.links.alignment import Alignment, Link
from aligner.links.matching import (
    covered,
    forward_links,
    harmonic_mean,
    mean_share,
    optimal_links,
    power_mean,
    reverse_links,
    row_shares,
    shares,
    threshold_links,
)
from aligner.links.symmetrization import symmetrize
from aligner.ranges import SHARE
from aligner.terms import Cover, Direction, Mean, Symmetrization, check_term

SOFT_THRESHOLD = 0.45  # where none could be chosen


class PairScores(NamedTuple):
    """The word scores of a sentence pair, by direction; NULL is the last column.

    Attributes:
        forward: (target words, source words + 1); None where it was not asked for.
        reverse: (source words, target words + 1); likewise.
    """

    forward: WordScores | None
    reverse: WordScores | None


@dataclass(frozen=True)
class LinkRule:
    """How word scores become links.

    Attributes:
        direction: forward (each target word chooses), reverse (each source word
            chooses), or both.
        symmetrize: how both directions are joined: `soft`, by their joint scores, a
            mean of either direction's, of which those above the threshold are links;
            or a method of `links.symmetrization`, by their links.
        mean: for `soft`, which mean that is. The harmonic one is high only where both
            are; by the power mean a word may have several partners, of which each has
            but a part of its row.
        threshold: for `soft`, what a link's joint score must exceed.
        one_to_one: for `soft`, take the best one-to-one matching only.
        cover: the side, or both, of which every word that is left without a link gets
            its likeliest one, however weak.

    Raises:
        ConfigError: an unknown direction or method, or a threshold that no score can
            be compared with.
    """

    direction: Direction = "both"
    symmetrize: str = "soft"
    threshold: float = SOFT_THRESHOLD
    one_to_one: bool = False
    cover: Cover | None = None
    mean: Mean = "harmonic"

    def __post_init__(self) -> None:
        """Check the names and the threshold."""
        SHARE.check("threshold", self.threshold)
        check_term("direction", self.direction, get_args(Direction))
        check_term("symmetrize", self.symmetrize, get_args(Symmetrization))
        if self.cover is not None:
            check_term("cover", self.cover, get_args(Cover))

    def links(self, scores: PairScores) -> AlignedPair:
        """Return the links that one sentence pair's word scores give.

        A link's score is its share of its row's total, NULL's part counted; where
        there are two directions, the power mean of both, or, for a rule by the
        harmonic mean, the arithmetic one.
        """
        forward, reverse = scores
        if forward is not None and reverse is not None:
            both = shares(forward, reverse)  # once for links and for their scores
            if self.mean == "power":
                joint = probable = power_mean(*both)  # (S, T)
            else:
                joint, probable = harmonic_mean(*both), mean_share(*both)
            if self.symmetrize == "soft":
                choose = optimal_links if self.one_to_one else threshold_links
                links = choose(joint, self.threshold)
            else:
                links = symmetrize(
                    forward_links(forward), reverse_links(reverse), self.symmetrize
                )
        elif forward is not None:
            probable, links = row_shares(forward)[:, :-1].T, forward_links(forward)
        elif reverse is not None:
            probable, links = row_shares(reverse)[:, :-1], reverse_links(reverse)
        else:
            raise ValueError("no scores of either direction")
        if self.cover is not None and probable.size:
            links = covered(links, probable, self.cover)
        best = np.concatenate([probable.max(axis=0), probable.max(axis=1)])
        return AlignedPair(links, _at(probable, links), float(best.mean()))


def _at(probable: NDArray[np.float64], links: Alignment) -> dict[Link, float]:
    if not links:
        return {}
    src, tgt = zip(*links, strict=True)
    return dict(zip(links, probable[src, tgt].tolist(), strict=True))
