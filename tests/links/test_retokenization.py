"""Links carried to other words of the same text join what shares characters."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligner.errors import CorpusError, LinkFormatError
from aligner.links.alignment import Alignment
from aligner.links.formats import format_pharaoh, parse_pharaoh
from aligner.links.retokenization import carry, retokenize

Words = list[str]


def carried(links: str, src: tuple[str, str], tgt: tuple[str, str]) -> str:
    old_src, new_src = (words.split() for words in src)
    old_tgt, new_tgt = (words.split() for words in tgt)
    pairs = (old_src, new_src), (old_tgt, new_tgt)
    return format_pharaoh(retokenize(parse_pharaoh(links), *pairs))


@pytest.mark.parametrize(
    ("src", "new_src", "expected"),
    [
        ("the house", "the house", "0-0 1-1"),
        ("the house", "\u2581the \u2581ho use", "0-0 1-1 2-1"),
        ("the house", "\u2581 the \u2581 house", "1-0 3-1"),  # a mark that stands alone
        ("the house", "th@@ e house", "0-0 1-0 2-1"),
        ("The house", "the ho ##us ##e", "0-0 1-1 2-1 3-1"),  # uncased WordPiece
        ("th@@ e house", "the house", "0-0"),  # back from pieces; `house` was word 2
        ("the house", "thehouse", "0-0 0-1"),  # as one word
        ("the house", "t he hou se", "0-0 1-0 2-1 3-1"),
        ("a@@ b", "a@ @ b", "0-0 1-0 2-1"),  # marks of no kind are text
        ("\ufb01ne day", "fin e day", "0-0 1-0 2-1"),  # as sentencepiece writes it
        ("a\u3000b c", "a b c", "0-0 1-0 2-1"),
    ],
)
def test_cases_by_hand(src: str, new_src: str, expected: str) -> None:
    old, new = src.split(" "), new_src.split(" ")
    links = frozenset({(0, 0), (1, 1)})
    if src.startswith("th@@"):
        links = frozenset({(1, 0)})
    found = retokenize(links, (old, new), (["x", "y"], ["x", "y"]))
    assert format_pharaoh(found) == expected


def test_the_highest_value_wins() -> None:
    src = (["un", "seen"], ["unseen"])
    assert carry({(0, 0): 0.2, (1, 0): 0.9}, src, (["x"], ["x"])) == {(0, 0): 0.9}


def test_texts_that_differ_are_an_error() -> None:
    with pytest.raises(
        CorpusError, match=r"the source texts differ: .*'use', got 'se'"
    ):
        carried("0-0", ("house", "hose"), ("x", "x"))
    with pytest.raises(CorpusError, match=r"the target texts differ: .*its end, got"):
        carried("0-0", ("house", "house"), ("x", "x y"))


def test_links_beyond_the_text_are_an_error() -> None:
    with pytest.raises(LinkFormatError, match="up to 1-0, the last words, got 2-0"):
        carried("2-0", ("the house", "the house"), ("x", "x"))


@st.composite
def cuttings(draw: st.DrawFn) -> tuple[Words, Words]:
    """One text, cut in two ways."""
    text = draw(st.text("ab\u00e4\u4e2d", min_size=1, max_size=12))
    both = []
    for _ in range(2):
        cuts = draw(st.sets(st.integers(1, len(text)), max_size=6))
        ends = [0, *sorted(cuts - {len(text)}), len(text)]
        both.append([text[a:b] for a, b in pairwise(ends)])
    return both[0], both[1]


def spans(words: Words) -> list[set[int]]:
    ends = [sum(map(len, words[: n + 1])) for n in range(len(words))]
    return [set(range(e - len(w), e)) for e, w in zip(ends, words, strict=True)]


def plainly(
    links: Alignment, src: tuple[Words, Words], tgt: tuple[Words, Words]
) -> set[tuple[int, int]]:
    """Compare the characters of every new word with those of every old one."""
    (old_src, new_src), (old_tgt, new_tgt) = (map(spans, side) for side in (src, tgt))
    return {
        (i, j)
        for i, here in enumerate(new_src)
        for j, there in enumerate(new_tgt)
        if any(old_src[a] & here and old_tgt[b] & there for a, b in links)
    }


@st.composite
def cases(
    draw: st.DrawFn,
) -> tuple[Alignment, tuple[Words, Words], tuple[Words, Words]]:
    src, tgt = draw(cuttings()), draw(cuttings())
    places = [st.integers(0, len(old) - 1) for old, _ in (src, tgt)]
    return draw(st.frozensets(st.tuples(*places), max_size=8)), src, tgt


Case = tuple[Alignment, tuple[Words, Words], tuple[Words, Words]]


@given(case=cases())
def test_equals_the_comparison_of_all_characters(case: Case) -> None:
    assert retokenize(*case) == plainly(*case)


@given(case=cases())
def test_there_and_back_loses_no_link(case: Case) -> None:
    links, src, tgt = case
    back = retokenize(retokenize(*case), src[::-1], tgt[::-1])
    assert back >= links


@given(case=cases(), mark=st.sampled_from(["\u2581{}", "{}@@", "##{}"]))
def test_the_same_words_keep_their_links(case: Case, mark: str) -> None:
    links, (src, _), (tgt, _) = case
    assert retokenize(links, (src, src), (tgt, tgt)) == links
    marked = [mark.format(word) for word in src]
    assert retokenize(links, (src, marked), (tgt, tgt)) == links
