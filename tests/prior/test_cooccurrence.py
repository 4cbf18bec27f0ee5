"""Cells of words that occur together, against the words themselves."""

import numpy as np
import pytest

from aligner.prior import cooccurrence
from aligner.prior.cooccurrence import (
    PADDING,
    UNKNOWN,
    UNSEEN,
    CellBatch,
    WordPairs,
    gather_word_pairs,
    padded_batches,
)
from aligner.text.numbered import NumberedBitext

Pair = tuple[list[str], list[str]]


def random_pairs(count: int, seed: int = 1) -> list[Pair]:
    """Return sentence pairs of few words, some with an empty side."""
    rng = np.random.default_rng(seed)

    def words(letters: str) -> list[str]:
        return [letters[i] for i in rng.integers(0, len(letters), rng.integers(0, 7))]

    return [(words("abcdefgh"), words("ABCDEFGHIJ")) for _ in range(count)]


PAIRS = random_pairs(60)
USABLE = {i for i, (src, tgt) in enumerate(PAIRS) if src and tgt}


@pytest.fixture(scope="module")
def gathered() -> tuple[WordPairs, list[CellBatch]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cooccurrence, "BATCH_CELLS", 100)  # so that there are several
        return gather_word_pairs(NumberedBitext.of(PAIRS))


Gathered = tuple[WordPairs, list[CellBatch]]


def test_cells_name_the_words_that_stand_there(gathered: Gathered) -> None:
    pairs, batches = gathered
    src_words, tgt_words = list(pairs.src_words), list(pairs.tgt_words)
    of_src, of_tgt = pairs.of_words()
    for batch in batches:
        for row, index in enumerate(batch.indices):
            src, tgt = PAIRS[index]
            for t, s in np.ndindex(batch.cells.shape[1:]):
                cell = batch.cells[row, t, s]
                if s < len(src) and t < len(tgt):
                    assert src_words[of_src[cell]] == src[s]
                    assert tgt_words[of_tgt[cell]] == tgt[t]
                else:
                    assert cell == UNSEEN


def test_every_sentence_pair_is_there_once(gathered: Gathered) -> None:
    _, batches = gathered
    indices = [int(index) for batch in batches for index in batch.indices]
    assert len(USABLE) < len(PAIRS), "the test would see an empty side"
    assert len(batches) > 3
    assert sorted(indices) == sorted(USABLE)


def test_every_word_pair_is_there_once(gathered: Gathered) -> None:
    pairs, _ = gathered
    src_words, tgt_words = list(pairs.src_words), list(pairs.tgt_words)
    found = [
        (src_words[s], tgt_words[t])
        for s, t in zip(*(words[1:] for words in pairs.of_words()), strict=True)
    ]
    assert len(found) == len(set(found)), "each is there once"
    assert set(found) == {(s, t) for src, tgt in PAIRS for s in src for t in tgt}
    assert pairs.keys[UNSEEN] == -1
    assert (np.diff(pairs.keys) > 0).all()


def test_sentences_are_numbered_and_padded(gathered: Gathered) -> None:
    pairs, batches = gathered
    for batch in batches:
        for side, numbers, sentences in (
            (0, pairs.src_words, batch.src),
            (1, pairs.tgt_words, batch.tgt),
        ):
            for index, row in zip(batch.indices, sentences, strict=True):
                words = [numbers[word] for word in PAIRS[index][side]]
                assert row.tolist() == words + [PADDING] * (len(row) - len(words))


def test_looking_up_finds_the_same_cells(gathered: Gathered) -> None:
    pairs, batches = gathered
    for batch in batches:
        cells = pairs.look_up(batch.src, batch.tgt)
        np.testing.assert_array_equal(cells, batch.cells)


def test_words_that_never_met_have_no_cell() -> None:
    """Known words that never met, unknown words, and padding."""
    pairs, _ = gather_word_pairs(NumberedBitext.of([(["a"], ["A"]), (["b"], ["B"])]))
    src = np.array([[0, 1, UNKNOWN, PADDING]])
    found = pairs.look_up(src, np.array([[0, 1, UNKNOWN, PADDING]]))
    known = found[0] != UNSEEN
    assert [tuple(place) for place in np.argwhere(known)] == [(0, 0), (1, 1)]
    assert found[0, 0, 0] != found[0, 1, 1]


@pytest.mark.parametrize("cells", [1, 40, 1000])
def test_batches_keep_to_their_cells(
    cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cooccurrence, "BATCH_CELLS", cells)
    numbers = NumberedBitext.of(PAIRS).encoded()
    for indices, src, tgt in padded_batches(numbers.src, numbers.tgt):
        assert src.shape[0] == tgt.shape[0] == len(indices)
        assert src.shape[0] * src.shape[1] * tgt.shape[1] <= cells or len(indices) == 1


@pytest.mark.parametrize("pairs", [[], [([], ["A"]), (["a"], []), ([], [])]])
def test_text_without_a_usable_pair(pairs: list[Pair]) -> None:
    word_pairs, batches = gather_word_pairs(NumberedBitext.of(pairs))
    assert batches == []
    assert word_pairs.keys.tolist() == [-1]
