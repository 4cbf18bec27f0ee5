"""Cells of words that occur together, against the words themselves."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from aligner.errors import CorpusError
from aligner.prior import cooccurrence
from aligner.prior.cooccurrence import Gathered, gather_spellings, gather_word_pairs
from aligner.text.numbered import NumberedBitext

Pair = tuple[list[str], list[str]]


def random_pairs(count: int, seed: int = 1) -> list[Pair]:
    """Return sentence pairs of few words, some with an empty side."""
    rng = np.random.default_rng(seed)

    def words(letters: str) -> list[str]:
        return [letters[i] for i in rng.integers(0, len(letters), rng.integers(0, 7))]

    return [(words("abcdefgh"), words("ABCDEFGHIJ")) for _ in range(count)]


PAIRS = random_pairs(60)


@pytest.fixture(scope="module")
def gathered() -> Gathered:
    return gather_word_pairs(NumberedBitext.of(PAIRS))


def test_cells_name_the_words_that_stand_there(gathered: Gathered) -> None:
    pairs, cells, *_ = gathered
    src_words, tgt_words = list(pairs.src_words), list(pairs.tgt_words)
    assert len(cells.ends) == len(PAIRS) + 1
    for index, (src, tgt) in enumerate(PAIRS):
        named = cells.pairs[cells.ends[index] : cells.ends[index + 1]]
        assert [
            (src_words[pairs.src[pair]], tgt_words[pairs.tgt[pair]]) for pair in named
        ] == [(s, t) for t in tgt for s in src]


@pytest.mark.parametrize("first", [0, 20, len(PAIRS)])
def test_a_text_is_split_between_sentence_pairs(gathered: Gathered, first: int) -> None:
    """By the numbers of the whole."""
    cells = gathered.cells
    parts = cells.split(first)
    assert [len(part.ends) - 1 for part in parts] == [first, len(PAIRS) - first]
    for part in parts:
        assert part.ends[0] == part.src_ends[0] == part.tgt_ends[0] == 0
        assert len(part.pairs) == part.ends[-1]
    for name in ("src", "tgt", "pairs"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        np.testing.assert_array_equal(joined, getattr(cells, name))
    for name in ("src_ends", "tgt_ends", "ends"):
        lengths = np.concatenate([np.diff(getattr(part, name)) for part in parts])
        np.testing.assert_array_equal(lengths, np.diff(getattr(cells, name)))


def test_every_word_pair_is_there_once(gathered: Gathered) -> None:
    pairs = gathered.pairs
    src_words, tgt_words = list(pairs.src_words), list(pairs.tgt_words)
    found = [
        (src_words[s], tgt_words[t]) for s, t in zip(pairs.src, pairs.tgt, strict=True)
    ]
    assert len(found) == len(set(found)), "each is there once"
    assert set(found) == {(s, t) for src, tgt in PAIRS for s in src for t in tgt}
    assert len(set(pairs.keys().tolist())) == len(found)


def test_many_word_pairs_are_numbered() -> None:
    """More than there is room for at first."""
    src, tgt = [f"s{i}" for i in range(300)], [f"t{i}" for i in range(400)]
    pairs, cells, *_ = gather_word_pairs(NumberedBitext.of([(src, tgt)]))
    assert len(pairs.src) == len(pairs.tgt) == 300 * 400
    assert sorted(cells.pairs.tolist()) == list(range(300 * 400))


def test_sentences_are_numbered(gathered: Gathered) -> None:
    pairs, cells, *_ = gathered
    for side, numbers, ids, ends in (
        (0, pairs.src_words, cells.src, cells.src_ends),
        (1, pairs.tgt_words, cells.tgt, cells.tgt_ends),
    ):
        for index, pair in enumerate(PAIRS):
            words = ids[ends[index] : ends[index + 1]]
            assert words.tolist() == [numbers[word] for word in pair[side]]


def test_words_spelt_alike_are_one(
    gathered: Gathered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under a spelling that a, b, c and d, and E to J, share."""
    pairs = gathered.pairs

    def spell(word: str) -> str:
        return "low" if word in "abcd" else "high" if word in "EFGHIJ" else word

    monkeypatch.setattr(cooccurrence, "FREQUENT", 1000)
    (_, spelling), *_ = gather_spellings(NumberedBitext.of(PAIRS), [str, spell])
    assert len(spelling.of_pair) == len(pairs.src)
    src_words, tgt_words = list(pairs.src_words), list(pairs.tgt_words)
    src_spelt = list(spelling.pairs.src_words)
    tgt_spelt = list(spelling.pairs.tgt_words)
    assert [src_spelt[i] for i in spelling.src] == [spell(word) for word in src_words]
    assert [tgt_spelt[i] for i in spelling.tgt] == [spell(word) for word in tgt_words]
    for pair, of_pair in enumerate(spelling.of_pair):
        assert src_spelt[spelling.pairs.src[of_pair]] == spell(
            src_words[pairs.src[pair]]
        )
        assert tgt_spelt[spelling.pairs.tgt[of_pair]] == spell(
            tgt_words[pairs.tgt[pair]]
        )
    assert len(spelling.pairs.src) == len(set(spelling.of_pair.tolist()))
    assert (np.diff(spelling.pairs.keys()) > 0).all()


@pytest.mark.parametrize("frequent", [0, 2, 5, 1000])
def test_rare_pairs_of_frequent_words_are_told_apart_by_their_spelling(
    frequent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each by the first spelling under which it is not rare, as the loops find it."""
    monkeypatch.setattr(cooccurrence, "FREQUENT", frequent)
    spells = [str, lambda word: "abc" if word in "abc" else word, lambda word: "x"]
    text = [(list(src), list(tgt)) for src, tgt in random_pairs(25, seed=3)]

    def names(spell: Callable[[str], str]) -> list[tuple[str, str]]:
        return [(spell(s), spell(t)) for src, tgt in text for t in tgt for s in src]

    expected: list[tuple[int, str, str]] = []
    spelt_cells = [names(spell) for spell in spells]
    met = [Counter(pairs) for pairs in spelt_cells]
    counts = [
        [Counter(spell(w) for pair in text for w in pair[side]) for side in (0, 1)]
        for spell in spells
    ]
    for cell in range(len(spelt_cells[0])):
        for level, pairs in enumerate(spelt_cells):
            src, tgt = pairs[cell]
            rarer = min(counts[level][0][src], counts[level][1][tgt])
            last = level == len(spells) - 1
            if last or met[level][src, tgt] > 1 or rarer <= frequent:
                expected.append((level, src, tgt))
                break
    pairs, cells, _, sizes = gather_word_pairs(NumberedBitext.of(text), spells)
    levels = np.searchsorted(sizes, cells.pairs, side="right")
    src_words, tgt_words = list(pairs.src_words), list(pairs.tgt_words)
    found = [
        (level, spells[level](src_words[s]), spells[level](tgt_words[t]))
        for level, s, t in zip(
            levels.tolist(), pairs.src[cells.pairs], pairs.tgt[cells.pairs], strict=True
        )
    ]
    assert found == expected
    assert len(set(expected)) == len(pairs.src) == sizes[-1], "one for all spelt alike"


@pytest.mark.parametrize("threads", [2, 3, 100])
def test_threads_give_the_same_numbers(threads: int) -> None:
    text = NumberedBitext.of(random_pairs(60, seed=5))
    spells = [str, lambda word: "abc" if word in "abc" else word, lambda word: "x"]
    alone, together = (gather_word_pairs(text, spells, n) for n in (1, threads))
    np.testing.assert_array_equal(together.cells.pairs, alone.cells.pairs)
    np.testing.assert_array_equal(together.pairs.src, alone.pairs.src)
    np.testing.assert_array_equal(together.pairs.tgt, alone.pairs.tgt)
    assert together.sizes == alone.sizes


def test_more_pairs_than_there_are_numbers_are_refused(
    gathered: Gathered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cooccurrence, "MOST_PAIRS", len(gathered.pairs.src))
    gather_word_pairs(NumberedBitext.of(PAIRS))
    monkeypatch.setattr(cooccurrence, "MOST_PAIRS", len(gathered.pairs.src) - 1)
    with pytest.raises(CorpusError, match="learn from a part"):
        gather_word_pairs(NumberedBitext.of(PAIRS))


@pytest.mark.parametrize("size", [1, 40, 100_000])
def test_chunks_are_the_whole_text(
    size: int, gathered: Gathered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cooccurrence, "CHUNK_CELLS", size)
    cells = gathered.cells
    chunks = cells.chunks()
    assert [pair for first, last in chunks for pair in range(first, last)] == list(
        range(len(PAIRS))
    )
    longest = int(np.diff(cells.ends).max())
    assert all(cells.ends[b] - cells.ends[a] < size + longest for a, b in chunks)


@pytest.mark.parametrize("pairs", [[], [([], ["A"]), (["a"], []), ([], [])]])
def test_text_without_a_usable_pair(pairs: list[Pair]) -> None:
    word_pairs, cells, _, sizes = gather_word_pairs(NumberedBitext.of(pairs))
    assert len(cells.pairs) == len(word_pairs.src) == 0
    assert sizes == [0]
    assert cells.ends.tolist() == [0] * (len(pairs) + 1)
