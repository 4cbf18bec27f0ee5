"""Which threshold a preset has, by what can be foretold of any."""

import numpy as np
import pytest

from aligner.prior.thresholds import preset_thresholds, score_thresholds
from aligner.terms import PRESETS


@pytest.mark.parametrize("seed", range(4))
def test_no_other_threshold_promises_a_better_f(seed: int) -> None:
    """Links are kept by the power mean; how many are right, the mean foretells."""
    random = np.random.default_rng(seed)
    forward, reverse = random.random((2, 200)) ** 3
    joint = ((forward**0.75 + reverse**0.75) / 2) ** (4 / 3)
    right = (forward + reverse) / 2
    considered = right > 0.02
    joint, right = joint[considered], right[considered]

    def promised(threshold: float, beta: float) -> float:
        kept = joint > threshold
        found = float(right[kept].sum())
        return (1 + beta**2) * found / (beta**2 * right.sum() + kept.sum())

    found = preset_thresholds(forward, reverse)
    for threshold, beta in zip(found, PRESETS.values(), strict=True):
        others = max(promised(other, beta) for other in [0, *joint])
        assert promised(threshold, beta) == pytest.approx(others)


def test_nothing_likely_has_a_half() -> None:
    nothing = np.zeros(3)
    assert preset_thresholds(nothing, nothing).tolist() == [0.5] * len(PRESETS)


def test_rows_are_shares_of_their_sums() -> None:
    """Of scores that are no shares yet, NULL counted."""
    random = np.random.default_rng(1)
    sizes = [(3, 5), (4, 2), (6, 6)]
    pairs = [(random.random((t, s + 1)), random.random((s, t + 1))) for s, t in sizes]
    forward = [(f / f.sum(1, keepdims=True))[:, :-1].T.ravel() for f, _ in pairs]
    reverse = [(r / r.sum(1, keepdims=True))[:, :-1].ravel() for _, r in pairs]
    np.testing.assert_allclose(
        score_thresholds([(3 * f, 2 * r) for f, r in pairs]),
        preset_thresholds(np.concatenate(forward), np.concatenate(reverse)),
    )
