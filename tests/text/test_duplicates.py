"""Pairs that have been there before, against a set of all pairs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligner.text import duplicates
from aligner.text.duplicates import PairHashes

words = st.lists(st.sampled_from(["a", "b", "\ud800"]), max_size=2)


def repeated(pairs: list[tuple[list[str], list[str]]]) -> list[bool]:
    hashes = PairHashes()
    for src, tgt in pairs:
        hashes.add(src, tgt)
    found: list[bool] = hashes.repeated().tolist()
    return found


@pytest.mark.parametrize("part", [1, 4, 1000])
@given(st.lists(st.tuples(words, words), max_size=40))
def test_equals_a_set(part: int, pairs: list[tuple[list[str], list[str]]]) -> None:
    """By parts of one pair, of several, and of all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "PART", part)
        patch.setattr(duplicates, "BLOCK", 5)
        found = repeated(pairs)
    keys = [(tuple(src), tuple(tgt)) for src, tgt in pairs]
    assert found == [key in keys[:i] for i, key in enumerate(keys)]


def test_the_same_words_on_other_sides_are_another_pair() -> None:
    pairs = [(["a", "b"], ["x"]), (["a"], ["b", "x"]), (["a", "b"], ["x"])]
    assert repeated(pairs) == [False, False, True]
