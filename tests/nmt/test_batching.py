"""Batches: every example once, within the budget, in an order that the seed decides."""

import math
import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from small_models import WORDS, random_bitext

from aligner.nmt import batching
from aligner.nmt.batching import Batches, ahead, cut, encode, pad
from aligner.nmt.transformer import PAD
from aligner.text.numbered import NumberedBitext
from aligner.text.ragged import EncodedBitext, RaggedArray
from aligner.text.subwords import BOS, EOS, TO_SRC, TO_TGT, Subwords

lengths = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=40
)


def text(*sentences: list[int]) -> RaggedArray:
    return RaggedArray.gather(np.array(ids, np.int32) for ids in sentences)


def bitext_of(sizes: list[tuple[int, int]]) -> EncodedBitext:
    """Return sentence pairs of given lengths whose ids are all 7."""
    src, tgt = ([[7] * size for size in side] for side in zip(*sizes, strict=True))
    return EncodedBitext(text(*src), text(*tgt))


def test_sentences_lie_end_to_end() -> None:
    encoded = text([7, 8], [], [9])
    assert len(encoded) == 3
    assert encoded.ids.tolist() == [7, 8, 9]
    assert [encoded[i].tolist() for i in range(3)] == [[7, 8], [], [9]]
    assert encoded.lengths().tolist() == [2, 0, 1]
    chosen = encoded.select(np.array([2, 0]))
    assert [chosen[i].tolist() for i in range(2)] == [[9], [7, 8]]


def test_no_sentences_are_a_text_too() -> None:
    assert len(text()) == 0
    assert text().ids.dtype == np.int32


def test_encoding_cuts_each_side_by_its_own_vocabulary() -> None:
    subwords = Subwords.train([WORDS], [["maison"]], vocab_size=60, joint=False)
    pairs = [(["house", "is"], ["maison"])]
    encoded = encode(NumberedBitext.of(pairs), subwords)
    assert subwords.decode(encoded.src[0]) == ["house", "is"]
    assert subwords.decode(encoded.tgt[0]) == ["maison"]


def test_the_digest_tells_texts_apart() -> None:
    one = EncodedBitext(text([7, 8], [9]), text([7], [8]))
    equal = EncodedBitext(text([7, 8], [9]), text([7], [8]))
    assert one.digest() == equal.digest()
    others = [
        EncodedBitext(text([7], [8, 9]), text([7], [8])),  # same ids, other ends
        EncodedBitext(text([7], [8]), text([7, 8], [9])),  # sides exchanged
        EncodedBitext(text([7, 8], [9]), text([7], [9])),
        one.select(np.array([1, 0])),
        one.select(np.array([0])),
    ]
    assert len({one.digest(), *(other.digest() for other in others)}) == 6


def test_padding_by_hand() -> None:
    ids = [np.array(x, np.int32) for x in ([7, 8, 9], [10], [], [11, 12])]
    batch = pad([(ids[0], ids[1], TO_TGT), (ids[2], ids[3], TO_SRC)])
    assert batch.src.tolist() == [[7, 8, 9, EOS], [EOS, PAD, PAD, PAD]]
    assert batch.tgt.tolist() == [[TO_TGT, 10, PAD], [TO_SRC, 11, 12]]
    assert batch.predicted.tolist() == [[10, EOS, PAD], [11, 12, EOS]]
    assert {ids.dtype for ids in batch} == {torch.int64}


@given(
    lengths,
    st.sampled_from(["both", "forward"]),
    st.integers(1, 60),
    st.integers(0, 3),
    st.integers(0, 3),
)
def test_an_epoch_has_every_example_once_within_the_budget(
    sizes: list[tuple[int, int]], direction: str, budget: int, seed: int, epoch: int
) -> None:
    batches = Batches(bitext_of(sizes), direction, budget)
    drawn = list(batches.epoch(seed, epoch))
    examples = len(sizes) * (2 if direction == "both" else 1)
    assert sorted(np.concatenate(drawn).tolist()) == list(range(examples))
    for chosen in drawn:
        batch = batches.load(chosen)
        longer = max(batch.src.numel(), batch.tgt.numel())
        assert longer <= budget or len(chosen) == 1
    again = Batches(bitext_of(sizes), direction, budget).epoch(seed, epoch)
    assert all(map(np.array_equal, drawn, again))


def naive_epoch(batches: Batches, seed: int, epoch: int) -> list[list[int]]:
    """Sort all examples by length, equal ones at random; cut; shuffle the batches."""
    random = np.random.default_rng([seed, epoch])
    examples = range(len(batches))
    noise = random.random(len(examples))
    lengths = (batches.read_lengths, batches.written_lengths)
    read, written = (of(np.array(examples)) for of in lengths)
    cut: list[list[int]] = []
    longest = 0
    for i in sorted(examples, key=lambda i: (written[i], read[i], noise[i])):
        longer = max(read[i], written[i])
        longest = max(longest, longer)
        if not cut or longest * (len(cut[-1]) + 1) > batches.batch_tokens:
            cut.append([])
            longest = longer
        cut[-1].append(i)
    return [cut[i] for i in random.permutation(len(cut))]


@given(lengths, st.sampled_from(["both", "forward"]), st.integers(1, 60))
def test_a_small_text_is_sorted_as_a_whole(
    sizes: list[tuple[int, int]], direction: str, budget: int
) -> None:
    batches = Batches(bitext_of(sizes), direction, budget)
    drawn = [batch.tolist() for batch in batches.epoch(3, 2)]
    assert drawn == naive_epoch(batches, 3, 2)


def naive_cut(lengths: list[tuple[int, int]], tokens: int, cells: float) -> list[slice]:
    """Take one after the other into a batch, until it would exceed a limit."""
    parts: list[slice] = []
    first = 0
    for last in range(1, len(lengths) + 1):
        src, tgt = (max(side) for side in zip(*lengths[first:last], strict=True))
        rows = last - first
        if rows > 1 and (rows * max(src, tgt) > tokens or rows * src * tgt > cells):
            parts.append(slice(first, last - 1))
            first = last - 1
    return [*parts, slice(first, len(lengths))] if lengths else []


@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12))),
    st.integers(1, 60),
    st.integers(1, 300) | st.just(math.inf),
)
def test_batches_end_where_the_next_would_exceed_a_limit(
    lengths: list[tuple[int, int]], tokens: int, cells: float
) -> None:
    """In any order: the longest so far counts, on each side."""
    found = cut(np.array(lengths, np.int64).reshape(-1, 2), tokens, cells)
    assert list(found) == naive_cut(lengths, tokens, cells)


@pytest.fixture
def sections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "SECTION_EXAMPLES", 64)
    monkeypatch.setattr(batching, "BLOCK_PAIRS", 4)


@pytest.mark.usefixtures("sections")
@pytest.mark.parametrize("direction", ["both", "forward"])
@pytest.mark.parametrize("pairs", [33, 65, 131, 400])
def test_a_large_text_is_sorted_by_sections(direction: str, pairs: int) -> None:
    """Each holds whole blocks of neighbours, other ones in every epoch."""
    batches = Batches(random_bitext(pairs), direction, 60)
    found = []
    for epoch in (0, 1):
        drawn = list(batches.epoch(1, epoch))
        assert sorted(np.concatenate(drawn).tolist()) == list(range(len(batches)))
        sections = [set(map(int, s)) for s in batches._sections(1, epoch)]
        assert max(map(len, sections)) <= 64
        for section in sections:
            in_pairs = {i % pairs for i in section}
            assert len(section) == len(in_pairs) * len(batches) // pairs
            blocks = {i // 4 for i in in_pairs}
            assert in_pairs == {i for i in range(pairs) if i // 4 in blocks}
        of_batch = [next(s for s in sections if int(b[0]) in s) for b in drawn]
        assert all(set(b.tolist()) <= s for b, s in zip(drawn, of_batch, strict=True))
        found.append([batch.tolist() for batch in drawn])
    assert found[0] != found[1]


@pytest.mark.usefixtures("sections")
@pytest.mark.parametrize("pairs", [20, 131])
def test_an_epoch_goes_on_after_any_batch(pairs: int) -> None:
    batches = Batches(random_bitext(pairs), "both", 60)
    whole = [batch.tolist() for batch in batches.epoch(1, 2)]
    done = 0
    for number, batch in enumerate(whole):
        rest = [left.tolist() for left in batches.epoch(1, 2, done)]
        assert rest == whole[number:]
        done += len(batch)
    assert list(batches.epoch(1, 2, done)) == []


@given(lengths, st.integers(0, 2**32), st.sampled_from(["both", "forward"]))
def test_loading_equals_padding_by_rows(
    sizes: list[tuple[int, int]], seed: int, direction: str
) -> None:
    rng = np.random.default_rng(seed)
    sides = zip(*sizes, strict=True)
    bitext = EncodedBitext(
        *(text(*(rng.integers(6, 99, n).tolist() for n in side)) for side in sides)
    )
    batches = Batches(bitext, direction, 60)
    examples = rng.integers(0, len(batches), 9)
    src, tgt, predicted, places = batches.load(examples)
    for row, example in enumerate(examples.tolist()):
        read, written = bitext.src, bitext.tgt
        tag = TO_TGT if direction == "both" else BOS
        if example >= len(bitext):
            read, written, tag = written, read, TO_SRC
        pair = example % len(bitext)
        for found, expected in (
            (src, [*read[pair], EOS]),
            (tgt, [tag, *written[pair]]),
            (predicted, [*written[pair], EOS]),
        ):
            assert found[row, : len(expected)].tolist() == expected
            assert not found[row, len(expected) :].any()
    real = [i for i, subword in enumerate(predicted.flatten().tolist()) if subword]
    assert places.tolist() == real
    assert src.shape[1] == batches.read_lengths(examples).max()
    assert tgt.shape == predicted.shape
    assert tgt.shape[1] == batches.written_lengths(examples).max()


@given(lengths, st.integers(1, 60))
def test_validation_has_every_example_once(
    sizes: list[tuple[int, int]], budget: int
) -> None:
    batches = Batches(bitext_of(sizes), "both", budget)
    rows = 0
    for batch in map(batches.load, batches.in_order()):
        rows += len(batch.src)
        assert max(batch.src.numel(), batch.tgt.numel()) <= budget or len(batch.src) < 2
    assert rows == 2 * len(sizes)


def order(batches: Batches, seed: int, epoch: int) -> NDArray[np.int64]:
    return np.concatenate(list(batches.epoch(seed, epoch)))


def test_seed_and_epoch_change_the_order_and_the_company() -> None:
    batches = Batches(random_bitext(300, longest=4), "both", 60)
    assert not np.array_equal(order(batches, 1, 0), order(batches, 1, 1))
    assert not np.array_equal(order(batches, 1, 0), order(batches, 2, 0))
    company = [
        {frozenset(chosen.tolist()) for chosen in batches.epoch(1, epoch)}
        for epoch in (0, 1)
    ]
    assert len(company[0] & company[1]) < len(company[0]) / 10


def test_batches_hold_examples_of_like_length() -> None:
    """Less than a tenth of the cells is padding; at random it would be nearly half."""
    batches = Batches(random_bitext(2000, longest=30), "both", 1000)
    cells = sum(
        len(chosen) * batches.written_lengths(chosen).max()
        for chosen in batches.epoch(1, 0)
    )
    assert batches.written_lengths(np.arange(4000)).sum() > 0.9 * cells


def test_both_directions_of_a_pair_differ_by_their_tag() -> None:
    bitext = EncodedBitext(text([7], [8]), text([9, 10], [11]))
    batches = Batches(bitext, "both", 100)
    there, back = (batches.load(np.array([i])) for i in (0, 2))
    assert (there.src.tolist(), there.tgt.tolist()) == ([[7, EOS]], [[TO_TGT, 9, 10]])
    assert (back.src.tolist(), back.tgt.tolist()) == ([[9, 10, EOS]], [[TO_SRC, 7]])


def test_a_single_direction_begins_with_bos() -> None:
    bitext = EncodedBitext(text([7]), text([9, 10]))
    batches = Batches(bitext, "forward", 100)
    assert [len(chosen) for chosen in batches.epoch(1, 0)] == [1]
    assert batches.load(np.array([0])).tgt.tolist() == [[BOS, 9, 10]]


def test_a_batch_moves_as_a_whole() -> None:
    batches = Batches(random_bitext(3), "both", 100)
    batch = batches.load(np.arange(3)).to(torch.device("meta"))
    assert {ids.device.type for ids in batch} == {"meta"}


@pytest.mark.parametrize("direction", ["both", "forward"])
def test_written_counts_what_the_decoder_predicts(direction: str) -> None:
    batches = Batches(random_bitext(20), direction, 50)
    for chosen in batches.epoch(1, 0):
        predicted = batches.load(chosen).predicted
        assert int(predicted.ne(PAD).sum()) == batches.written_lengths(chosen).sum()


def test_what_is_prepared_ahead_comes_in_order() -> None:
    threads: list[str] = []

    def items() -> Iterator[int]:
        for item in range(1, 6):
            threads.append(threading.current_thread().name)
            yield item

    found = ahead(items())
    assert next(found) == 1
    assert list(found) == [2, 3, 4, 5]
    assert threading.current_thread().name not in threads


def test_an_error_in_what_is_prepared_arrives() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(ValueError, match="no more"):
        next(found)
