"""Alignment error rate, precision, recall and F1 against gold; all as fractions of 1.

With A the links of a hypothesis, S the sure and P the possible links of the gold
(S within P), all pooled over the corpus (Och and Ney 2003):

    AER        1 - (|A ∩ S| + |A ∩ P|) / (|A| + |S|)
    precision  |A ∩ P| / |A|
    recall     |A ∩ S| / |S|
    F1         the harmonic mean of precision and recall

Where nothing is divided by nothing: recall is 1 when there are no sure links to find;
precision without any link is 0, or 1 when there was no sure link either; AER without
links and sure links is 0; F1 is 0 when precision and recall both are. So an empty
hypothesis has AER 1 as soon as the gold has one sure link.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from aligner.errors import LinkFormatError
from aligner.links.alignment import Alignment, GoldAlignment, flip
from aligner.ranges import COUNT, INDEX, SEED, SHARE

Interval: TypeAlias = tuple[float, float]

# (..., 5): sure, possible, links, links in sure, links in possible.
_Counts: TypeAlias = npt.NDArray[np.int64]
_Floats: TypeAlias = npt.NDArray[np.float64]

RESAMPLES = 5000
_SHOWN_GAPS = 10
_DRAWS_AT_ONCE = 2_000_000  # bounds the memory of a bootstrap


@dataclass(frozen=True)
class AlignmentScore:
    """The error rates of one hypothesis, with the counts behind them."""

    aer: float
    precision: float
    recall: float
    f1: float
    sure: int
    possible: int
    links: int
    links_in_sure: int
    links_in_possible: int


@dataclass(frozen=True)
class ScoreIntervals:
    """A bootstrap interval (low, high) for each rate of an AlignmentScore."""

    aer: Interval
    precision: Interval
    recall: Interval
    f1: Interval


@dataclass(frozen=True)
class Comparison:
    """How the AER of hypothesis A differs from that of B: negative favours A."""

    difference: float
    interval: Interval
    p_value: float


@dataclass(frozen=True)
class SentenceErrors:
    """What went wrong in one sentence pair; `index` counts from 0."""

    index: int
    aer: float
    missed: Alignment
    wrong: Alignment


def score(
    gold: Sequence[GoldAlignment], hypothesis: Sequence[Alignment]
) -> AlignmentScore:
    """Score a hypothesis against the gold, pooled over all sentence pairs.

    Raises:
        LinkFormatError: The two have different lengths.
    """
    total = _count(gold, hypothesis).sum(axis=0)  # (5,)
    return AlignmentScore(*_rates(total).tolist(), *total.tolist())


def bootstrap_intervals(
    gold: Sequence[GoldAlignment],
    hypothesis: Sequence[Alignment],
    *,
    resamples: int = RESAMPLES,
    seed: int = 1,
    confidence: float = 0.95,
) -> ScoreIntervals:
    """Estimate how far the rates would vary with other sentence pairs.

    Percentile bootstrap: sentence pairs are drawn with replacement, as many as there
    are, and the pooled rates computed anew each time.

    Raises:
        ConfigError: A number is out of its range.
        LinkFormatError: Gold and hypothesis have different lengths.
    """
    _check_numbers(resamples, seed, confidence)
    counts = _count(gold, hypothesis)
    rates = np.concatenate([_rates(t) for t in _resample(counts, resamples, seed)])
    low, high = _percentiles(rates, confidence)  # (4,) each
    return ScoreIntervals(*zip(low.tolist(), high.tolist(), strict=True))


def compare(
    gold: Sequence[GoldAlignment],
    hypothesis_a: Sequence[Alignment],
    hypothesis_b: Sequence[Alignment],
    *,
    resamples: int = RESAMPLES,
    seed: int = 1,
    confidence: float = 0.95,
) -> Comparison:
    """Compare two hypotheses by a paired bootstrap of AER(A) - AER(B).

    Both are scored on the same drawn sentence pairs. The two-sided p-value is twice the
    smaller share of resamples whose difference is at most 0, or at least 0 (the actual
    data counted as one more resample, the result at most 1): small when hardly any
    draw turns the sign or levels the difference. No p-value below 2 / (resamples + 1)
    can come out. A handful of sentence pairs makes it too optimistic.

    Raises:
        ConfigError: A number is out of its range.
        LinkFormatError: A hypothesis has another length than the gold.
    """
    _check_numbers(resamples, seed, confidence)
    paired = np.stack([_count(gold, hypothesis_a), _count(gold, hypothesis_b)], axis=1)
    observed = _aer_difference(paired.sum(axis=0))
    drawn = np.concatenate(
        [_aer_difference(totals) for totals in _resample(paired, resamples, seed)]
    )
    low, high = _percentiles(drawn, confidence).tolist()
    turned = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return Comparison(
        difference=float(observed),
        interval=(low, high),
        p_value=min(1.0, 2 * (turned + 1) / (resamples + 1)),
    )


def worst_sentences(
    gold: Sequence[GoldAlignment], hypothesis: Sequence[Alignment], n: int
) -> list[SentenceErrors]:
    """Return up to n sentence pairs with errors, highest AER first.

    Equal AERs go by the number of wrong and missed links, then by position. `wrong`
    links are outside the possible ones; `missed` are the sure ones not found.

    Raises:
        ConfigError: `n` is no number from 0.
        LinkFormatError: Gold and hypothesis have different lengths.
    """
    INDEX.check("n", n)
    aer = _rates(_count(gold, hypothesis))[:, 0].tolist()
    errors = [
        SentenceErrors(index, aer[index], one.sure - links, links - one.possible)
        for index, (one, links) in enumerate(zip(gold, hypothesis, strict=True))
        if aer[index] > 0
    ]
    errors.sort(key=lambda e: (-e.aer, -len(e.missed) - len(e.wrong), e.index))
    return errors[:n]


def suspicions(
    gold: Sequence[GoldAlignment],
    hypothesis: Sequence[Alignment],
    lengths: Sequence[tuple[int, int]] | None = None,
) -> list[str]:
    """Say in one line each what suggests a wrong index base or direction.

    Two signs: links outside their sentence pair, and a hypothesis that would score far
    better with the sides exchanged, with all indices one lower or higher, or both. "Far
    better" is an AER lower by at least 0.1 and by 30 %, with so many more links among
    the possible ones that chance is out of the question (four standard deviations of
    the count, hence 16 links at least).

    Args:
        gold: The gold, as read.
        hypothesis: The hypothesis, as read.
        lengths: The number of (src, tgt) words of each pair, if known.

    Raises:
        LinkFormatError: The arguments have different lengths.
    """
    messages = []
    if lengths is not None:
        _check_length(gold, lengths, "sentence pairs")
        messages += _outside("gold", (one.possible for one in gold), lengths)
        messages += _outside("hypothesis", hypothesis, lengths)
    actual = score(gold, hypothesis)
    readings = {
        (reverse, shift): score(gold, [_reread(a, reverse, shift) for a in hypothesis])
        for reverse in (False, True)
        for shift in (0, -1, 1)
    }
    (reverse, shift), best = min(readings.items(), key=lambda item: item[1].aer)
    if _far_better(best, actual):
        how = ["source and target exchanged"] * reverse
        how += [f"all indices one {'lower' if shift < 0 else 'higher'}"] * bool(shift)
        messages.append(
            f"with {' and '.join(how)}, the hypothesis would have an AER of "
            f"{best.aer:.1%} instead of {actual.aer:.1%}: check the direction and the "
            "index base (0 or 1) of both files"
        )
    return messages


def gold_gaps(gold: Sequence[GoldAlignment]) -> str:
    """Say in one line which sentence pairs have no gold links; empty if all have some.

    All links of such a pair count as wrong. A NAACL file that was cut off looks so.
    """
    gaps = [number for number, one in enumerate(gold, start=1) if not one.possible]
    if not gaps:
        return ""
    shown = ", ".join(map(str, gaps[:_SHOWN_GAPS])) + ", …" * (len(gaps) > _SHOWN_GAPS)
    return (
        f"{len(gaps)} of {len(gold)} sentence pairs have no gold links, so all links "
        f"that are found there count as wrong: {shown}"
    )


def _count(gold: Sequence[GoldAlignment], hypothesis: Sequence[Alignment]) -> _Counts:
    """Return the five counts of each sentence pair, (sentences, 5)."""
    _check_length(gold, hypothesis, "alignments")
    counts = [
        (
            len(one.sure),
            len(one.possible),
            len(links),
            len(links & one.sure),
            len(links & one.possible),
        )
        for one, links in zip(gold, hypothesis, strict=True)
    ]
    return np.array(counts, dtype=np.int64).reshape(len(gold), 5)


def _rates(counts: npt.NDArray[np.number[Any]]) -> _Floats:
    """Return AER, precision, recall and F1, (..., 4), from counts (..., 5)."""
    sure, _, links, in_sure, in_possible = np.moveaxis(counts.astype(np.float64), -1, 0)
    aer = 1 - _ratio(in_sure + in_possible, links + sure, otherwise=1)
    precision = _ratio(in_possible, links, otherwise=sure == 0)
    recall = _ratio(in_sure, sure, otherwise=1)
    f1 = _ratio(2 * precision * recall, precision + recall, otherwise=0)
    return np.stack([aer, precision, recall, f1], axis=-1)


def _ratio(
    numerator: _Floats, denominator: _Floats, otherwise: npt.ArrayLike
) -> _Floats:
    result = np.empty_like(denominator)
    result[...] = otherwise
    return np.divide(numerator, denominator, out=result, where=denominator > 0)


def _resample(counts: _Counts, resamples: int, seed: int) -> Iterator[_Floats]:
    """Yield pooled counts (resamples, ...), in parts, from counts (sentences, ...).

    A resample is how often each sentence pair was drawn, so that pooling is a product.
    """
    generator = np.random.default_rng(seed)
    sentences = len(counts)
    rows_at_once = max(1, _DRAWS_AT_ONCE // max(1, sentences))
    for start in range(0, resamples, rows_at_once):
        rows = min(rows_at_once, resamples - start)
        draws = generator.integers(0, max(1, sentences), size=(rows, sentences))
        draws += np.arange(rows)[:, np.newaxis] * sentences
        times = np.bincount(draws.ravel(), minlength=rows * sentences)
        # As floats, for BLAS; exact up to 2 ** 53.
        drawn = times.reshape(rows, sentences).astype(np.float64)
        yield np.tensordot(drawn, counts.astype(np.float64), axes=1)


def _check_numbers(resamples: int, seed: int, confidence: float) -> None:
    COUNT.check("resamples", resamples)
    SEED.check("seed", seed)
    SHARE.check("confidence", confidence)


def _percentiles(values: _Floats, confidence: float) -> _Floats:
    tail = (1 - confidence) / 2
    bounds: _Floats = np.quantile(values, [tail, 1 - tail], axis=0)
    return bounds


def _aer_difference(paired: npt.NDArray[np.number[Any]]) -> _Floats:
    """Return AER(A) - AER(B), (...), from the counts of both, (..., 2, 5)."""
    aer = _rates(paired)[..., 0]  # (..., 2)
    difference: _Floats = aer[..., 0] - aer[..., 1]
    return difference


def _check_length(gold: Sequence[Any], other: Sequence[Any], what: str) -> None:
    if len(gold) != len(other):
        raise LinkFormatError(
            f"expected {len(gold)} {what}, as many as the gold has, got {len(other)}"
        )


def _reread(alignment: Alignment, reverse: bool, shift: int) -> Alignment:
    links = flip(alignment) if reverse else alignment
    return frozenset((src + shift, tgt + shift) for src, tgt in links)


def _far_better(other: AlignmentScore, actual: AlignmentScore) -> bool:
    gained = other.links_in_possible - actual.links_in_possible
    deviation = math.sqrt(other.links_in_possible + actual.links_in_possible)
    lower = other.aer <= actual.aer - 0.1 and other.aer <= 0.7 * actual.aer
    return lower and gained > 0 and gained >= 4 * deviation


def _outside(
    what: str, alignments: Iterable[Alignment], lengths: Sequence[tuple[int, int]]
) -> list[str]:
    """Name the first link that lies outside its sentence pair, and count them all."""
    outside = [
        (pair, *link)
        for pair, links in enumerate(alignments)
        for link in sorted(links)
        if not (0 <= link[0] < lengths[pair][0] and 0 <= link[1] < lengths[pair][1])
    ]
    if not outside:
        return []
    pair, src, tgt = outside[0]
    return [
        f"the {what} has links outside their sentences ({len(outside)} in all): first "
        f"{src}-{tgt} (counted from 0) in pair {pair + 1} of {lengths[pair][0]} source "
        f"and {lengths[pair][1]} target words"
    ]
