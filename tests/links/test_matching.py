"""From score matrices to links."""

from itertools import permutations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aligner.links.alignment import flip
from aligner.links.matching import (
    best_links,
    combine,
    covered,
    forward_links,
    mixed,
    optimal_links,
    power_mean,
    reverse_links,
    row_shares,
    shares,
    threshold_links,
)

Matrix = npt.NDArray[np.float64]
finite = st.floats(0, 1e300) | st.just(0.0)


@st.composite
def score_pairs(draw: st.DrawFn) -> tuple[Matrix, Matrix]:
    src_words, tgt_words = draw(st.integers(0, 5)), draw(st.integers(0, 5))
    forward = hnp.arrays(np.float64, (tgt_words, src_words + 1), elements=finite)
    reverse = hnp.arrays(np.float64, (src_words, tgt_words + 1), elements=finite)
    return draw(forward), draw(reverse)


def test_each_row_takes_its_best_column_unless_null_is_best() -> None:
    scores = np.array([[0.1, 0.7, 0.2], [0.3, 0.2, 0.5], [0.6, 0.3, 0.1]])
    assert best_links(scores) == {(0, 1), (2, 0)}


def test_links_are_source_first_in_both_directions() -> None:
    scores = np.array([[0.1, 0.7, 0.2], [0.9, 0.1, 0.0], [0.0, 0.8, 0.2]])
    assert reverse_links(scores) == {(0, 1), (1, 0), (2, 1)}
    assert forward_links(scores) == flip(reverse_links(scores))


def test_ties_go_to_the_first_word_and_to_words_before_null() -> None:
    assert best_links(np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]])) == {(0, 0), (1, 1)}


def test_a_row_without_any_score_links_nothing() -> None:
    assert best_links(np.zeros((2, 3))) == frozenset()


@pytest.mark.parametrize("shape", [(0, 1), (0, 4), (3, 1)])
def test_an_empty_side_links_nothing(shape: tuple[int, int]) -> None:
    assert best_links(np.ones(shape)) == frozenset()


def test_combine_is_the_harmonic_mean_of_the_shares() -> None:
    forward = np.array([[6.0, 2.0, 2.0]])  # shares 0.6, 0.2, NULL 0.2
    reverse = np.array([[1.0, 1.0], [0.0, 5.0]])  # shares 0.5 and 0
    expected = [[2 * 0.6 * 0.5 / (0.6 + 0.5)], [0.0]]
    np.testing.assert_allclose(combine(forward, reverse), expected)


@given(score_pairs())
def test_combine_has_no_nan_and_stays_within_0_and_1(
    pair: tuple[Matrix, Matrix],
) -> None:
    combined = combine(*pair)
    assert combined.shape == (pair[1].shape[0], pair[0].shape[0])
    assert np.all((combined >= 0) & (combined <= 1 + 1e-12))


@given(score_pairs())
def test_combine_treats_the_directions_alike(pair: tuple[Matrix, Matrix]) -> None:
    forward, reverse = pair
    np.testing.assert_allclose(
        combine(reverse, forward).T, combine(forward, reverse), atol=1e-12
    )


def test_combine_refuses_scores_of_different_pairs() -> None:
    with pytest.raises(ValueError, match=r"got \(2, 3\) and \(3, 3\)"):
        combine(np.ones((2, 3)), np.ones((3, 3)))


@given(score_pairs())
def test_the_power_mean_lies_between_the_geometric_and_the_arithmetic(
    pair: tuple[Matrix, Matrix],
) -> None:
    forward, reverse = shares(*pair)
    found = power_mean(forward, reverse)
    for (s, t), value in np.ndenumerate(found):
        a, b = forward[s, t], reverse[s, t]
        assert value == pytest.approx(((a**0.75 + b**0.75) / 2) ** (4 / 3))
        assert (a * b) ** 0.5 - 1e-9 <= value <= (a + b) / 2 + 1e-9


def test_threshold_keeps_what_lies_above_it() -> None:
    combined = np.array([[0.3, 0.5], [0.0, 0.6]])
    assert threshold_links(combined, 0.3) == {(0, 1), (1, 1)}
    assert threshold_links(combined, 0.0) == {(0, 0), (0, 1), (1, 1)}


def test_optimal_links_give_up_the_best_link_for_the_best_sum() -> None:
    # Greedily 0-0 (0.9) leaves 1-1 (0.1), in all 1.0; 0-1 and 1-0 make 1.6.
    combined = np.array([[0.9, 0.8], [0.8, 0.1]])
    assert optimal_links(combined, 0.0) == {(0, 1), (1, 0)}


def test_optimal_links_drop_what_the_matching_forced() -> None:
    assert optimal_links(np.array([[0.9, 0.0], [0.0, 0.05]]), 0.1) == {(0, 0)}


@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(0, 3), st.integers(3, 5)),
        elements=st.floats(0, 1),
    )
)
def test_optimal_links_are_the_best_of_all_matchings(combined: Matrix) -> None:
    rows, columns = combined.shape
    best = max(
        sum(combined[row, column] for row, column in enumerate(chosen))
        for chosen in permutations(range(columns), rows)
    )
    links = optimal_links(combined, 0.0)
    assert len({s for s, _ in links}) == len({t for _, t in links}) == len(links)
    assert sum(combined[link] for link in links) == pytest.approx(best)


@given(score_pairs(), st.sampled_from([0.25, 0.5, 0.75]))
def test_mixing_goes_from_one_to_the_other(
    pair: tuple[Matrix, Matrix], weight: float
) -> None:
    first, second = pair[0], pair[0][::-1]
    np.testing.assert_array_equal(mixed(first, second, 0), row_shares(first))
    np.testing.assert_array_equal(mixed(first, second, 1), row_shares(second))
    np.testing.assert_allclose(
        mixed(first, second, weight), mixed(second, first, 1 - weight), atol=1e-12
    )
    np.testing.assert_allclose(
        mixed(first, first, weight), row_shares(first), atol=1e-12
    )


def test_covering_gives_bare_words_their_likeliest_link() -> None:
    rng = np.random.default_rng(4)
    for _ in range(200):
        probable = rng.random((rng.integers(1, 5), rng.integers(1, 5)))
        probable[rng.random(probable.shape) < 0.3] = 0
        links = threshold_links(probable, 0.7)
        for cover in ("src", "tgt", "both"):
            expected = set(links)
            if cover in ("src", "both"):
                for i, row in enumerate(probable):
                    if all(src != i for src, _ in links):
                        expected.add((i, int(np.argmax(row))))
            before = set(expected)
            if cover in ("tgt", "both"):
                for j, column in enumerate(probable.T):
                    if all(tgt != j for _, tgt in before):
                        expected.add((int(np.argmax(column)), j))
            assert covered(links, probable, cover) == expected
