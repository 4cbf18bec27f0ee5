"""Forced decoding: every pair once, within the limits, whatever its company."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_models import random_model, random_network, random_pairs, sizes

from aligner.extraction import forced_decoding
from aligner.extraction.forced_decoding import ForcedBatch, SubwordPair, forced_batches
from aligner.extraction.reading import Reading, read_word_scores
from aligner.nmt.checkpoint import TranslationModel
from aligner.nmt.transformer import PAD
from aligner.terms import Precision
from aligner.text.subwords import EOS, TO_TGT

CPU = torch.device("cpu")
READINGS = [
    Reading(layer, rows, score, head)
    for layer, rows, score, head in [
        (0, "awi", "norm", None),
        (1, "awo", "norm", None),
        (2, "awi", "weight", None),
        (2, "awo", "norm", 3),
        (0, "awo", "weight", 1),
    ]
]


def segmented(src: list[int], tgt: list[int]) -> SubwordPair:
    """Return a pair whose words have so many pieces; every piece is its own id."""

    def words(pieces: list[int]) -> np.ndarray:
        return np.repeat(np.arange(len(pieces)), pieces).astype(np.int32)

    sides = [np.arange(7, 7 + sum(pieces)).astype(np.int32) for pieces in (src, tgt)]
    return SubwordPair(*sides, words(src), words(tgt))


pieces = st.lists(st.integers(1, 4), min_size=1, max_size=8)
pairs_strategy = st.lists(st.builds(segmented, pieces, pieces), max_size=30)


@given(pairs_strategy, st.integers(1, 200), st.integers(1, 2000))
def test_every_pair_comes_once_within_the_limits(
    pairs: list[SubwordPair], tokens: int, cells: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forced_decoding, "CPU_BATCH_TOKENS", tokens)
        patch.setattr(forced_decoding, "BATCH_CELLS", cells)
        batches = list(forced_batches(pairs, TO_TGT, CPU))
    assert sorted(i for batch in batches for i in batch.indices) == list(
        range(len(pairs))
    )
    for batch in batches:
        rows = len(batch.indices)
        longer = max(batch.src.numel(), batch.tgt.numel())
        size = batch.src.numel() * batch.tgt.shape[1]
        assert rows == 1 or (longer <= tokens and size <= cells)
        check_content(batch, pairs)


def check_content(batch: ForcedBatch, pairs: list[SubwordPair]) -> None:
    for row, index in enumerate(batch.indices):
        src, tgt, src_words, tgt_words = (side.tolist() for side in pairs[index][:4])
        s, t = len(src), len(tgt)
        assert batch.src[row].tolist()[: s + 1] == [*src, EOS]
        assert batch.tgt[row].tolist()[: t + 1] == [TO_TGT, *tgt]
        assert not batch.src[row, s + 1 :].ne(PAD).any()
        assert not batch.tgt[row, t + 1 :].ne(PAD).any()
        # EOS counts as the word after the last: NULL's column.
        assert batch.src_words[row].tolist()[: s + 1] == [*src_words, src_words[-1] + 1]
        assert batch.tgt_words[row].tolist()[:t] == tgt_words
        assert batch.tgt_words[row, t:].tolist() == [-1] * (len(batch.tgt[row]) - t - 1)


def test_the_limits_fill_batches() -> None:
    """Pairs of equal size: as many as fit go together, not one at a time."""
    pairs = [segmented([1] * 7, [1] * 7)] * 1000
    counts = [len(batch.indices) for batch in forced_batches(pairs, TO_TGT, CPU)]
    assert counts == [128] * 7 + [104]  # 1024 tokens / 8


@given(pairs_strategy)
def test_both_directions_are_put_together_alike(pairs: list[SubwordPair]) -> None:
    turned = [pair.turned() for pair in pairs]
    there, back = (forced_batches(way, TO_TGT, CPU) for way in (pairs, turned))
    assert [batch.indices for batch in there] == [batch.indices for batch in back]


def test_a_pair_turned_is_read_from_the_other_side() -> None:
    pair = segmented([1, 2], [3])
    assert pair.size == (1, 2)
    turned = pair.turned()
    assert turned.size == (2, 1)
    assert all(map(np.array_equal, turned.turned(), pair))


@pytest.fixture(scope="module")
def model() -> TranslationModel:
    return random_model()


@pytest.mark.parametrize("reading", READINGS, ids=str)
def test_company_does_not_matter(model: TranslationModel, reading: Reading) -> None:
    pairs = [SubwordPair.of(pair, model.subwords) for pair in random_pairs(40)]
    together = read_word_scores(model.network, pairs, TO_TGT, reading)
    for pair, scores in zip(pairs, together, strict=True):
        (alone,) = read_word_scores(model.network, [pair], TO_TGT, reading)
        written, read = pair.size
        assert scores.shape == alone.shape == (written, read + 1)
        np.testing.assert_allclose(scores, alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("limit", [1, 60])
def test_limits_do_not_matter(
    model: TranslationModel, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [SubwordPair.of(pair, model.subwords) for pair in random_pairs(20)]
    before = read_word_scores(model.network, pairs, TO_TGT, READINGS[1])
    monkeypatch.setattr(forced_decoding, "CPU_BATCH_TOKENS", limit)
    after = read_word_scores(model.network, pairs, TO_TGT, READINGS[1])
    for one, other in zip(before, after, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("score", ["norm", "weight"])
@pytest.mark.parametrize("rows", ["awi", "awo"])
@torch.no_grad()
def test_the_whole_path_equals_naive_loops(
    model: TranslationModel, rows: str, score: str
) -> None:
    """From the vectors to the words, one number at a time, in float64."""
    reading = Reading(1, rows, score)
    words = (["small", "houses"], ["mill", "we", "saw"])
    pair = SubwordPair.of(words, model.subwords)
    (found,) = read_word_scores(model.network, [pair], TO_TGT, reading)

    network = random_model().network.double()
    src = torch.tensor([[*pair.src.tolist(), EOS]])
    tgt = torch.tensor([[TO_TGT, *pair.tgt.tolist()]])
    attention = network.decoder_layers[1].cross_attention
    weights = next(network.records(src, tgt, first=1)).weights[0]  # (H, T, S)
    value = attention.value(network.encode(src))[0]  # (S, D)
    heads, size = attention.heads, value.shape[1] // attention.heads
    expected = np.zeros((3, 3))
    for place, tgt_word in enumerate(pair.tgt_words):
        row = place + (rows == "awi")
        for j, src_word in enumerate([*pair.src_words, 2]):
            vector = torch.zeros(value.shape[1]).double()
            for h in range(heads):
                part = slice(h * size, (h + 1) * size)
                f = attention.output.weight[:, part] @ value[j, part]
                vector += weights[h, row, j] * f
            mean = float(weights[:, row, j].mean())
            amount = float(vector.norm()) if score == "norm" else mean
            count = int((pair.tgt_words == tgt_word).sum())
            expected[tgt_word, src_word] += amount / count
    np.testing.assert_allclose(found, expected, rtol=2e-5)


def test_weights_of_a_target_word_sum_to_one(model: TranslationModel) -> None:
    pairs = [SubwordPair.of(pair, model.subwords) for pair in random_pairs(10)]
    for scores in read_word_scores(model.network, pairs, TO_TGT, READINGS[2]):
        np.testing.assert_allclose(scores.sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_any_number_of_threads_gives_the_same_bits(
    model: TranslationModel, precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forced_decoding, "CPU_BATCH_TOKENS", 60)  # many batches
    pairs = [SubwordPair.of(pair, model.subwords) for pair in random_pairs(60)]
    before, found = torch.get_num_threads(), {}
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            found[threads] = read_word_scores(
                model.network, pairs, TO_TGT, READINGS[1], precision
            )
            assert torch.get_num_threads() == threads, "they are the caller's"
            with ThreadPoolExecutor(1) as fresh:
                assert fresh.submit(torch.get_num_threads).result() == threads
    finally:
        torch.set_num_threads(before)
    for threads in (2, 5):
        assert all(map(np.array_equal, found[1], found[threads]))


def test_what_fails_in_a_thread_fails_here(
    model: TranslationModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("too much")

    monkeypatch.setattr(Reading, "record", fail)
    pairs = [SubwordPair.of(pair, model.subwords) for pair in random_pairs(3)]
    with pytest.raises(torch.OutOfMemoryError, match="too much"):
        read_word_scores(model.network, pairs, TO_TGT, READINGS[1])


def test_no_pairs_give_no_scores() -> None:
    assert read_word_scores(random_network(sizes()), [], TO_TGT, READINGS[0]) == []
