"""Words become pieces, each of one word, with what stands around a sentence."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aligner.pretrained.one_way import Pieces
from aligner.text.subwords import UNK


def cut(word: str, /) -> list[int]:
    """Cut into characters, of which `z` is unknown to any vocabulary."""
    return [10 + ord(letter) for letter in word if letter != "z"]


@given(st.lists(st.text("abz", min_size=1), min_size=1))
def test_every_word_has_its_own_pieces(words: list[str]) -> None:
    ids, of_word = Pieces(cut)(words)
    for number, word in enumerate(words):
        assert ids[of_word == number].tolist() == (cut(word) or [UNK])
    assert (np.diff(of_word) >= 0).all()


def test_what_stands_around_a_sentence_is_of_no_word() -> None:
    ids, of_word = Pieces(cut, before=[7], after=[8, 9])(["ab", "z"])
    assert ids.tolist() == [7, 107, 108, UNK, 8, 9]
    assert of_word.tolist() == [-1, 0, 0, 1, -1, -1]


def test_lone_surrogates_and_other_forms_are_one_word() -> None:
    pieces = Pieces(lambda word: [len(word.encode())])
    assert pieces(["\ud800"])[0].tolist() == [1]
    assert pieces(["e\u0301"])[0].tolist() == pieces(["\xe9"])[0].tolist()
