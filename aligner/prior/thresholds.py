"""The threshold of each preset: what a link's probability must exceed."""

from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from aligner.links.matching import best_threshold, mean_share
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
    found = [
        mean_share(*read_posteriors(model, cells, *chunks[i])) for i in chosen if chunks
    ]
    return preset_thresholds(np.concatenate([np.empty(0, np.float32), *found]))


def preset_thresholds(probabilities: NDArray[np.floating[Any]]) -> Doubles:
    """Return for each preset what a link's probability must exceed, by those of all."""
    likely = probabilities[probabilities > LEAST_PROBABILITY]
    if not len(likely):
        return np.full(len(PRESETS), 0.5)
    return np.array([best_threshold(likely, likely, beta) for beta in PRESETS.values()])


def threshold_of(preset: Preset, thresholds: Doubles) -> float:
    """Return a preset's threshold of all.

    Raises:
        ConfigError: there is no such preset.
    """
    check_term("preset", preset, get_args(Preset))
    return float(thresholds[list(PRESETS).index(preset)])
