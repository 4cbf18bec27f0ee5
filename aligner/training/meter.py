"""What a running training measures of itself, reports, and watches over."""

import math
from typing import Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aligner.errors import TrainingError
from aligner.nmt.batching import Batches
from aligner.nmt.config import TrainingConfig, learning_rate
from aligner.training.processes import Processes
from aligner.training.progress import Listener, TrainingReport
from aligner.training.state import TrainingState

Ints: TypeAlias = NDArray[np.int64]

REPORT_SECONDS = 2.0
SAVE_SECONDS = 300.0
SHOWN_LINES = 20  # of those that a bad loss may come from


class Running(Protocol):
    """What is measured of a training."""

    config: TrainingConfig
    state: TrainingState
    processes: Processes
    train: Batches
    device: torch.device
    lines: Ints
    recent: list[Ints]


class Meter:
    """Measures a running training, and says when something is due."""

    def __init__(self, training: Running, listen: Listener, max_seconds: float) -> None:
        """Start the clock; `max_seconds` limits this run, not the earlier ones."""
        self.training = training
        self.listen = listen
        self.max_seconds = max_seconds
        # Asked once an update, so that several processes decide alike.
        self.now = training.processes.clock()
        self.started = self.saved = self.reported = self.now
        self.seconds_before = training.state.seconds
        self.loss = torch.zeros((), device=training.device)
        self.subwords = self.translated = 0
        self.speed = 0.0

    def count(self, loss: Tensor, subwords: int, *, translates: bool = True) -> None:
        """Take in one update and its translation loss, if any; report when due."""
        self.loss += loss
        self.subwords += subwords
        self.translated += subwords * translates
        if self.loss.device.type == "cpu":  # others would have to be waited for
            self.check()
        self.now = self.training.processes.clock()
        if self.translated and self.now - self.reported >= REPORT_SECONDS:
            self.check()
            mean = float(self.loss) / self.translated
            self.report("train", mean)
            self.restart()

    def check(self) -> None:
        """Check that the loss is finite.

        Raises:
            TrainingError: it is not; the last checkpoint is from before.
        """
        training = self.training
        if math.isfinite(float(self.loss)):
            training.recent.clear()
            return
        pairs = len(training.train.bitext)
        examples = np.unique(np.concatenate(training.recent) % pairs)
        lines = sorted(training.lines[int(i)] + 1 for i in examples)
        shown = ", ".join(map(str, lines[:SHOWN_LINES]))
        more = f" and {len(lines) - SHOWN_LINES} more" * (len(lines) > SHOWN_LINES)
        raise TrainingError(
            f"step {training.state.updates}: expected a finite loss, got "
            f"{float(self.loss)} at lines {shown}{more} of the training text: expected "
            f"a lower learning_rate than {training.config.learning_rate:g}, or text "
            "without such lines; the last checkpoint is kept"
        )

    def restart(self) -> None:
        """Begin a new interval: what was not training must not count as such."""
        self.now = self.reported = self.training.processes.clock()
        self.loss = torch.zeros_like(self.loss)
        self.subwords = self.translated = 0

    def report(self, kind: str, loss: float, guided: float | None = None) -> None:
        """Tell the listener where the training stands."""
        state, config = self.training.state, self.training.config
        if self.subwords:  # else it is as it was: a report was due just now
            self.speed = self.subwords / max(self.now - self.reported, 1e-9)
        seconds = self.seconds()
        of_time, of_steps = self._of_time(), self._of_steps()
        seconds_left = min(
            self.max_seconds * (1 - of_time) if of_time else math.inf,
            seconds * (1 - of_steps) / max(of_steps, 1e-9),
        )
        self.listen(
            TrainingReport(
                kind=kind,
                updates=state.updates,
                epoch=round(self._passes(), 3),
                loss=loss,
                perplexity=math.exp(min(loss, 100)),
                learning_rate=learning_rate(state.updates, config),
                tokens_per_second=self.speed,
                seconds=seconds,
                share=self.share(),
                seconds_left=max(0.0, seconds_left),
                guided=guided,
            )
        )

    def share(self) -> float:
        """Return the share of the way to the nearest limit, from 0 to 1."""
        return min(1.0, max(self._of_steps(), self._of_time()))

    def _passes(self) -> float:
        state = self.training.state
        return state.epoch + state.examples / len(self.training.train)

    def _of_steps(self) -> float:
        state, config = self.training.state, self.training.config
        return max(
            state.updates / config.max_updates, self._passes() / config.max_epochs
        )

    def _of_time(self) -> float:
        return (self.now - self.started) / self.max_seconds

    def seconds(self) -> float:
        """Return the training time so far, over all runs."""
        return self.seconds_before + self.now - self.started

    def out_of_time(self) -> bool:
        """Tell whether this run has used up its time."""
        return self.now - self.started >= self.max_seconds

    def save_is_due(self) -> bool:
        """Tell, once every few minutes, that it is time for a checkpoint."""
        if self.now - self.saved < SAVE_SECONDS:
            return False
        self.saved = self.now
        return True
