"""What a pretrained encoder says of which words translate which.

The likeness of two words is the cosine of their vectors, of those of their pieces that
are most alike, as in SimAlign (Jalili Sabet et al. 2020), but each language's mean is
subtracted. A softmax over a word's partners makes probabilities of it, as in
awesome-align (Dou and Neubig 2021), but NULL is among them, as like as a constant.

Which layer is read, how sharp the softmax is, and how like NULL, are chosen without
gold: as those which make the links of a statistical prior, of the same text, most
likely. Where the encoder does not know a language, that makes the softmax flat, so that
a mixture goes by the prior.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from aligner.pretrained.word_encoder import Vectors, WordEncoder
from aligner.text.numbered import WordPair

Floats: TypeAlias = NDArray[np.float32]
BothWays: TypeAlias = tuple[Floats, Floats]

PART = 256  # sentence pairs, times layers, that are read together
MEAN_EVERY = 3  # pairs of those to choose by, one is enough for the means
LEAST_SHARPNESS, MOST_SHARPNESS = 0.1, 100.0
FIRST_SHARPNESS, FIRST_NULL = 12.0, 0.4
TINY = np.float32(1e-9)


class Choice(NamedTuple):
    """How an encoder is read.

    Attributes:
        layer: from 1.
        sharpness: what likeness is multiplied by before the softmax.
        null: how like any word NULL is.
        means: (2, D) the mean of all pieces, source and target, in that layer.
    """

    layer: int
    sharpness: float
    null: float
    means: Floats


class EncoderEvidence:
    """A pretrained encoder, and how it is read.

    Attributes:
        encoder: of others.
        choice: how it is read.
    """

    def __init__(self, encoder: WordEncoder, choice: Choice) -> None:
        """Set up an encoder by a choice."""
        self.encoder = encoder
        self.choice = choice

    @classmethod
    def choose(
        cls,
        encoder: WordEncoder,
        pairs: Sequence[WordPair],
        links: Sequence[BothWays],
    ) -> tuple["EncoderEvidence", list[BothWays]]:
        """Choose how to read an encoder by what a prior finds in some pairs.

        Args:
            encoder: of which every layer is tried.
            pairs: sentence pairs without empty sides, some hundred.
            links: for each pair, the prior's posteriors as `Prior.word_scores` has
                them.

        Returns:
            The encoder with the choice, and its own word scores of the pairs.
        """
        layers = range(1, encoder.depth + 1)
        means = _means(encoder, pairs[::MEAN_EVERY], layers)
        found: list[list[Floats]] = [[] for _ in layers]
        for likeness in _likeness(encoder, pairs, layers, means):
            for of_layer, values in zip(found, likeness, strict=True):
                of_layer.append(values)
        fits = [_fit(of_layer, links) for of_layer in found]
        best = min(range(len(fits)), key=lambda place: fits[place].loss)
        sharpness, null, _ = fits[best]
        choice = Choice(best + 1, sharpness, null, means[:, best])
        return cls(encoder, choice), [
            _both_ways(likeness, sharpness, null) for likeness in found[best]
        ]

    def word_scores(self, pairs: Sequence[WordPair]) -> list[BothWays]:
        """Return both directions' probabilities of sentence pairs without empty sides.

        Forward (target words, source words + 1) and reverse (source words, target
        words + 1), NULL last; every row sums to 1.
        """
        layer, sharpness, null, means = self.choice
        found = _likeness(self.encoder, pairs, [layer], means[:, None])
        return [_both_ways(likeness, sharpness, null) for (likeness,) in found]


def _means(
    encoder: WordEncoder, pairs: Sequence[WordPair], layers: Sequence[int]
) -> Floats:
    """Return (2, L, D) the mean of all pieces of either side."""
    return np.stack(
        [_mean(encoder, [p[side] for p in pairs], layers) for side in (0, 1)]
    )


def _mean(
    encoder: WordEncoder, sentences: Sequence[Sequence[str]], layers: Sequence[int]
) -> Floats:
    """Return (L, D) the mean of all pieces."""
    total: NDArray[np.float64] = np.zeros(1)
    pieces = 0
    size = _size_of_parts(layers)
    for first in range(0, len(sentences), size):
        for vectors in encoder.vectors(sentences[first : first + size], layers):
            total = total + vectors.layers.sum(axis=1, dtype=np.float64)
            pieces += vectors.layers.shape[1]
    mean: Floats = (total / pieces).astype(np.float32)
    return mean


def _likeness(
    encoder: WordEncoder,
    pairs: Sequence[WordPair],
    layers: Sequence[int],
    means: Floats,
) -> Iterator[Floats]:
    """Yield the likeness of the words of each pair, (L, T, S), in each layer."""
    size = _size_of_parts(layers)
    for first in range(0, len(pairs), size):
        part = pairs[first : first + size]
        sides = [side for pair in part for side in pair]
        vectors = encoder.vectors(sides, layers)
        for src, tgt in zip(vectors[::2], vectors[1::2], strict=True):
            cosines = _unit(tgt, means[1]) @ _unit(src, means[0]).swapaxes(1, 2)
            by_word = np.maximum.reduceat(cosines, tgt.starts, axis=1)
            yield np.maximum.reduceat(by_word, src.starts, axis=2)


def _size_of_parts(layers: Sequence[int]) -> int:
    return max(1, PART // len(layers))


def _unit(vectors: Vectors, mean: Floats) -> Floats:
    """Return vectors (L, P, D) less the mean (L, D), of length 1."""
    centred = vectors.layers - mean[:, None]
    length = np.linalg.norm(centred, axis=2, keepdims=True)
    unit: Floats = centred / np.maximum(length, TINY)
    return unit


def _both_ways(likeness: Floats, sharpness: float, null: float) -> BothWays:
    """Return the word scores, forward and reverse, of a pair's likeness (T, S)."""
    return (
        _softmax(likeness, sharpness, null),
        _softmax(likeness.T, sharpness, null),
    )


def _softmax(likeness: Floats, sharpness: float, null: float) -> Floats:
    """Return the probabilities (R, C + 1) of each row's columns (R, C), and NULL."""
    logits = np.pad(likeness, ((0, 0), (0, 1)), constant_values=null) * sharpness
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


class _Fit(NamedTuple):
    sharpness: float
    null: float
    loss: float


def _fit(likeness: Sequence[Floats], links: Sequence[BothWays]) -> _Fit:
    """Find the softmax that makes links most likely, by their cross-entropy.

    Both directions' rows count. The loss is convex in the sharpness and in its product
    with NULL's likeness, which the search goes by.
    """
    rows = [row for found in likeness for row in (found, found.T)]
    shares = [row for found in links for row in found]
    of_word = np.concatenate([row.ravel() for row in rows]).astype(np.float64)
    of_row = np.repeat(
        np.arange(sum(map(len, rows))),
        np.repeat([row.shape[1] for row in rows], [len(row) for row in rows]),
    )
    expected = np.concatenate([share[:, :-1].ravel() for share in shares])
    by_null = np.concatenate([share[:, -1] for share in shares])
    target = float(expected @ of_word), float(by_null.sum())

    def loss(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        sharpness, null = point
        raised, nulls = np.exp(sharpness * of_word), np.exp(null)
        totals = np.bincount(of_row, raised) + nulls
        likely = np.bincount(of_row, raised * of_word) / totals
        gradient = np.array([likely.sum(), (nulls / totals).sum()]) - target
        value = np.log(totals).sum() - sharpness * target[0] - null * target[1]
        return value / len(totals), gradient / len(totals)

    limits = [(LEAST_SHARPNESS, MOST_SHARPNESS), (-MOST_SHARPNESS, MOST_SHARPNESS)]
    start = np.array([FIRST_SHARPNESS, FIRST_SHARPNESS * FIRST_NULL])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=limits)
    sharpness, null = map(float, found.x)
    return _Fit(sharpness, null / sharpness, float(found.fun))
