"""Word score matrices to links.

Forward scores have shape (tgt words, src words + 1): row t says how much each source
word, and in the last column NULL, belongs to target word t. Reverse scores have shape
(src words, tgt words + 1). Scores are finite and not negative; rows need no
normalisation.
"""

from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from aligner.links.alignment import Alignment, flip
from aligner.terms import Cover

POWER = 0.75  # of the power mean; chosen on the mean over six pairs of languages
Scores: TypeAlias = npt.NDArray[np.floating[Any]]
Real = TypeVar("Real", bound=np.floating[Any])


def best_links(scores: Scores) -> Alignment:
    """Link each row to its best column, as (row, column) pairs.

    No link where NULL, the last column, is best, or where the row holds nothing above
    0. Among equal columns the first wins, so a word wins over NULL.
    """
    rows, columns = scores.shape
    best = scores.argmax(axis=1)
    linked = (best < columns - 1) & (scores[np.arange(rows), best] > 0)
    return _pairs(np.flatnonzero(linked), best[linked])


def forward_links(scores: Scores) -> Alignment:
    """Link each target word to its best source word, (src, tgt); scores (T, S + 1)."""
    return flip(best_links(scores))


def reverse_links(scores: Scores) -> Alignment:
    """Link each source word to its best target word; scores (S, T + 1)."""
    return best_links(scores)


def combine(forward: Scores, reverse: Scores) -> npt.NDArray[np.float64]:
    """Join both directions' scores into one (S, T) matrix of values in [0, 1].

    Each direction's rows are scaled to sum to 1 with NULL counted, NULL is dropped, and
    the two are joined by their harmonic mean.

    Args:
        forward: Scores (T, S + 1).
        reverse: Scores (S, T + 1).

    Raises:
        ValueError: The shapes do not belong to one sentence pair.
    """
    return harmonic_mean(*shares(forward, reverse))


def shares(
    forward: Scores, reverse: Scores
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return both directions' shares of their rows, each (S, T), without NULL.

    Args:
        forward: Scores (T, S + 1).
        reverse: Scores (S, T + 1).

    Raises:
        ValueError: The shapes do not belong to one sentence pair.
    """
    tgt_words, src_words = forward.shape[0], reverse.shape[0]
    if forward.shape[1] != src_words + 1 or reverse.shape[1] != tgt_words + 1:
        raise ValueError(
            "expected scores (T, S + 1) and (S, T + 1), "
            f"got {forward.shape} and {reverse.shape}"
        )
    return row_shares(forward)[:, :-1].T, row_shares(reverse)[:, :-1]


def harmonic_mean(
    forward: npt.NDArray[np.float64], reverse: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return 2FB / (F + B) of two directions' shares (S, T), as in Mask-Align.

    0 where either is 0, high only where both agree (Chen et al. 2021).
    """
    # Divided before multiplying: the product of two tiny shares may underflow to 0.
    total = forward + reverse
    ratio = np.divide(forward, total, out=np.zeros_like(total), where=total > 0)
    return 2 * ratio * reverse


def joint_scores(forward: Scores, reverse: Scores) -> npt.NDArray[np.float64]:
    """Return the power mean of both directions' shares of their rows, (S, T).

    Args:
        forward: Scores (T, S + 1).
        reverse: Scores (S, T + 1).
    """
    return power_mean(*shares(forward, reverse))


def link_probabilities(forward: Scores, reverse: Scores) -> npt.NDArray[np.float64]:
    """Return for every link, (S, T), about the probability that it is right.

    The mean of both directions' shares. Where a word has several partners, each has
    but a part of the word's row, while the partner's row may well be sure of the word.
    """
    return mean_share(*shares(forward, reverse))


def mean_share(
    forward: npt.NDArray[Real], reverse: npt.NDArray[Real]
) -> npt.NDArray[Real]:
    """Return the mean of two directions' shares, of one shape."""
    mean: npt.NDArray[Real] = np.add(forward, reverse) / 2
    return mean


def power_mean(
    forward: npt.NDArray[Real], reverse: npt.NDArray[Real]
) -> npt.NDArray[Real]:
    """Return ((F^p + B^p) / 2)^(1/p) of two directions' shares, of one shape.

    With p = 3/4, a little nearer to the geometric mean, where either can rule out, than
    the arithmetic one.
    """
    powers = np.power(forward, POWER), np.power(reverse, POWER)
    mean: npt.NDArray[Real] = np.power(mean_share(*powers), 1 / POWER)
    return mean


def mixed(
    first: Scores, second: Scores, weight: float
) -> npt.NDArray[np.floating[Any]]:
    """Return the geometric mean of two score matrices' shares of their rows.

    It is a product of experts: what either rules out is ruled out. The rows of the
    result need to be brought to sum 1 again.

    Args:
        first: Scores of one shape.
        second: likewise.
        weight: of the second, from 0, the first alone, to 1, the second alone.
    """
    return row_shares(first) ** (1 - weight) * row_shares(second) ** weight


def best_threshold(
    scores: npt.NDArray[np.floating[Any]],
    probabilities: npt.NDArray[np.floating[Any]],
    beta: float = 1.0,
) -> float:
    """Return the threshold on scores (N,) for which F_β is expected to be highest.

    The links above a threshold hold as many right ones as their probabilities sum up
    to, and there are as many right ones in all as all probabilities sum up to. Nothing
    has to be known of the truth.

    Args:
        scores: the scores of all links that could be, at least one above 0.
        probabilities: for each, the probability that it is right.
        beta: how much recall counts beside precision.
    """
    order = np.argsort(-scores, kind="stable")
    scores, right = scores[order], probabilities[order].cumsum(dtype=np.float64)
    kept = np.arange(1, len(scores) + 1)
    expected = (1 + beta**2) * right / (beta**2 * right[-1] + kept)
    best = int(expected.argmax())
    # Between the last score that is kept and the first that is not.
    below = scores[best + 1] if best + 1 < len(scores) else 0.0
    return round(float(scores[best] + below) / 2, 4)


def threshold_links(combined: npt.NDArray[np.float64], threshold: float) -> Alignment:
    """Link every pair of words whose combined score (S, T) lies above the threshold."""
    return _pairs(*np.nonzero(combined > threshold))


def optimal_links(combined: npt.NDArray[np.float64], threshold: float) -> Alignment:
    """Link words one to one so that the sum of combined scores (S, T) is largest.

    The matching gives every word of the shorter side a partner; of those links only
    the ones above the threshold are kept.
    """
    from scipy.optimize import linear_sum_assignment  # slow to import

    rows, columns = linear_sum_assignment(combined, maximize=True)
    kept = combined[rows, columns] > threshold
    return _pairs(rows[kept], columns[kept])


def covered(
    links: Alignment, probable: npt.NDArray[np.floating[Any]], cover: Cover
) -> Alignment:
    """Give every word of a side that has no link its likeliest one, however weak.

    Args:
        links: what a rule has found.
        probable: (S, T) how likely each link is; of equal ones the first is taken.
        cover: the side, or both.
    """
    found = set(links)
    if cover != "tgt":
        best = probable.argmax(axis=1).tolist()
        bare = set(range(len(best))) - {src for src, _ in links}
        found |= {(src, best[src]) for src in bare}
    if cover != "src":
        best = probable.argmax(axis=0).tolist()
        bare = set(range(len(best))) - {tgt for _, tgt in found}
        found |= {(best[tgt], tgt) for tgt in bare}
    return frozenset(found)


def row_shares(scores: Scores) -> npt.NDArray[np.float64]:
    """Scale each row to sum to 1, NULL counted; rows of zeros stay 0."""
    scores = np.asarray(scores, dtype=np.float64)
    total = scores.sum(axis=1, keepdims=True)
    shares: npt.NDArray[np.float64] = np.zeros_like(scores)
    np.divide(scores, total, out=shares, where=total > 0)
    return shares


def _pairs(
    rows: npt.NDArray[np.signedinteger[Any]],
    columns: npt.NDArray[np.signedinteger[Any]],
) -> Alignment:
    return frozenset(zip(rows.tolist(), columns.tolist(), strict=True))
