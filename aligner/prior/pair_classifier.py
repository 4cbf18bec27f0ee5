"""Tells translations from junk, by what a prior says of sentence pairs.

A logistic regression for each kind of junk, fitted on pairs of the prior's own text and
on junk made of them, gives the odds between a translation and that kind. They are
joined as if half of all pairs were junk, every kind as frequent as the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numba import njit

from aligner.prior.hmm import Doubles
from aligner.prior.junk import SAMPLE, junk_of
from aligner.prior.known_text import look_up
from aligner.prior.known_words import Learnt
from aligner.prior.pair_features import FEATURES
from aligner.text.numbered import NumberedBitext
from aligner.text.words import canonical

COLUMNS = 2 * len(FEATURES)  # coefficients of each kind of junk
PENALTY = 1.0  # half of it, times the square of each coefficient
STEPS, HALVINGS, ENOUGH = 100, 30, 1e-9


@dataclass(frozen=True)
class PairClassifier:
    """What tells translations from junk.

    Attributes:
        weights: (K, COLUMNS) coefficients of the log-odds between a translation and
            each kind of junk; see `columns`.
        lengths: (2,) the usual logarithms of target to source words, and of letters.
    """

    weights: Doubles
    lengths: Doubles

    def probabilities(self, features: Doubles) -> Doubles:
        """Return (N,) the probability that pairs are translations, given (N, 7).

        0 where a side is empty. Each is computed by itself, so that it is the same
        whatever pairs stand beside it.
        """
        found = _probabilities(columns(features, self.lengths), self.weights)
        return np.where(features[:, -1] > 0, found, 0)


def fit(true: Doubles, junk: Sequence[Doubles]) -> PairClassifier:
    """Fit a classifier, given features (N, 7) of translations and of kinds of junk."""
    lengths = np.median(true[:, 4:6], axis=0)
    pairs = columns(true, lengths)
    weights = []
    for kind in junk:
        both = np.concatenate([pairs, columns(kind, lengths)])
        is_true = (np.arange(len(both)) < len(pairs)).astype(np.float64)
        # As often as translations, however many there are.
        share = np.where(is_true, 1, len(pairs) / len(kind))
        weights.append(_regression(both, is_true, share))
    return PairClassifier(np.stack(weights), lengths)


def fit_to_text(
    learnt: Learnt,
    text: NumberedBitext,
    threads: int,
    earlier: PairClassifier | None = None,
) -> PairClassifier | None:
    """Fit a classifier on pairs of a text that was learnt from, and on junk of them.

    Args:
        learnt: what was learnt of the text, and maybe of others.
        text: the sentence pairs.
        threads: how many compute at once; the result is the same for any number.
        earlier: one fitted to another text, which stays where this text has fewer
            pairs of usual length than are used.
    """
    true, junk = junk_of(text.renamed(canonical))
    if not junk or (earlier is not None and len(true) < SAMPLE):
        return earlier
    kinds = [true, *junk]
    every = NumberedBitext.of(chain.from_iterable(kinds))
    features = look_up(learnt, every, threads).features(threads, len(true))
    ends = np.cumsum([len(kind) for kind in kinds])[:-1]
    return fit(features[: len(true)], np.split(features, ends)[1:])


def columns(features: Doubles, lengths: Doubles) -> Doubles:
    """Return (N, COLUMNS) what coefficients multiply, given features (N, 7).

    1 and the first six features, of the lengths how far they are from usual, then all
    of that times √n, n being the words of the shorter side: the more words there are,
    the more a mean says.
    """
    once = np.ones((len(features), len(FEATURES)))
    once[:, 1:] = features[:, :-1]
    once[:, -2:] = np.abs(once[:, -2:] - lengths)
    return np.concatenate([once, once * np.sqrt(features[:, -1:])], axis=1)


def _regression(rows: Doubles, right: Doubles, share: Doubles) -> Doubles:
    """Return the coefficients of a logistic regression, by Newton's method.

    Sums are numpy's own, not the linear algebra library's, whose last bits depend on
    the number of threads.

    Args:
        rows: (N, C) what is known.
        right: (N,) 1 or 0.
        share: (N,) how often each row counts.
    """
    weights = np.zeros(rows.shape[1])
    loss = _loss(rows, right, share, weights)
    for _ in range(STEPS):
        found = 1 / (1 + np.exp(-np.einsum("nc,c->n", rows, weights)))
        gradient = np.einsum("n,nc->c", share * (right - found), rows)
        gradient -= PENALTY * weights
        spread = rows * (share * found * (1 - found))[:, None]
        curvature = np.einsum("nc,nd->cd", spread, rows)
        step = np.linalg.solve(curvature + PENALTY * np.eye(len(weights)), gradient)
        for _ in range(HALVINGS):
            reached = _loss(rows, right, share, weights + step)
            if reached <= loss:
                break
            step /= 2
        weights, gained, loss = weights + step, loss - reached, reached
        if gained <= ENOUGH * loss:
            break
    return weights


def _loss(rows: Doubles, right: Doubles, share: Doubles, weights: Doubles) -> float:
    logits = np.einsum("nc,c->n", rows, weights)
    wrong = np.logaddexp(0, np.where(right, -logits, logits))
    return float((share * wrong).sum() + PENALTY / 2 * (weights**2).sum())


@njit(nogil=True, cache=True)
def _probabilities(rows: Doubles, weights: Doubles) -> Doubles:
    found = np.empty(len(rows))
    for pair in range(len(rows)):
        odds = 0.0  # of junk
        for kind in range(len(weights)):
            logit = 0.0
            for column in range(rows.shape[1]):
                logit += rows[pair, column] * weights[kind, column]
            odds += np.exp(-logit)
        found[pair] = 1 / (1 + odds / len(weights))
    return found
