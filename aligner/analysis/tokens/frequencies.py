"""How frequent tokens are, beside what attention makes of them."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from aligner.analysis.tokens.groups import Doubles


class Frequencies(NamedTuple):
    """The tokens of the text beside how frequent they are; two kinds of points.

    Attributes:
        ranks, norms, weights: of each occurrence of a token.
        type_ranks, type_norms, type_weights: of each token, means over occurrences.
        unseen: how many tokens the counted text does not have.
    """

    ranks: Doubles
    norms: Doubles
    weights: Doubles
    type_ranks: Doubles
    type_norms: Doubles
    type_weights: Doubles
    unseen: int

    def notes(self, counted: str) -> list[str]:
        """Return what a reader has to know; `counted` names the text, where we can."""
        found = [f"Frequencies were counted on {counted} itself."] if counted else []
        if self.unseen:
            found.append(
                f"{self.unseen} of {len(self.type_ranks)} distinct tokens do not occur "
                "where frequencies were counted: they share the last rank."
            )
        return found


def frequency_ranks(
    counts: Mapping[int, int], tokens: Iterable[int]
) -> dict[int, float]:
    """Return each token's rank by count: 1 is the most frequent, equals share a mean.

    Ranked are all tokens of `counts` and of `tokens`; those never counted come last.
    """
    known = sorted({*counts, *tokens})
    ranks = stats.rankdata([-counts.get(t, 0) for t in known], method="average")
    return dict(zip(known, ranks.tolist(), strict=True))


def frequencies_of(
    tokens: NDArray[np.int64],
    weights: Doubles,
    norms: Doubles,
    counts: Mapping[int, int],
) -> Frequencies:
    """Set the norms and weights of a text's tokens beside the ranks by some counts."""
    types, index, occurrences = np.unique(
        tokens, return_inverse=True, return_counts=True
    )
    ranks = frequency_ranks(counts, types.tolist())
    type_ranks = np.array([ranks[token] for token in types.tolist()])
    return Frequencies(
        type_ranks[index],
        norms,
        weights,
        type_ranks,
        np.bincount(index, norms) / occurrences,
        np.bincount(index, weights) / occurrences,
        sum(token not in counts for token in types.tolist()),
    )
