"""The one way to check a number where it enters: its range, and that it is one."""

from dataclasses import dataclass

from aligner.errors import ConfigError

MOST = 2**31 - 1  # of what nothing else limits


@dataclass(frozen=True)
class Range:
    """The numbers from `least` to `most`; NaN is in no range.

    Attributes:
        least: the lowest number.
        most: the highest number.
        open: whether `least` itself is left out.
    """

    least: float = 0
    most: float = MOST
    open: bool = False

    def __contains__(self, value: float) -> bool:
        """Tell whether a number is one of them."""
        return self.least <= value <= self.most and not (
            self.open and value == self.least
        )

    def __str__(self) -> str:
        """Return how a message says what was expected."""
        begin = f"above {self.least:g}" if self.open else f"from {self.least:g}"
        return begin if self.most >= MOST else f"{begin} to {self.most:g}"

    def check(self, name: str, value: float) -> None:
        """Check that a number is one of them.

        Raises:
            ConfigError: it is not; the message names it so.
        """
        if value not in self:
            raise ConfigError(f"{name}: expected a number {self}, got {value}")


SHARE = Range(0, 1)
COUNT = Range(1)
SEED = Range(0)
BEAM = Range(1, 1000)
LENGTH_PENALTY = Range(0, 100)
