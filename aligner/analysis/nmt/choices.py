"""Ways to choose what to read of a model's attention: by gold, or without it."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np

from aligner.analysis.nmt.measures import ModelMeasures, Place
from aligner.extraction.reading import PLAIN
from aligner.terms import Rows, Score

# A layer, and a head or None for all heads together; both from 0.
Chosen: TypeAlias = tuple[int, int | None]


class WayToChoose(NamedTuple):
    """A way to choose a layer or a head.

    Attributes:
        name: what it is called in tables.
        of_heads: whether it chooses a head.
        choose: what it says of a model, or None if it can't tell.
    """

    name: str
    of_heads: bool
    choose: Callable[[ModelMeasures, Rows, Score], Chosen | None]

    def rate(self, model: ModelMeasures, rows: Rows, score: Score) -> float | None:
        """Return the error rate in percent of what is chosen, if anything is."""
        if self.of_heads and score not in PLAIN:
            return None
        chosen = self.choose(model, rows, score)
        return None if chosen is None else model.aer[Place(*chosen, rows, score)]


def _best_layer(model: ModelMeasures, rows: Rows, score: Score) -> Chosen:
    return int(model.by_layer(rows, score).argmin()), None


def _highest_layer(model: ModelMeasures, rows: Rows, score: Score) -> Chosen:
    return int(model.layer_norms[rows].argmax()), None


def _agreeing_layer(model: ModelMeasures, rows: Rows, score: Score) -> Chosen | None:
    known = {layer: value for (layer, r), value in model.agreement.items() if r == rows}
    return (max(known, key=lambda layer: known[layer]), None) if known else None


def _best_head(model: ModelMeasures, rows: Rows, score: Score) -> Chosen:
    return _place(model, int(model.by_head(rows, score).argmin()))


def _highest_head(model: ModelMeasures, rows: Rows, score: Score) -> Chosen:
    return _place(model, int(model.head_norms[rows].argmax()))


def _place(model: ModelMeasures, flat: int) -> Chosen:
    layer, head = np.unravel_index(flat, model.sizes)
    return int(layer), int(head)


BEST_LAYER = WayToChoose("best layer, by gold", False, _best_layer)
BEST_HEAD = WayToChoose("best head, by gold", True, _best_head)
WITHOUT_GOLD = (
    WayToChoose("layer of highest mean norm", False, _highest_layer),
    WayToChoose("layer of best agreement", False, _agreeing_layer),
    WayToChoose("head of highest mean norm", True, _highest_head),
)
