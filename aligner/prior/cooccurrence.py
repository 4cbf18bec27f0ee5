"""Words that occur together in sentence pairs, numbered, and the cells they stand in.

A cell is a place in a sentence pair's matrix of words. What is estimated is one number
for each distinct pair of words; every cell names the pair that stands there, so that
probabilities are looked up, and counts added up, by indexing.

Most pairs of words meet once, by chance, and a large text has more of those than memory
has room for. If both words are frequent, they are known by a coarser spelling alone:
one stands for all that it spells alike.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from aligner.errors import CorpusError
from aligner.text.numbered import NumberedBitext, NumberedText
from aligner.text.ragged import RaggedArray, steps
from aligner.text.scratch import forgotten, mapped_full

Ints: TypeAlias = NDArray[np.int64]
Ids: TypeAlias = NDArray[np.int32]
Doubles: TypeAlias = NDArray[np.float64]

CHUNK_CELLS = 1 << 18  # of sentence pairs that are handled together
UNKNOWN = -1  # in place of a number
# Occurrences of both words that make it likely that a pair that meets once does so by
# chance: it is less than a tenth of what either word occurs.
FREQUENT = 10
MOST_PAIRS = 2**31 - 2  # that int32 has numbers for, on either side of UNKNOWN


class Cells(NamedTuple):
    """A text, and the word pairs that stand in its sentence pairs.

    Attributes:
        src: the source words' numbers, end to end.
        src_ends: where each sentence ends there; 0 comes first.
        tgt: likewise.
        tgt_ends: likewise.
        pairs: the word pair at each cell, or a rare one's stand-in; (tgt, src) of a
            sentence pair by rows, the sentence pairs end to end.
        ends: where each sentence pair ends there; 0 comes first.
    """

    src: Ids
    src_ends: Ints
    tgt: Ids
    tgt_ends: Ints
    pairs: Ids
    ends: Ints

    def chunks(self) -> list[tuple[int, int]]:
        """Return the first and the last of sentence pairs that are handled together."""
        size = len(self.ends) - 1
        wanted = np.arange(CHUNK_CELLS, self.ends[-1], CHUNK_CELLS)
        cuts = np.unique([0, *np.searchsorted(self.ends, wanted), size]).tolist()
        return list(pairwise(cuts))

    def split(self, pair: int) -> tuple["Cells", "Cells"]:
        """Return a text up to a sentence pair, and from it on, by the same numbers."""
        src, tgt = self.src_ends[pair], self.tgt_ends[pair]
        cell, upto = self.ends[pair], pair + 1
        return Cells(
            self.src[:src], self.src_ends[:upto], self.tgt[:tgt], self.tgt_ends[:upto],
            self.pairs[:cell], self.ends[:upto],
        ), Cells(
            self.src[src:], self.src_ends[pair:] - src,
            self.tgt[tgt:], self.tgt_ends[pair:] - tgt,
            self.pairs[cell:], self.ends[pair:] - cell,
        )  # fmt: skip


class WordPairs(NamedTuple):
    """The distinct pairs of words that occur together.

    Attributes:
        src_words: the number of each source word.
        tgt_words: the number of each target word.
        src: (N,) the source word of each pair.
        tgt: (N,) the target word of each pair.
    """

    src_words: dict[str, int]
    tgt_words: dict[str, int]
    src: Ids
    tgt: Ids

    def keys(self) -> Ints:
        """Return (N,) a number for each pair that is like no other's."""
        return pair_keys(self.src, self.tgt, len(self.src_words))

    def twins(self) -> Ids:
        """Return the source word that is each target word, too, or `UNKNOWN`."""
        found = [self.src_words.get(word, UNKNOWN) for word in self.tgt_words]
        return np.array(found, np.int32)


def pair_keys(src: Ids, tgt: Ids, src_words: int) -> Ints:
    """Return a number for each pair of words, given how many source words there are."""
    return tgt.astype(np.int64) * max(src_words, 1) + src


@dataclass(frozen=True)
class Spelling:
    """The same words under another spelling, which several may share.

    Attributes:
        pairs: the pairs of spellings, by ascending keys.
        src: (W,) the spelling of each source word.
        tgt: likewise.
        of_pair: (M,) the pair of spellings of each of the first M pairs of words, those
            that this spelling, or a finer one, tells apart.
    """

    pairs: WordPairs
    src: Ids
    tgt: Ids
    of_pair: Ids


class Names(NamedTuple):
    """The words of a text under a spelling.

    Attributes:
        src_words: the number of each spelling.
        tgt_words: likewise.
        src: (W,) the spelling of each source word.
        tgt: likewise.
    """

    src_words: dict[str, int]
    tgt_words: dict[str, int]
    src: Ids
    tgt: Ids


class Gathered(NamedTuple):
    """The word pairs of a text.

    Attributes:
        pairs: the distinct ones that the first spelling tells apart; after them, for
            each coarser one, a stand-in for all rare ones that it spells alike.
        cells: where they stand.
        names: the words under each spelling.
        sizes: how many pairs, from the first, each spelling or a finer one tells apart.
    """

    pairs: WordPairs
    cells: Cells
    names: list[Names]
    sizes: list[int]


def gather_spellings(
    text: NumberedBitext, spells: Sequence[Callable[[str], str]], threads: int = 1
) -> tuple[list[Spelling], WordPairs, Cells]:
    """Find all word pairs of a text as `gather_word_pairs` does, by each spelling."""
    pairs, cells, names, sizes = gather_word_pairs(text, spells, threads)
    spellings = [_spelt(pairs, *each) for each in zip(names, sizes, strict=True)]
    return spellings, pairs, cells


def _spelt(pairs: WordPairs, names: Names, size: int) -> Spelling:
    """Return the pairs of spellings of the first so many word pairs."""
    src, tgt = names.src[pairs.src[:size]], names.tgt[pairs.tgt[:size]]
    keys = pair_keys(src, tgt, len(names.src_words))
    _, first, of_pair = np.unique(keys, return_index=True, return_inverse=True)
    distinct = WordPairs(names.src_words, names.tgt_words, src[first], tgt[first])
    return Spelling(distinct, names.src, names.tgt, of_pair.astype(np.int32))


def gather_word_pairs(
    text: NumberedBitext,
    spells: Sequence[Callable[[str], str]] = (str,),
    threads: int = 1,
) -> Gathered:
    """Find all word pairs of a text, and name the one at each cell, on disk.

    Words get their numbers in the order in which they come, equal ones the same; pairs
    of words by the target word, then in the order in which they come.

    Args:
        text: the sentence pairs.
        spells: spellings of words, from words as they are to ever coarser ones: what
            one spells alike, the next one does, too. A pair is told from others by the
            first under which it meets twice, or either word occurs `FREQUENT` times at
            most, or by the last one.
        threads: how many compute at once; the result is the same for any number.

    Raises:
        CorpusError: there are more than `MOST_PAIRS`.
    """
    (src_words, src), (tgt_words, tgt) = _distinct(text.src), _distinct(text.tgt)
    ends = np.concatenate([[0], np.cumsum(src.lengths() * tgt.lengths())])
    pairs = mapped_full(int(ends[-1]), UNKNOWN, np.int32)
    cells = Cells(src.ids, src.ends, tgt.ids, tgt.ends, pairs, ends)
    names = [_named(src_words, tgt_words, spell) for spell in spells]
    met, sizes = (np.empty(0, np.int32), np.empty(0, np.int32)), [0]
    for number, (*_, of_src, of_tgt) in enumerate(names, start=1):
        frequent = FREQUENT if number < len(spells) else len(tgt.ids)
        more = _number_pairs(cells, of_src, of_tgt, frequent, sizes[-1], threads)
        met = np.concatenate([met[0], more[0]]), np.concatenate([met[1], more[1]])
        sizes.append(len(met[0]))
    return Gathered(WordPairs(src_words, tgt_words, *met), cells, names, sizes[1:])


def _named(
    src_words: dict[str, int], tgt_words: dict[str, int], spell: Callable[[str], str]
) -> Names:
    (src_spellings, src), (tgt_spellings, tgt) = (
        _renumbered(words, spell) for words in (src_words, tgt_words)
    )
    return Names(src_spellings, tgt_spellings, src, tgt)


def _renumbered(
    words: dict[str, int], spell: Callable[[str], str]
) -> tuple[dict[str, int], Ids]:
    spellings: dict[str, int] = {}
    numbers = [spellings.setdefault(spell(word), len(spellings)) for word in words]
    return spellings, np.array(numbers, np.int32)


def _distinct(text: NumberedText) -> tuple[dict[str, int], RaggedArray]:
    words: dict[str, int] = {}
    numbers = np.array([words.setdefault(w, len(words)) for w in text.words], np.int32)
    # Copies in memory: compiled code is made for arrays that can be written.
    return words, RaggedArray(numbers[text.numbers.ids], text.numbers.ends.copy())


def _occurrences(text: RaggedArray) -> tuple[Ints, Ids, Ids]:
    """Return where each id occurs: ends by id, and sentences and places in them."""
    order = np.argsort(text.ids, kind="stable")
    ends = np.concatenate([[0], np.cumsum(np.bincount(text.ids))])
    lengths = text.lengths()
    sentences = np.repeat(np.arange(len(text), dtype=np.int32), lengths)[order]
    return ends, sentences, steps(lengths).astype(np.int32)[order]


def _number_pairs(
    cells: Cells, of_src: Ids, of_tgt: Ids, frequent: int, number: int, threads: int
) -> tuple[Ids, Ids]:
    """Number pairs, target spelling by target spelling.

    Args:
        cells: the text, to be written to where a pair has no number yet.
        of_src: the spelling of each source word.
        of_tgt: likewise.
        frequent: pairs that meet once are left out if both occur more often.
        number: the first pair's.
        threads: how many compute at once.

    Returns:
        Both words of each, or of one of those that are spelt alike.
    """
    occurrences = _occurrences(RaggedArray(of_tgt[cells.tgt], cells.tgt_ends))
    ends = occurrences[0]
    wanted = np.linspace(0, ends[-1], threads, endpoint=False)[1:]
    cuts = [0, *np.searchsorted(ends, wanted).tolist(), len(ends) - 1]
    often = _frequencies(of_src, cells.src)

    def count(first: int, last: int) -> tuple[Ids, Ids]:
        return _count_pairs(cells, of_src, often, *occurrences, first, last, frequent)

    def settle(chunk: tuple[int, int]) -> None:
        first, last = chunk
        _settle(cells, of_tgt, first_numbers, first, last)
        forgotten(cells.pairs[cells.ends[first] : cells.ends[last]])

    with ThreadPoolExecutor(threads, "prior") as pool:
        parts = list(pool.map(count, cuts, cuts[1:]))
        sizes = np.array([len(src) for src, _ in parts])
        starts = number + np.cumsum(sizes) - sizes
        if starts[-1] + sizes[-1] > MOST_PAIRS:
            raise CorpusError(
                f"expected at most {MOST_PAIRS} different pairs of words that occur "
                "together, got more: learn from a part of the text"
            )
        first_numbers = np.repeat(starts, np.diff(cuts)).astype(np.int32)
        list(pool.map(settle, cells.chunks()))
    src, tgt = (np.concatenate(side) for side in zip(*parts, strict=True))
    return src, tgt


@njit(nogil=True, cache=True)
def _frequencies(spellings: Ids, words: Ids) -> Ints:
    """Return how often each spelling occurs among words, without a copy of them."""
    often = np.zeros(spellings.max() + 1 if len(spellings) else 0, np.int64)
    for word in words:
        often[spellings[word]] += 1
    return often


@njit(nogil=True, cache=True)
def _count_pairs(
    cells: Cells,
    spellings: Ids,
    often: Ints,
    ends: Ints,
    sentences: Ids,
    places: Ids,
    first: int,
    last: int,
    frequent: int,
) -> tuple[Ids, Ids]:
    """Number the pairs of some target spellings from `UNKNOWN` - 1 downwards.

    Args:
        cells: the text, to be written to where a pair has no number yet.
        spellings: the spelling of each source word.
        often: how often each source spelling occurs.
        ends: where the occurrences of each target spelling end; 0 comes first.
        sentences: of each occurrence.
        places: of each occurrence, in its sentence.
        first: the first target spelling.
        last: the one after the last.
        frequent: pairs that meet once are left out if both occur more often.

    Returns:
        Both words of each, or of one of those that are spelt alike.
    """
    size = len(often)
    latest = np.full(size, -1, np.int64)  # the last pair of each source spelling
    met, met_by = np.zeros(size, np.int64), np.full(size, -1, np.int64)
    room, count = 1 << 16, 0
    src, tgt = np.empty(room, np.int32), np.empty(room, np.int32)
    for spelling in range(first, last):
        before, here = count, ends[spelling + 1] - ends[spelling]
        countable = ends[spelling + 1] if here > frequent else ends[spelling]
        for occurrence in range(ends[spelling], countable):
            sentence = sentences[occurrence]
            start, end = cells.src_ends[sentence], cells.src_ends[sentence + 1]
            for word in cells.src[start:end]:
                partner = spellings[word]
                if met_by[partner] != spelling:
                    met_by[partner] = spelling
                    met[partner] = 0
                met[partner] += 1
        for occurrence in range(ends[spelling], ends[spelling + 1]):
            sentence = sentences[occurrence]
            start, end = cells.src_ends[sentence], cells.src_ends[sentence + 1]
            row = cells.ends[sentence] + places[occurrence] * (end - start)
            for place in range(start, end):
                cell = row + place - start
                partner = spellings[cells.src[place]]
                if cells.pairs[cell] != UNKNOWN:
                    continue
                rarer = min(here, often[partner])
                if rarer > frequent and met[partner] == 1:
                    continue
                if latest[partner] < before:
                    if count == room:
                        src = np.concatenate((src, np.empty(room, np.int32)))
                        tgt = np.concatenate((tgt, np.empty(room, np.int32)))
                        room *= 2
                    latest[partner] = count
                    src[count] = cells.src[place]
                    tgt[count] = cells.tgt[
                        cells.tgt_ends[sentence] + places[occurrence]
                    ]
                    count += 1
                cells.pairs[cell] = UNKNOWN - 1 - latest[partner]
    return src[:count].copy(), tgt[:count].copy()


@njit(nogil=True, cache=True)
def _settle(
    cells: Cells, of_tgt: Ids, first_numbers: Ids, first: int, last: int
) -> None:
    """Give pairs that were numbered downwards their own numbers.

    Args:
        cells: the text, to be written to.
        of_tgt: the spelling of each target word.
        first_numbers: where the numbers begin, by target spelling.
        first: the first sentence pair.
        last: the one after the last.
    """
    for sentence in range(first, last):
        size = cells.src_ends[sentence + 1] - cells.src_ends[sentence]
        cell = cells.ends[sentence]
        for word in cells.tgt[cells.tgt_ends[sentence] : cells.tgt_ends[sentence + 1]]:
            start = first_numbers[of_tgt[word]]
            for _ in range(size):
                if cells.pairs[cell] < UNKNOWN:
                    cells.pairs[cell] = start + UNKNOWN - 1 - cells.pairs[cell]
                cell += 1
