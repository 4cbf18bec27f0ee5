"""Ranges: what is in, what is out, and what is said about it."""

import math

import numpy as np
import pytest

from aligner.errors import ConfigError
from aligner.ranges import (
    BASE,
    BEAM,
    COUNT,
    INDEX,
    LENGTH_PENALTY,
    SEED,
    SHARE,
    THREADS,
    TIME,
    Range,
)

ALL = [BASE, BEAM, COUNT, INDEX, LENGTH_PENALTY, TIME, SEED, SHARE, THREADS]


@pytest.mark.parametrize("range", ALL, ids=str)
@pytest.mark.parametrize(
    "value", [math.nan, -math.inf, -1, np.float32("nan"), "1", None]
)
def test_no_range_holds_these(range: Range, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"^beam: expected {range}, got {value}$"):
        range.check("beam", value)


@pytest.mark.parametrize("range", ALL, ids=str)
def test_the_ends_are_included(range: Range) -> None:
    kind = int if range.whole else float
    assert (kind(range.least) in range) != range.above
    assert range.least - 1e-9 not in range
    if range.most < math.inf:
        assert kind(range.most) in range
        assert range.most + (1 if range.whole else 1e-9) not in range


def test_infinity_is_in_a_range_without_an_end_alone() -> None:
    assert [range for range in ALL if math.inf in range] == [TIME]


def test_whole_numbers_of_any_library_are_whole() -> None:
    assert np.int64(3) in COUNT
    assert np.float32(0.5) in SHARE
    assert 1.0 not in COUNT


def test_what_is_too_large_is_told_the_end() -> None:
    with pytest.raises(ConfigError, match=rf"expected a number up to {2**63 - 1}, got"):
        COUNT.check("seed", 2**63)
