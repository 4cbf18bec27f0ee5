"""What is known of words, and of pairs of them, by their spellings."""

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

import numpy as np

from aligner.prior.agreement import Model, Side
from aligner.prior.cooccurrence import (
    UNKNOWN,
    Cells,
    Doubles,
    Ids,
    Ints,
    Spelling,
    WordPairs,
    pair_keys,
)
from aligner.prior.hmm import Floats
from aligner.prior.word_counts import added_up, shares
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

    def numbered(self, words: Iterable[str]) -> Ids:
        """Return the numbers of words, `UNKNOWN` for those that are not known."""
        found = [self.numbers.get(word, UNKNOWN) for word in words]
        return np.array(found, np.int32)


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


class Learnt(NamedTuple):
    """All that was learnt of a text.

    Attributes:
        spellings: what is known of words, then of ever shorter beginnings.
        src_by_null: the probability of each source word under NULL.
        tgt_by_null: likewise.
        null: (2,) the probability that NULL emits a word, forward and reverse.
        jumps: (2, 2 · MAX_JUMP + 1) the probability of each distance between states.
    """

    spellings: tuple[KnownPairs, ...]
    src_by_null: Floats
    tgt_by_null: Floats
    null: Floats
    jumps: Doubles


def of_each(numbers: Ids, values: Floats) -> Floats:
    """Return what is known of each of some words, given that of all; of others, 0."""
    # The last stands for `UNKNOWN`.
    found: Floats = np.append(values, np.float32(0))[numbers]
    return found


class _KnownSide:
    """What is known of one side's words, spelling by spelling."""

    def __init__(self) -> None:
        self._numbers: list[Ids] = []
        self._totals: list[Floats] = []
        self._counts: list[Floats] = []

    def add(self, known: KnownWords, words: Iterable[str]) -> Ids:
        """Look words up in a spelling; return their numbers there."""
        numbers = known.numbered(words)
        self._numbers.append(numbers)
        self._totals.append(of_each(numbers, known.totals))
        self._counts.append(of_each(numbers, known.counts))
        return numbers

    def side(self, by_null: Floats, occurring: Doubles | float) -> Side:
        counts = np.stack(self._counts, 1).astype(np.float64) + occurring
        return Side(
            np.stack(self._totals, 1),
            shares(counts),
            of_each(self._numbers[0], by_null),
        )


def model_of(
    learnt: Learnt,
    pairs: WordPairs,
    occurring: tuple[Doubles | float, Doubles | float] = (0, 0),
) -> Model:
    """Return what is known of the words of a text.

    Args:
        learnt: all that is known.
        pairs: the words, and the pairs of them that are to be looked up.
        occurring: (W, V) of the source words and of the target words, how often they
            occur in each spelling beside what is known, which counts for their shares.
    """
    links, src, tgt = [], _KnownSide(), _KnownSide()
    for known in learnt.spellings:
        name = partial(spell, letters=known.letters)
        of_src = src.add(known.src, map(name, pairs.src_words))
        of_tgt = tgt.add(known.tgt, map(name, pairs.tgt_words))
        links.append(known.look_up(of_src[pairs.src], of_tgt[pairs.tgt]))
    return Model(
        np.stack(links, 1).astype(np.float32),
        src.side(learnt.src_by_null, occurring[0]),
        tgt.side(learnt.tgt_by_null, occurring[1]),
        learnt.null,
        learnt.jumps,
    )


def spell(word: str, letters: int) -> str:
    """Return how a word is spelt by so many letters; by 0, as it is."""
    return canonical(word.lower())[:letters] if letters else word


def learnt_pairs(
    letters: int,
    spelling: Spelling,
    links: Doubles,
    linked: tuple[Doubles, Doubles],
    cells: Cells,
) -> KnownPairs:
    """Return what was learnt of a text in one spelling, by its words, not numbers.

    Args:
        letters: of the spelling.
        spelling: the words of the text in it.
        links: the expected links of each pair of words.
        linked: of each target word and each source word, in all.
        cells: the text.
    """
    pairs, size = spelling.pairs, len(spelling.of_pair)
    of_spelt = added_up(links[:size], spelling.of_pair, len(pairs.src))
    of_tgt, of_src = linked
    return KnownPairs(
        letters,
        _learnt_words(pairs.src_words, spelling.src, of_src, cells.src),
        _learnt_words(pairs.tgt_words, spelling.tgt, of_tgt, cells.tgt),
        pairs.keys(),
        of_spelt.astype(np.float32),
    )


def _learnt_words(
    numbers: dict[str, int], spelling: Ids, linked: Doubles, occurrences: Ids
) -> KnownWords:
    """Return what was learnt of words in one spelling, given their occurrences."""
    counts = np.bincount(spelling[occurrences], minlength=len(numbers))
    totals = added_up(linked, spelling, len(numbers))
    return KnownWords(numbers, totals.astype(np.float32), counts.astype(np.float32))
