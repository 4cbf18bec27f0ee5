"""Which numbers an option or an argument takes, checked in one way everywhere."""

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from aligner.errors import ConfigError

LARGEST = 2**63 - 1  # what torch, numpy and TOML hold


@dataclass(frozen=True)
class Range:
    """The numbers from `least` to `most`, both included.

    NaN is in none, infinity in those alone that have no end.

    Attributes:
        least: the least number.
        most: the greatest.
        whole: whether only whole numbers count.
        above: whether `least` itself is left out.
    """

    least: float
    most: float
    whole: bool = False
    above: bool = False

    def __str__(self) -> str:
        """Return what is expected, in words."""
        number = "a whole number" if self.whole else "a number"
        if self.above:
            return f"{number} above {self.least}"
        if self.most >= LARGEST:
            return f"{number} of at least {self.least}"
        return f"{number} from {self.least} to {self.most}"

    @property
    def short(self) -> str:
        """What is expected, in signs."""
        if self.above:
            return f">{self.least}"
        return f"{self.least}.." + (f"{self.most}" if self.most < LARGEST else "")

    def __contains__(self, value: Any) -> bool:
        """Tell whether this is a number within the range."""
        is_number = isinstance(value, Integral if self.whole else Real)
        inside = is_number and self.least <= value <= self.most
        return bool(inside and not (self.above and value == self.least))

    def check(self, name: str, value: Any) -> None:
        """Check that what is called so is within the range.

        Raises:
            ConfigError: it is not.
        """
        if value in self:
            return
        is_too_large = isinstance(value, Integral) and int(value) > LARGEST
        open_ended = self.most >= LARGEST
        expected = f"a number up to {LARGEST}" if is_too_large and open_ended else self
        raise ConfigError(f"{name}: expected {expected}, got {value}")


SHARE = Range(0, 1)
COUNT = Range(1, LARGEST, whole=True)
INDEX = Range(0, LARGEST, whole=True)
SEED = Range(0, LARGEST, whole=True)
BASE = Range(0, 1, whole=True)  # what the first of several counts as
TIME = Range(0, math.inf, above=True)
THREADS = Range(1, 1024, whole=True)  # with ever more, the system runs out of them
BEAM = Range(1, 1000, whole=True)  # the memory for scores grows with it
LENGTH_PENALTY = Range(0, 5)  # with higher powers, long sentences would overflow
