"""Shares of a text for job arrays: what shard I of N aligns."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aligner.errors import ConfigError

if TYPE_CHECKING:
    from aligner.extraction.aligner import WordPair


class Shard(NamedTuple):
    """Share `number`, from 1, of `of`."""

    number: int
    of: int


class NumberedChunk(NamedTuple):
    """Some pairs, and the line of the text, from 1, that the first one stands in."""

    first_line: int
    pairs: list["WordPair"]


class ReadingPlace:
    """How far a text has been read, by the bytes of its first file."""

    def __init__(self, path: str, shard: Shard | None) -> None:
        """Begin before the text, of which a shard, or all, is ours; "-" is stdin."""
        file = Path(path)
        known = path != "-" and file.is_file()
        self._size = file.stat().st_size if known else 0
        self._bytes = 0
        self._shard = shard or Shard(1, 1)

    def note(self, position: int) -> None:
        """Note that so many bytes have been read."""
        self._bytes = position

    def share(self) -> float:
        """Return about what share of our own part has been read; 0 if nobody knows."""
        if not self._size:
            return 0.0
        whole = min(self._bytes / self._size, 1.0)
        return min(max(whole * self._shard.of - self._shard.number + 1, 0.0), 1.0)


def parse_shard(text: str) -> Shard:
    """Read `I/N`.

    Raises:
        ConfigError: it is not such a share.
    """
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise ConfigError(
            f"--shard: expected I/N, with I from 1 to N, such as 2/8, got {text!r}"
        )
    return Shard(int(match[1]), int(match[2]))


def check_shareable(shard: Shard | None, *texts: str | None) -> None:
    """Check that a text of which only a share is wanted can be read twice.

    Raises:
        ConfigError: it comes through a pipe.
    """
    from aligner.text.bitext import first_piped

    if shard and first_piped(*texts):
        raise ConfigError("a share of a text: expected it in files, to be read twice")


def chunks_of_shard(
    read: Callable[[], Iterable["WordPair"]],
    shard: Shard | None,
    most: int | None = None,
) -> Iterator[NumberedChunk]:
    """Yield the chunks of a text that a shard aligns, in order; without one, all.

    The text is cut into the same chunks whatever the number of shards, so that all
    shards together give what one process gives, to the last bit. It is read once more
    to count them. `most` limits the pairs of a chunk further.
    """
    from aligner.extraction.pair_aligner import chunks

    of, number = (shard.of, shard.number) if shard else (1, 1)
    count = sum(1 for _ in read()) if shard else 0
    line = 1
    for chunk in chunks(read(), most):
        # Chunks differ in size, so what counts is where in the text one begins.
        owner = 1 + (line - 1) * of // count if shard else 1
        if owner > number:
            return
        if owner == number:
            yield NumberedChunk(line, chunk)
        line += len(chunk)
