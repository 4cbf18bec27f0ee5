"""Words are what links point at: splitting must be predictable to the character."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligner.text.words import split_sentence, split_words


def test_only_spaces_and_tabs_separate_words() -> None:
    line = " a\u00a0b \t c\u2028d\u3000e  f\x0cg\u0085h\ri\t"
    assert split_words(line) == ["a\u00a0b", "c\u2028d\u3000e", "f\x0cg\u0085h\ri"]


@pytest.mark.parametrize("line", ["", " ", "\t \t"])
def test_blank_lines_have_no_words(line: str) -> None:
    assert split_words(line) == []


@given(st.lists(st.text(st.characters(exclude_characters=" \t"), min_size=1)))
def test_joining_and_splitting_are_inverse(words: list[str]) -> None:
    assert split_words(" ".join(words)) == words


@given(st.text())
def test_words_between_spaces_know_their_places(line: str) -> None:
    sentence = split_sentence(line)
    assert sentence == split_words(line)
    assert [line[start:end] for start, end in sentence.spans] == sentence
