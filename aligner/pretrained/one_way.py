"""A translation model of others: a network, and how words are cut for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from aligner.nmt.cross_attention import CrossAttention
from aligner.text.subwords import UNK
from aligner.text.words import canonical

Ids: TypeAlias = NDArray[np.int32]

KNOWN_WORDS = 1 << 18  # whose pieces are remembered
NO_IDS = np.empty(0, np.int32)


class CutsWords(Protocol):
    """Cuts one word into pieces, numbered behind the specials of `text.subwords`."""

    def __call__(self, word: str, /) -> Sequence[int]:
        """Return the pieces of a word as it stands between spaces; none if unknown."""


class Pieces:
    """Cuts the words of one language into the pieces of a model.

    Each word by itself, so that every piece is of one word, whatever the model's
    normalisation does to it.
    """

    def __init__(
        self, cut: CutsWords, before: Sequence[int] = (), after: Sequence[int] = ()
    ) -> None:
        """Take what cuts a word, and what stands around a sentence besides EOS."""
        self._cut = lru_cache(KNOWN_WORDS)(cut)
        self._before = np.array(before, np.int32)
        self._after = np.array(after, np.int32)

    def __call__(self, words: Sequence[str]) -> tuple[Ids, Ids]:
        """Return the pieces of a sentence, and the word of each.

        Every word has one at least, UNK if nothing else; -1 is what is of no word.
        """
        found = [self._cut(_encodable(word)) or (UNK,) for word in words]
        ids = np.fromiter(chain.from_iterable(found), np.int32)
        numbers = np.arange(len(words), dtype=np.int32)
        of_word = np.repeat(numbers, [len(pieces) for pieces in found])
        around = np.full_like(self._before, -1), np.full_like(self._after, -1)
        return (
            np.concatenate([self._before, ids, self._after]),
            np.concatenate([around[0], of_word, around[1]]),
        )


@dataclass(frozen=True)
class OneWayModel:
    """A translation model that reads one language and writes another.

    Attributes:
        name: its directory or hub name.
        network: what is read; BOS is its tag.
        read: cuts the words of the language that it reads.
        written: cuts the words of the language that it writes.
        room: pieces on a side at most; None if any number.
    """

    name: str
    network: CrossAttention
    read: Pieces
    written: Pieces
    room: int | None = None


def _encodable(word: str) -> str:
    """Return one form of all canonically equal words, lone surrogates replaced."""
    return canonical(word).encode("utf-8", "replace").decode("utf-8")
