"""From subwords to words, against loops over words."""

from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from aligner.extraction.reading import target_rows, word_scores
from aligner.terms import Rows


class Sentence(NamedTuple):
    """The number of pieces of every word on both sides, and random scores."""

    src_pieces: list[int]
    tgt_pieces: list[int]
    scores: Tensor  # (target pieces + 1, source pieces + 1), tag and EOS counted


@st.composite
def sentences(draw: st.DrawFn) -> Sentence:
    pieces = st.lists(st.integers(1, 4), min_size=1, max_size=5)
    src, tgt = draw(pieces), draw(pieces)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    return Sentence(
        src, tgt, torch.rand(sum(tgt) + 1, sum(src) + 1, generator=generator)
    )


def words_of(pieces: list[int]) -> list[int]:
    return [word for word, count in enumerate(pieces) for _ in range(count)]


def naive_word_scores(sentence: Sentence, rows: Rows) -> list[list[float]]:
    """Sum over a source word's pieces, mean over a target word's; EOS is NULL.

    The decoder is fed `tag y_1 .. y_m`: row t of `scores` is where y_t is fed in
    (AWI) and y_(t+1) predicted (AWO).
    """
    src, tgt = words_of(sentence.src_pieces), words_of(sentence.tgt_pieces)
    null = len(sentence.src_pieces)
    result = []
    for tgt_word in range(len(sentence.tgt_pieces)):
        row = [0.0] * (null + 1)
        for place, word in enumerate(tgt):
            if word != tgt_word:
                continue
            y = place + 1 if rows == "awi" else place
            for j, src_word in enumerate([*src, null]):
                row[src_word] += float(sentence.scores[y, j])
        result.append([x / sentence.tgt_pieces[tgt_word] for x in row])
    return result


@settings(deadline=None)
@given(st.lists(sentences(), min_size=1, max_size=4), st.sampled_from(["awi", "awo"]))
def test_a_padded_batch_equals_the_loops(batch: list[Sentence], rows: Rows) -> None:
    longest_src = max(s.scores.shape[1] for s in batch)
    longest_tgt = max(s.scores.shape[0] for s in batch)
    # Rows of padded targets hold something, columns of padded sources nothing.
    scores = torch.full((len(batch), longest_tgt, longest_src), 9.0)
    src_words = torch.zeros(len(batch), longest_src, dtype=torch.long)
    tgt_words = torch.full((len(batch), longest_tgt - 1), -1)
    for b, sentence in enumerate(batch):
        t, s = sentence.scores.shape
        scores[b, :, s:] = 0
        scores[b, :t, :s] = sentence.scores
        src_words[b, :s] = torch.tensor(
            [*words_of(sentence.src_pieces), len(sentence.src_pieces)]
        )
        tgt_words[b, : t - 1] = torch.tensor(words_of(sentence.tgt_pieces))
    found = word_scores(target_rows(scores, rows), src_words, tgt_words)
    for b, sentence in enumerate(batch):
        words, columns = len(sentence.tgt_pieces), len(sentence.src_pieces) + 1
        expected = torch.tensor(naive_word_scores(sentence, rows))
        torch.testing.assert_close(found[b, :words, :columns], expected)
        assert not found[b, words:].any()
        assert not found[b, :words, columns:].any()


def test_awi_and_awo_rows_by_hand() -> None:
    """The decoder is fed `tag a b` and predicts `a b </s>`."""
    scores = torch.tensor([[[1.0], [2.0], [3.0]]])  # of tag, a, b
    assert target_rows(scores, "awi").flatten().tolist() == [2, 3]
    assert target_rows(scores, "awo").flatten().tolist() == [1, 2]


@pytest.mark.parametrize(
    ("src_words", "tgt_words", "expected"),
    [
        ([0, 1, 2], [0, 1], [[1, 2, 3], [4, 5, 6]]),
        ([0, 0, 1], [0, 1], [[3, 3], [9, 6]]),  # a source word of two pieces: summed
        ([0, 1, 2], [0, 0], [[2.5, 3.5, 4.5]]),  # a target word of two: the mean
        ([0, 0, 1], [0, 0], [[6, 4.5]]),
    ],
)
def test_merging_by_hand(
    src_words: list[int], tgt_words: list[int], expected: list[list[float]]
) -> None:
    scores = torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]])
    found = word_scores(scores, torch.tensor([src_words]), torch.tensor([tgt_words]))
    assert found[0].tolist() == expected
