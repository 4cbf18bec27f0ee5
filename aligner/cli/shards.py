"""Shares of a text for job arrays: what shard I of N aligns."""

import re
from collections.abc import Callable, Iterable, Iterator
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


def chunks_of_shard(
    read: Callable[[], Iterable["WordPair"]], shard: Shard | None
) -> Iterator[NumberedChunk]:
    """Yield the chunks of a text that a shard aligns, in order; without one, all.

    The text is cut into the same chunks whatever the number of shards, so that all
    shards together give what one process gives, to the last bit. It is read once more
    to count them.
    """
    from aligner.extraction.aligner import chunks

    first, last = 0, None
    if shard is not None:
        count = sum(1 for _ in chunks(read()))
        first, last = (count * i // shard.of for i in (shard.number - 1, shard.number))
    line = 1
    for number, chunk in enumerate(chunks(read())):
        if last is not None and number >= last:
            return
        if number >= first:
            yield NumberedChunk(line, chunk)
        line += len(chunk)
