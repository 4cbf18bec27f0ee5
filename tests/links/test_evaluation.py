"""Error rates against gold, how sure they are, and what looks misread."""

import math
import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligner.errors import LinkFormatError
from aligner.links import evaluation
from aligner.links.alignment import Alignment, GoldAlignment, flip
from aligner.links.evaluation import (
    AlignmentScore,
    ScoreIntervals,
    bootstrap_intervals,
    compare,
    gold_gaps,
    score,
    suspicions,
    worst_sentences,
)
from aligner.links.formats import parse_pharaoh as links

index = st.integers(0, 4)
alignments = st.frozensets(st.tuples(index, index), max_size=8)
corpora = st.lists(
    st.tuples(st.builds(GoldAlignment, alignments, alignments), alignments), max_size=6
)


def gold(sure: str, possible: str = "") -> GoldAlignment:
    return GoldAlignment(links(sure), links(possible))


def noisy(
    golds: list[GoldAlignment], keep: float, seed: int, words: int = 12
) -> list[Alignment]:
    """A hypothesis that keeps each sure link with odds `keep`, else links at random."""
    rng = random.Random(seed)
    return [
        frozenset(
            (src, tgt if rng.random() < keep else rng.randrange(words))
            for src, tgt in sorted(one.sure)
        )
        for one in golds
    ]


def noisy_corpus(
    sentences: int, keep: float, seed: int = 0, words: int = 12
) -> tuple[list[GoldAlignment], list[Alignment]]:
    """Gold that links each word to one word in random order, and a noisy hypothesis."""
    rng = random.Random(f"gold {seed}")
    golds = [
        GoldAlignment(frozenset(enumerate(rng.sample(range(words), words))))
        for _ in range(sentences)
    ]
    return golds, noisy(golds, keep, seed, words)


@pytest.mark.parametrize(
    ("sure", "possible", "hypothesis", "aer", "precision", "recall"),
    [
        ("0-0 1-1", "", "0-0 1-1", 0.0, 1.0, 1.0),  # perfect
        ("0-0", "1-1", "0-0 1-1", 0.0, 1.0, 1.0),  # possible links cost nothing
        ("0-0", "1-1", "0-0", 0.0, 1.0, 1.0),  # nor does leaving them out
        ("0-0 1-1", "2-2", "0-0 2-2 3-3", 1 - 3 / 5, 2 / 3, 1 / 2),  # A∩S 1, A∩P 2
        ("0-0", "", "1-1", 1.0, 0.0, 0.0),  # all wrong
        ("0-0", "", "", 1.0, 0.0, 0.0),  # empty hypothesis
        ("", "1-1", "1-1", 0.0, 1.0, 1.0),  # nothing sure to find
        ("", "1-1", "2-2", 1.0, 0.0, 1.0),
        ("", "", "", 0.0, 1.0, 1.0),  # nothing there, nothing found
    ],
)
def test_rates_worked_by_hand(
    sure: str,
    possible: str,
    hypothesis: str,
    aer: float,
    precision: float,
    recall: float,
) -> None:
    result = score([gold(sure, possible)], [links(hypothesis)])
    assert result.aer == pytest.approx(aer)
    assert result.precision == pytest.approx(precision)
    assert result.recall == pytest.approx(recall)
    both = precision + recall
    assert result.f1 == pytest.approx(2 * precision * recall / both if both else 0.0)


def test_counts_are_pooled_over_the_corpus_not_averaged() -> None:
    golds = [gold("0-0 1-1 2-2", "3-3"), gold("0-0")]
    result = score(golds, [links("0-0 1-1 3-3"), links("0-1")])
    assert result == AlignmentScore(
        aer=1 - (2 + 3) / (4 + 4),
        precision=3 / 4,
        recall=2 / 4,
        f1=0.6,
        sure=4,
        possible=5,
        links=4,
        links_in_sure=2,
        links_in_possible=3,
    )


def test_an_empty_corpus_is_no_crash() -> None:
    assert score([], []).aer == 0.0
    assert bootstrap_intervals([], []).aer == (0.0, 0.0)
    assert compare([], [], []).p_value == 1.0
    assert suspicions([], [], []) == []
    assert worst_sentences([], [], 5) == []


@given(corpora)
def test_rates_are_fractions_and_never_nan(
    corpus: list[tuple[GoldAlignment, Alignment]],
) -> None:
    result = score([one for one, _ in corpus], [one for _, one in corpus])
    for rate in (result.aer, result.precision, result.recall, result.f1):
        assert 0 <= rate <= 1


@given(corpora)
def test_with_sure_links_only_aer_is_1_minus_f1(
    corpus: list[tuple[GoldAlignment, Alignment]],
) -> None:
    golds = [GoldAlignment(one.sure, one.sure) for one, _ in corpus]
    result = score(golds, [one for _, one in corpus])
    assert math.isclose(result.aer, 1 - result.f1, abs_tol=1e-12)


@pytest.mark.parametrize(
    "function",
    [
        score,
        bootstrap_intervals,
        suspicions,
        lambda g, h: worst_sentences(g, h, 3),
        lambda g, h: compare(g, g and [frozenset()] * len(g), h),
        lambda g, h: suspicions(g, [frozenset()] * len(g), [(1, 1)] * len(h)),
    ],
)
def test_another_length_is_an_error_with_both_counts(
    function: Callable[[list[GoldAlignment], list[Alignment]], object],
) -> None:
    with pytest.raises(LinkFormatError, match=r"expected 2 .*, got 3"):
        function([gold("0-0")] * 2, [links("0-0")] * 3)


def test_intervals_hold_the_rates_and_narrow_with_more_sentences() -> None:
    widths = []
    for sentences in (40, 640):
        golds, hypothesis = noisy_corpus(sentences, keep=0.7)
        rates = score(golds, hypothesis)
        intervals = bootstrap_intervals(golds, hypothesis, resamples=1000)
        for name in ("aer", "precision", "recall", "f1"):
            low, high = getattr(intervals, name)
            assert low < getattr(rates, name) < high
        widths.append(intervals.aer[1] - intervals.aer[0])
    # 16 times the sentences: a quarter of the width.
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.4)


def test_intervals_agree_with_drawing_sentences_one_by_one() -> None:
    golds, hypothesis = noisy_corpus(20, keep=0.6)
    rng = random.Random(3)
    drawn = []
    for _ in range(2000):
        chosen = [rng.randrange(20) for _ in range(20)]
        drawn.append(
            score([golds[i] for i in chosen], [hypothesis[i] for i in chosen]).aer
        )
    naive = np.quantile(drawn, [0.025, 0.975])
    ours = bootstrap_intervals(golds, hypothesis).aer
    np.testing.assert_allclose(ours, naive, atol=0.01)


def test_the_seed_decides_and_memory_bounds_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    golds, hypothesis = noisy_corpus(30, keep=0.7)

    def intervals(seed: int) -> ScoreIntervals:
        return bootstrap_intervals(golds, hypothesis, resamples=100, seed=seed)

    first = intervals(5)
    assert intervals(5) == first
    assert any(intervals(seed) != first for seed in (6, 7, 8))
    monkeypatch.setattr(evaluation, "_DRAWS_AT_ONCE", 100)
    assert intervals(5) == first


def test_without_variation_the_interval_is_a_point() -> None:
    golds = [gold("0-0 1-1")] * 10
    assert bootstrap_intervals(golds, [links("0-0")] * 10).recall == (0.5, 0.5)


def test_a_clear_difference_is_significant_and_has_a_sign() -> None:
    golds, good = noisy_corpus(60, keep=0.8)
    bad = noisy(golds, keep=0.5, seed=1)
    result = compare(golds, good, bad)
    assert result.difference == score(golds, good).aer - score(golds, bad).aer
    assert result.interval[0] < result.difference < result.interval[1] < 0
    assert result.p_value < 0.01
    turned = compare(golds, bad, good)
    assert turned.difference == -result.difference
    assert turned.p_value == result.p_value


def test_equal_hypotheses_do_not_differ() -> None:
    golds, hypothesis = noisy_corpus(20, keep=0.8)
    result = compare(golds, hypothesis, hypothesis)
    assert (result.difference, result.interval, result.p_value) == (0.0, (0.0, 0.0), 1)


def test_p_values_of_equally_good_systems_are_spread_out() -> None:
    # About one in ten lies below 0.1 when there is no difference: 15 of 150.
    below = 0
    for trial in range(150):
        golds, one = noisy_corpus(40, keep=0.7, seed=trial)
        other = noisy(golds, keep=0.7, seed=1000 + trial)
        below += compare(golds, one, other, resamples=300).p_value < 0.1
    assert 5 <= below <= 28


def test_the_worst_sentences_come_first_with_what_went_wrong() -> None:
    golds = [gold("0-0"), gold("0-0 1-1", "2-2"), gold("0-0 1-1"), gold("0-0")]
    hypothesis = [links("0-0"), links("0-0 2-2 3-3"), links("1-0"), links("")]
    worst = worst_sentences(golds, hypothesis, 10)
    # Pairs 2 and 3 are wrong altogether, the longer one first; pair 0 has no error.
    assert [one.index for one in worst] == [2, 3, 1]
    assert worst[0].missed == links("0-0 1-1")
    assert worst[0].wrong == links("1-0")
    assert worst[2].missed == links("1-1")
    assert worst[2].wrong == links("3-3")
    assert worst[2].aer == pytest.approx(1 - 3 / 5)
    assert worst_sentences(golds, hypothesis, 1) == worst[:1]


def shifted(alignment: Alignment, by: int) -> Alignment:
    return frozenset((src + by, tgt + by) for src, tgt in alignment)


@pytest.mark.parametrize(
    ("misread", "cure"),
    [
        (flip, "with source and target exchanged, "),
        (lambda a: shifted(a, 1), "with all indices one lower, "),
        (lambda a: shifted(a, -1), "with all indices one higher, "),
        (lambda a: flip(shifted(a, 1)), "exchanged and all indices one lower, "),
    ],
)
def test_a_misread_hypothesis_is_suspected(
    misread: Callable[[Alignment], Alignment], cure: str
) -> None:
    golds, hypothesis = noisy_corpus(8, keep=0.8)
    (warning,) = suspicions(golds, [misread(one) for one in hypothesis])
    assert cure in warning
    assert f"{score(golds, hypothesis).aer:.1%} instead of" in warning


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("sentences", [1, 2, 5, 50])
def test_a_bad_hypothesis_is_not_a_misread_one(sentences: int, keep: float) -> None:
    for seed in range(20):
        assert suspicions(*noisy_corpus(sentences, keep, seed, words=5)) == []


def test_a_near_symmetric_corpus_is_not_suspected() -> None:
    # Monotone gold reads the same with the sides exchanged.
    golds = [gold(" ".join(f"{n}-{n}" for n in range(9)))] * 20
    assert suspicions(golds, [one.sure for one in golds]) == []


def test_links_outside_the_sentences_are_named() -> None:
    golds = [gold("0-0"), gold("0-0", "3-1")]
    hypothesis = [links("0-0 0-2"), links("0-2")]
    warnings = suspicions(golds, hypothesis, [(1, 2), (3, 2)])
    assert warnings == [
        "the gold has links outside their sentences (1 in all): first 3-1 (counted "
        "from 0) in pair 2 of 3 source and 2 target words",
        "the hypothesis has links outside their sentences (2 in all): first 0-2 "
        "(counted from 0) in pair 1 of 1 source and 2 target words",
    ]
    assert suspicions(golds, hypothesis, [(1, 3), (4, 3)]) == []


def test_pairs_without_gold_links_are_told_of() -> None:
    assert gold_gaps([gold("0-0"), gold("", "1-1")]) == ""
    assert gold_gaps([]) == ""
    few = gold_gaps([gold("0-0"), gold(""), gold("1-1"), gold("")])
    assert few.startswith("2 of 4 sentence pairs have no gold links")
    assert few.endswith(": 2, 4")
    many = gold_gaps([gold("")] * 30)
    assert many.endswith(": 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …")
