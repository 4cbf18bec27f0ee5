"""Text as numbers, of words and of subwords, against lists of words."""

from collections import Counter
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligner.sample.grammar import sample_corpus
from aligner.text import numbered as numbered_module
from aligner.text import ragged as ragged_module
from aligner.text.numbered import NumberedBitext, NumberedText
from aligner.text.ragged import RaggedArray, steps
from aligner.text.subwords import Subwords

sentence = st.lists(st.sampled_from(["a", "B", "b", "A\u2028", "\ud800"]), max_size=5)
bitexts = st.lists(st.tuples(sentence, sentence), max_size=12)


@pytest.fixture(autouse=True)
def _several_blocks() -> None:
    with pytest.MonkeyPatch.context() as patch:
        for module in (ragged_module, numbered_module):
            patch.setattr(module, "SENTENCES", 3)
        yield


def in_order(sentences: list[list[str]]) -> list[str]:
    return list(dict.fromkeys(chain.from_iterable(sentences)))


def words_of(text: NumberedText) -> list[list[str]]:
    return [text[i] for i in range(len(text))]


@given(bitexts)
def test_the_words_come_back(pairs: list[tuple[list[str], list[str]]]) -> None:
    text = NumberedBitext.of(pairs)
    assert list(text) == pairs
    assert len(text) == len(pairs)
    for side, sentences in ((text.src, 0), (text.tgt, 1)):
        expected = [pair[sentences] for pair in pairs]
        assert side.words == in_order(expected)
        counts = Counter(chain.from_iterable(expected))
        assert list(side.counts().items()) == list(counts.items())


@given(bitexts, bitexts)
def test_one_text_follows_the_other(
    pairs: list[tuple[list[str], list[str]]], others: list[tuple[list[str], list[str]]]
) -> None:
    both = NumberedBitext.of(pairs).followed_by(NumberedBitext.of(others))
    assert list(both) == pairs + others


@given(bitexts, st.data())
def test_a_choice_of_pairs_is_numbered_anew(
    pairs: list[tuple[list[str], list[str]]], data: st.DataObject
) -> None:
    places = st.integers(0, max(len(pairs) - 1, 0))
    chosen = data.draw(st.lists(places, max_size=9)) if pairs else []
    found = NumberedBitext.of(pairs).select(np.array(chosen, np.int64))
    expected = [pairs[i] for i in chosen]
    assert list(found) == expected
    assert found.src.words == in_order([src for src, _ in expected])
    assert found.tgt.words == in_order([tgt for _, tgt in expected])


@given(bitexts, st.integers(0, 5), st.integers(0, 9))
def test_a_part_keeps_its_numbers(
    pairs: list[tuple[list[str], list[str]]], first: int, size: int
) -> None:
    text = NumberedBitext.of(pairs)
    part = text.part(min(first, len(pairs)), first + size)
    assert list(part) == pairs[first : first + size]
    assert part.src.words is text.src.words
    assert list(part.renamed(str.lower)) == [
        tuple([word.lower() for word in side] for side in pair)
        for pair in pairs[first : first + size]
    ]


def test_steps_by_hand() -> None:
    assert steps(np.array([2, 0, 3])).tolist() == [0, 1, 0, 1, 2]
    assert steps(np.array([], np.int64)).tolist() == []


def test_padding_by_hand() -> None:
    text = RaggedArray.gather(np.array(x, np.int32) for x in ([7, 8], [], [9]))
    assert text.padded(np.array([2, 1, 0]), -1).tolist() == [[9, -1], [-1, -1], [7, 8]]
    assert text.padded(np.array([1]), -1).shape == (1, 0)


@pytest.mark.parametrize("joint", [True, False])
def test_words_are_spelt_as_each_sentence_by_itself(joint: bool) -> None:
    pairs = [(pair.src, pair.tgt) for pair in sample_corpus(50)] + [((), ("\u6f22",))]
    text = NumberedBitext.of(pairs)
    subwords = Subwords.from_counts(
        text.src.counts(), text.tgt.counts(), vocab_size=200, joint=joint
    )
    sides = (("src", text.src), ("tgt", text.tgt))
    for place, (side, numbered) in enumerate(sides):
        table = subwords.table(numbered.words, side)  # type: ignore[arg-type]
        spelt, places = (
            f(table) for f in (numbered.numbers.spelt, numbered.numbers.places)
        )
        for i, pair in enumerate(pairs):
            ids, words = subwords.encode(pair[place], side)  # type: ignore[arg-type]
            assert spelt[i].tolist() == ids.tolist()
            assert places[i].tolist() == words.tolist()


@pytest.mark.parametrize("joint", [True, False])
def test_subwords_from_counts_are_those_from_sentences(joint: bool) -> None:
    pairs = [(pair.src, pair.tgt) for pair in sample_corpus(300)]
    text = NumberedBitext.of(pairs)
    options = {"vocab_size": 150, "joint": joint}
    one = Subwords.train(*zip(*pairs, strict=True), **options)
    other = Subwords.from_counts(text.src.counts(), text.tgt.counts(), **options)
    assert one._models == other._models
