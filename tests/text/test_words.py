"""Words are what links point at: splitting must be predictable to the character."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligner.errors import ConfigError
from aligner.text.words import moses_tokenizer, split_words


def test_only_spaces_and_tabs_separate_words() -> None:
    line = " a\u00a0b \t c\u2028d\u3000e  f\x0cg\u0085h\ri\t"
    assert split_words(line) == ["a\u00a0b", "c\u2028d\u3000e", "f\x0cg\u0085h\ri"]


@pytest.mark.parametrize("line", ["", " ", "\t \t"])
def test_blank_lines_have_no_words(line: str) -> None:
    assert split_words(line) == []


@given(st.lists(st.text(st.characters(exclude_characters=" \t"), min_size=1)))
def test_joining_and_splitting_are_inverse(words: list[str]) -> None:
    assert split_words(" ".join(words)) == words


def test_moses_separates_punctuation_and_escapes_nothing() -> None:
    tokenize = moses_tokenizer("en")
    words = tokenize('He said: "Mr. Smith\'s R&D [cost] is <3.5 | 4>."')
    assert words[:4] == ["He", "said", ":", '"']
    assert "Mr." in words  # an abbreviation of the language keeps its stop
    assert words[-2:] == [".", '"']
    assert not any("&amp;" in w or "&quot;" in w or "&#" in w for w in words)


def test_moses_rules_depend_on_the_language() -> None:
    assert moses_tokenizer("fr")("L'été")[:2] == ["L'", "été"]
    assert moses_tokenizer("en")("L'été")[:2] == ["L", "'été"]


def test_moses_words_survive_writing_and_reading() -> None:
    words = moses_tokenizer("fr")("prix\u00a0: 3\u202f000\u00a0€ \x0c fin\u2028suite")
    assert split_words(" ".join(words)) == words


@pytest.mark.parametrize("language", ["ja", "zh", "yue", "th", "my", "km", "lo"])
def test_languages_without_spaces_are_refused(language: str) -> None:
    with pytest.raises(ConfigError, match="no spaces between words, and Moses"):
        moses_tokenizer(language)


def test_unknown_language_is_refused_rather_than_taken_for_english() -> None:
    with pytest.raises(ConfigError, match=r"de, el, en.*got 'xx'"):
        moses_tokenizer("xx")
