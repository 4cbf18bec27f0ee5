"""How far a training has come, and where its checkpoint lies."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

STATE = Path("training") / "state.pt"
OUT_OF_TIME = "out of time"


@dataclass
class TrainingState:
    """Where a training stands, apart from weights, optimizer and random states.

    Attributes:
        updates: optimizer steps taken.
        epoch: passes over the data completed.
        examples: examples done in the present pass.
        best_loss: the lowest validation loss, in nats per target subword: of
            translation, or of what should arrive in the guided layer.
        best_update: the update that reached it.
        translation_loss: of translation, there.
        bad_validations: validations since then.
        seconds: training time, over all runs.
        finished: why the training ended; empty while it has not.
    """

    updates: int = 0
    epoch: int = 0
    examples: int = 0
    best_loss: float = math.inf
    best_update: int = 0
    translation_loss: float = math.inf
    bad_validations: int = 0
    seconds: float = 0.0
    finished: str = ""

    @classmethod
    def stored(cls, values: Mapping[str, Any]) -> "TrainingState":
        """Return what a checkpoint holds, without what earlier versions kept more."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})

    def is_finished(self) -> bool:
        """Tell whether the training has ended."""
        return bool(self.finished)
