"""The threshold of each preset: what a link's probability must exceed."""

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from aligner.links.matching import (
    Scores,
    best_threshold,
    mean_share,
    power_mean,
    shares,
)
from aligner.prior.agreement import Model
from aligner.prior.cooccurrence import Cells
from aligner.prior.hmm import Doubles
from aligner.prior.posteriors import read_posteriors
from aligner.prior.soft_links import LEAST_PROBABILITY
from aligner.terms import PRESETS, Preset, check_term

THRESHOLD_CHUNKS = 16  # of a text, enough to choose a threshold by


def text_thresholds(model: Model, cells: Cells) -> Doubles:
    """Return the threshold of each preset, by evenly spread parts of a text."""
    chunks = cells.chunks()
    chosen = np.unique(np.linspace(0, len(chunks) - 1, THRESHOLD_CHUNKS).astype(int))
    read = [read_posteriors(model, cells, *chunks[i]) for i in chosen if chunks]
    nothing = np.empty(0, np.float32)
    forward, reverse = map(np.concatenate, zip((nothing, nothing), *read, strict=True))
    return preset_thresholds(forward, reverse)


def score_thresholds(pairs: Sequence[tuple[Scores, Scores]]) -> Doubles:
    """Return the threshold of each preset, by some pairs' word scores.

    Args:
        pairs: each pair's, forward and reverse, at least one pair; see
            `links.matching`.
    """
    flat = [[part.ravel() for part in shares(*both)] for both in pairs]
    return preset_thresholds(*map(np.concatenate, zip(*flat, strict=True)))


def preset_thresholds(
    forward: NDArray[np.floating[Any]], reverse: NDArray[np.floating[Any]]
) -> Doubles:
    """Return for each preset what a link's joint score must exceed.

    By both directions' shares of all links, whose mean is about the probability that a
    link is right.
    """
    probable, joint = mean_share(forward, reverse), power_mean(forward, reverse)
    likely = probable > LEAST_PROBABILITY
    if not likely.any():
        return np.full(len(PRESETS), 0.5)
    betas = PRESETS.values()
    return np.array([best_threshold(joint[likely], probable[likely], b) for b in betas])


def threshold_of(preset: Preset, thresholds: Doubles) -> float:
    """Return a preset's threshold of all.

    Raises:
        ConfigError: there is no such preset.
    """
    check_term("preset", preset, get_args(Preset))
    return float(thresholds[list(PRESETS).index(preset)])
