"""Live progress of a training: a bar on a terminal, plain lines elsewhere."""

import math
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from aligner.cli.console import say
from aligner.training.progress import (
    EncoderShare,
    Event,
    PriorPass,
    TrainingReport,
    clock,
)

if TYPE_CHECKING:
    from aligner.cli.torchrun import Rank

PLAIN_SECONDS = 30.0
FIRST_PLAIN_SECONDS = 5.0  # until the first line of figures of an alignment
LIVE_SECONDS = 0.5
QUIET_SECONDS = 2.0  # what is done by then needs no figures


def describe(report: TrainingReport) -> str:
    """Return a report as one line; that of a validation may be longer."""
    left = report.seconds_left
    rest = clock(left) if math.isfinite(left) else "?"
    guided = "" if report.guided is None else f"  guided {report.guided:6.3f}"
    return (
        f"{report.kind:5}  step {report.updates:6d}  epoch {report.epoch:6.2f}  "
        f"loss {report.loss:6.3f}  ppl {report.perplexity:8.2f}  "
        f"lr {report.learning_rate:.1e}  {report.tokens_per_second:6.0f} tok/s  "
        f"{clock(report.seconds):>7}  left {rest:>7}{guided}"
    )


class TrainingProgress(AbstractContextManager["TrainingProgress"]):
    """Shows what a training tells, as it comes: on a terminal live."""

    def __init__(self) -> None:
        """Show on stderr."""
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._printed = time.monotonic()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop showing; leave the last state on the screen."""
        if self._bar:
            self._bar.stop()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, PriorPass):
            show_pass("prior", event.done, event.of)
        elif isinstance(event, EncoderShare):
            self._show_share(event)
        elif self._console.is_terminal:
            self._show_live(event)
        elif event.kind == "valid" or time.monotonic() - self._printed > PLAIN_SECONDS:
            say(describe(event))
            self._printed = time.monotonic()

    def _show_share(self, event: EncoderShare) -> None:
        done, of = event.done, event.of
        if self._console.is_terminal:
            text = f"\rencoder: {done} of {of} pairs " if done < of else "\r\033[K"
            print(text, end="", file=sys.stderr, flush=True)
        elif done < of and time.monotonic() - self._printed > PLAIN_SECONDS:
            say(f"encoder: {done} of {of} pairs")
            self._printed = time.monotonic()

    def _show_live(self, report: TrainingReport) -> None:
        if self._bar is None:
            columns = BarColumn(bar_width=20), TextColumn("{task.description}")
            self._bar = Progress(*columns, console=self._console)
            self._task = self._bar.add_task("starting", total=1.0)
            self._bar.start()
        line = describe(report)
        self._bar.update(self._task, completed=report.share, description=line)
        if report.kind == "valid":
            self._bar.console.print(line, highlight=False)


class AlignmentProgress(AbstractContextManager["AlignmentProgress"]):
    """Shows how many pairs have been aligned, how fast, and how long it will take."""

    def __init__(
        self, share_read: Callable[[], float], shown_by: "Rank | None" = None
    ) -> None:
        """Start the clock.

        Args:
            share_read: tells what share of our text has been read; 0 if nobody knows.
            shown_by: our place among several processes: the first shows its share.
        """
        self.pairs = 0
        self._share_read = share_read
        self._of = 0.0  # about how many pairs there are; 0 if nobody knows
        self._taken = 0
        self._live = Console(stderr=True).is_terminal
        self._started = time.monotonic()
        first = QUIET_SECONDS if self._live else FIRST_PLAIN_SECONDS
        self._next = self._started + first
        self._name = ""
        if shown_by:
            self._name = f"share {shown_by.number + 1} of {shown_by.of}: "
        if shown_by and shown_by.number:
            self._next = math.inf
        self._shown = False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the line of figures behind."""
        if self._live and self._shown:
            print(file=sys.stderr)

    def take(self, pairs: int) -> None:
        """Count pairs that have been read, and from them guess how many there are."""
        self._taken += pairs
        share = self._share_read()
        self._of = self._taken / share if share > 0 else 0.0

    def advance(self) -> None:
        """Count one aligned pair."""
        self.pairs += 1
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (LIVE_SECONDS if self._live else PLAIN_SECONDS)
        self._shown = True
        text = self._describe(now - self._started)
        if self._live:
            print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)
        else:
            say(text)

    def _describe(self, seconds: float) -> str:
        speed = self.pairs / seconds
        text = f"{self._name}{self.pairs} pairs, {speed:.0f} pairs/s, {clock(seconds)}"
        if not self._of:
            return text
        return f"{text}, left {clock(max(self._of - self.pairs, 0) / speed)}"


def show_pass(name: str, done: int, of: int) -> None:
    """Show passes over the text on a terminal, until they are done."""
    if sys.stderr.isatty():
        text = f"\r{name}: pass {done} of {of} " if done < of else "\r\033[K"
        print(text, end="", file=sys.stderr, flush=True)


class ShareProgress(AbstractContextManager["ShareProgress"]):
    """Shows how much of a known whole is done: a bar on a terminal, or lines."""

    def __init__(self, name: str) -> None:
        """Start the clock."""
        self._name = name
        console = Console(stderr=True)
        self._bar: Progress | None = None
        if console.is_terminal:
            self._bar = Progress(console=console, transient=True)
            self._task = self._bar.add_task(name, total=None)
        self._started = self._shown = time.monotonic()
        self._of = 0

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say how long it took."""
        if self._bar:
            self._bar.stop()
        if error is None:
            seconds = time.monotonic() - self._started
            say(f"{self._name}: {self._of} in {clock(seconds)}")

    def __call__(self, done: int, of: int) -> None:
        """Show that so many are done."""
        self._of = of
        now = time.monotonic()
        if self._bar:
            self._bar.update(self._task, completed=done, total=of)
        elif now - self._shown > PLAIN_SECONDS:
            self._shown = now
            say(f"{self._name}: {done} of {of}")
