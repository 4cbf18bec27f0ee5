"""What a training tells of itself while it runs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class PriorPass:
    """The prior has made so many passes over the text, of so many."""

    done: int
    of: int


@dataclass(frozen=True)
class EncoderShare:
    """The pretrained encoder has read so many pairs of the text, of so many."""

    done: int
    of: int


@dataclass(frozen=True)
class TrainingReport:
    """The network's figures since the last report, or of a validation."""

    kind: str  # "train" or "valid"
    updates: int
    epoch: float  # passes over the data, with the fraction of the present one
    loss: float  # nats per target subword
    perplexity: float
    learning_rate: float
    tokens_per_second: float  # target subwords, padding left out
    seconds: float
    share: float  # of the way to the nearest limit, from 0 to 1
    seconds_left: float  # to that limit, at the present pace
    guided: float | None = None  # what decides instead of `loss`, if it does


Event: TypeAlias = PriorPass | EncoderShare | TrainingReport
Listener: TypeAlias = Callable[[Event], None]


def unheard(event: Event) -> None:
    """Leave progress to others, or to nobody."""


def never() -> bool:
    """Ask for no stop."""
    return False


def clock(seconds: float) -> str:
    """Return a time as h:mm:ss, or m:ss under an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
