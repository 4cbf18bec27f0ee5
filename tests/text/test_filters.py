"""Training filters: each pair is kept or counted under one reason."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligner.errors import ConfigError
from aligner.text.filters import FilterCounts, Filters, filter_pairs


def kept(
    pairs: Iterable[tuple[str, str]], filters: Filters
) -> tuple[list[int], FilterCounts]:
    counts = FilterCounts()
    words = ((src.split(), tgt.split()) for src, tgt in pairs)
    return [index for index, _, _ in filter_pairs(words, filters, counts)], counts


def test_each_reason_is_counted_once() -> None:
    pairs = [
        ("a b", "x"),
        ("", "x"),
        ("a", ""),
        ("a " * 11, ""),  # empty before too long
        ("a " * 11, "x " * 11),
        ("a " * 8, "x"),
        ("a b", "x"),  # as the first
    ]
    indices, counts = kept(pairs, Filters(10, 3.0))
    assert indices == [0, 6]
    assert counts == FilterCounts(kept=2, empty=3, too_long=1, ratio=1)
    assert counts.dropped == 5


@pytest.mark.parametrize(
    ("src", "tgt", "passes"),
    [
        (5, 1, True),  # short pairs are spared
        (6, 1, False),
        (6, 2, True),  # exactly the ratio
        (7, 2, False),
        (2, 7, False),  # both directions
    ],
)
def test_ratio(src: int, tgt: int, passes: bool) -> None:
    indices, _ = kept([("a " * src, "x " * tgt)], Filters(max_ratio=3.0))
    assert bool(indices) is passes


def test_length_limit_is_inclusive() -> None:
    pairs = [("a " * 10, "x " * 10), ("a " * 10, "x " * 11)]
    assert kept(pairs, Filters(max_words=10))[0] == [0]


def test_words_come_through_unchanged() -> None:
    src, tgt = ["a\u00a0b"], ("x", "\ud800")  # even what UTF-8 cannot hold
    assert list(filter_pairs([(src, tgt)], Filters(), FilterCounts())) == [
        (0, src, tgt)
    ]


@given(st.lists(st.tuples(st.text("ab ", max_size=20), st.text("xy ", max_size=20))))
def test_every_pair_is_accounted_for(pairs: list[tuple[str, str]]) -> None:
    indices, counts = kept(pairs, Filters(4, 2.0))
    assert counts.kept + counts.dropped == len(pairs)
    assert len(indices) == counts.kept
    # What is left passes the same filters whole.
    assert kept([pairs[i] for i in indices], Filters(4, 2.0))[1].dropped == 0


@pytest.mark.parametrize(
    "limits", [{"max_words": 0}, {"max_ratio": 0.5}, {"max_ratio": float("nan")}]
)
def test_limits_that_drop_everything_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(limits))}: expected"):
        Filters(**limits)  # type: ignore[arg-type]
