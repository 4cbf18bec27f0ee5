"""Which sentence pairs of a text a command is to show."""

import random
import re
from typing import NamedTuple

from aligner.errors import ConfigError, CorpusError

_RANGE = re.compile(r" *([0-9]{1,9})(?:-([0-9]{1,9}))? *")


class PairChoice(NamedTuple):
    """Which pairs to show, as the options say: at most one of the first three is given.

    Attributes:
        pairs: by number, from 1, such as `1,5-7`.
        worst: so many of the highest error rate.
        random: so many that are drawn.
        seed: what is drawn depends on.
    """

    pairs: str | None
    worst: int | None
    random: int | None
    seed: int | None

    def check(self) -> None:
        """Check that the options can stand beside each other.

        Raises:
            ConfigError: they contradict each other, or one has no effect.
        """
        options = {
            "--pairs": self.pairs,
            "--worst": self.worst,
            "--random": self.random,
        }
        given = [name for name, value in options.items() if value]
        if len(given) > 1:
            raise ConfigError(
                f"expected one choice of pairs, got {' and '.join(given)}"
            )
        if self.seed is not None and self.random is None:
            raise ConfigError("--seed: expected --random beside it, got none")

    def places(self, length: int, name: str) -> list[int] | None:
        """Return the pairs that are named or drawn, from 0; None if neither is asked.

        Args:
            length: how many pairs there are.
            name: the text's, for messages.

        Raises:
            ConfigError: there are no such pairs.
            CorpusError: there are no pairs at all.
        """
        if not length:
            raise CorpusError(f"{name}: expected at least one sentence pair, got none")
        if self.random is not None:
            generator = random.Random(1 if self.seed is None else self.seed)
            return sorted(generator.sample(range(length), min(self.random, length)))
        return None if self.pairs is None else _numbered(self.pairs, length, name)


def _numbered(numbers: str, length: int, name: str) -> list[int]:
    chosen: dict[int, None] = {}
    for part in numbers.split(","):
        match = _RANGE.fullmatch(part)
        if not match:
            raise ConfigError(
                f"--pairs: expected numbers and ranges such as 1,5-7, got {part!r}"
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= length:
            raise ConfigError(
                f"--pairs: expected numbers from 1 to {length}, the lines of {name}, "
                f"got {part.strip()}"
            )
        chosen.update(dict.fromkeys(range(first - 1, last)))
    return list(chosen)
