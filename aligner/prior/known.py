"""What is known of the words of a text, and of their pairs, in several spellings."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from aligner.prior.agreement import Side
from aligner.prior.cooccurrence import UNKNOWN, Ids, Ints, WordPairs, pair_keys
from aligner.prior.estimation import shares
from aligner.prior.hmm import Floats
from aligner.text.words import canonical


class KnownWords(NamedTuple):
    """What is known of one side's words, in one spelling.

    Attributes:
        numbers: the number of each word.
        totals: the links that each is expected to have in all.
        counts: how often each occurs.
    """

    numbers: dict[str, int]
    totals: Floats
    counts: Floats


class KnownPairs(NamedTuple):
    """What is known of pairs of words, in one spelling.

    Attributes:
        letters: how many letters of a word are its spelling, in lower case; 0 stands
            for the word itself.
        src: the source words.
        tgt: the target words.
        keys: (N,) ascending, `tgt number * source words + src number`.
        links: (N,) how many links each pair is expected to have in all.
    """

    letters: int
    src: KnownWords
    tgt: KnownWords
    keys: Ints
    links: Floats

    def look_up(self, src: Ids, tgt: Ids) -> Floats:
        """Return the expected links of pairs of words, 0 where they are not known."""
        keys = pair_keys(src, tgt, len(self.src.numbers))
        if not len(self.keys):
            return np.zeros(len(keys), np.float32)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        found = self.keys[places] == keys
        found &= (src != UNKNOWN) & (tgt != UNKNOWN)
        return np.where(found, self.links[places], np.float32(0))


class KnownSide:
    """What is known of the words of one side of a text, spelling by spelling."""

    def __init__(self) -> None:
        """Begin without any spelling."""
        self._numbers: list[Ids] = []
        self._totals: list[Floats] = []
        self._counts: list[Floats] = []

    def add(self, known: KnownWords, words: Iterable[str]) -> Ids:
        """Look words up in a spelling; return their numbers there."""
        found = [known.numbers.get(word, UNKNOWN) for word in words]
        numbers = np.array(found, np.int32)
        self._numbers.append(numbers)
        # The last, 0, stands for what is not known.
        self._totals.append(np.append(known.totals, np.float32(0))[numbers])
        self._counts.append(np.append(known.counts, np.float32(0))[numbers])
        return numbers

    @property
    def occurrences(self) -> Floats:
        """(W,) how often each word, as it is, is known to occur."""
        return self._counts[0]

    def side(self, by_null: Floats) -> Side:
        """Return what an aligner wants to know, given known words under NULL."""
        return Side(
            np.stack(self._totals, 1),
            shares(np.stack(self._counts, 1)),
            np.append(by_null, np.float32(0))[self._numbers[0]],
        )


class Known(NamedTuple):
    """What is known of the words of a text, which may be new.

    Attributes:
        links: (N, V) the expected links of each word pair, by spelling.
        src: the source words.
        tgt: the target words.
    """

    links: Floats
    src: KnownSide
    tgt: KnownSide


def look_up(spellings: Sequence[KnownPairs], pairs: WordPairs) -> Known:
    """Look the word pairs of a text up in each spelling."""
    links, src, tgt = [], KnownSide(), KnownSide()
    for spelling in spellings:
        name = partial(spell, letters=spelling.letters)
        of_src = src.add(spelling.src, map(name, pairs.src_words))
        of_tgt = tgt.add(spelling.tgt, map(name, pairs.tgt_words))
        links.append(spelling.look_up(of_src[pairs.src], of_tgt[pairs.tgt]))
    return Known(np.stack(links, 1).astype(np.float32), src, tgt)


def spell(word: str, letters: int) -> str:
    """Return how a word is spelt by so many letters; by 0, as it is."""
    return canonical(word.lower())[:letters] if letters else word
