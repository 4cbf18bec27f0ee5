"""What an aligner finds of a sentence pair."""

from collections.abc import Mapping
from typing import NamedTuple

from aligner.links.alignment import Alignment, Link


class AlignedPair(NamedTuple):
    """What was found of a sentence pair; all scores lie between 0 and 1.

    Attributes:
        links: the links.
        scores: for each link, about the probability that it is right.
        score: for the pair, the probability that it is a translation, where a prior
            knows it; else the mean over the words of both sides of what each word's
            best link scores.
        problem: why the pair could not be aligned; it has no links then.
    """

    links: Alignment
    scores: Mapping[Link, float]
    score: float = 0.0
    problem: str = ""
