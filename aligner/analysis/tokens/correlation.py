"""Correlations that are None, not NaN, where they are not defined."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

FEWEST_POINTS = 3


def spearman(x: ArrayLike, y: ArrayLike) -> float | None:
    """Return Spearman's correlation; None for too few points or for equal ones."""
    if not _is_defined(x, y):
        return None
    return float(stats.spearmanr(x, y).statistic)


def pearson(x: ArrayLike, y: ArrayLike) -> float | None:
    """Return Pearson's correlation; None for too few points or for equal ones."""
    if not _is_defined(x, y):
        return None
    return float(stats.pearsonr(x, y).statistic)


def mean_or_none(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that there are; None if there are none."""
    there = [value for value in values if value is not None]
    return float(np.mean(there)) if there else None


def deviation_or_none(values: Sequence[float | None]) -> float | None:
    """Return the sample standard deviation; None for fewer than two values."""
    there = [value for value in values if value is not None]
    return float(np.std(there, ddof=1)) if len(there) > 1 else None


def _is_defined(x: ArrayLike, y: ArrayLike) -> bool:
    x, y = np.asarray(x), np.asarray(y)
    return len(x) >= FEWEST_POINTS and bool(np.ptp(x) > 0 and np.ptp(y) > 0)
