"""Symmetrization follows Moses symal link for link.

`sweep_matrix` tells the same rules in the plainest way, over a whole matrix; the cases
worked by hand check both against the rules themselves.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligner.errors import ConfigError
from aligner.links.alignment import Alignment, flip
from aligner.links.formats import format_pharaoh, parse_pharaoh
from aligner.links.symmetrization import METHODS, symmetrize


def join(forward: str, reverse: str, method: str) -> str:
    links = symmetrize(parse_pharaoh(forward), parse_pharaoh(reverse), method)
    return format_pharaoh(links)


def sweep_matrix(forward: Alignment, reverse: Alignment, method: str) -> Alignment:
    """Visit every cell of the matrix in turn until a sweep adds nothing."""
    union, links = forward | reverse, set(forward & reverse)
    if "grow" not in method:
        return union if method == "union" else frozenset(links)
    size = range(1 + max((max(link) for link in union), default=0))
    straight = [(-1, 0), (0, -1), (1, 0), (0, 1)]
    diagonal = [(-1, -1), (-1, 1), (1, -1), (1, 1)]
    offsets = straight + (diagonal if "diag" in method else [])

    def uncovered(src: int, tgt: int) -> int:
        return (src not in {s for s, _ in links}) + (tgt not in {t for _, t in links})

    added = True
    while added:
        added = False
        for tgt in size:
            for src in size:
                if (src, tgt) not in links:
                    continue
                for tgt_step, src_step in offsets:
                    link = (src + src_step, tgt + tgt_step)
                    if link in union and uncovered(*link):
                        links.add(link)
                        added = True
    if "final" in method:
        for only in (forward - reverse, reverse - forward):
            for src, tgt in sorted(only, key=lambda link: link[::-1]):
                if uncovered(src, tgt) >= (2 if method.endswith("-and") else 1):
                    links.add((src, tgt))
    return frozenset(links)


@st.composite
def directions(draw: st.DrawFn) -> tuple[Alignment, Alignment]:
    """Two models' best choices, as they agree more or less often."""
    src_words, tgt_words = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    choices = st.lists(st.integers(-1, src_words - 1), min_size=tgt_words)
    sources = draw(choices)[:tgt_words]
    targets = draw(st.lists(st.integers(-1, tgt_words - 1), min_size=src_words))
    targets = targets[:src_words]
    for tgt, src in enumerate(sources):
        if src >= 0 and draw(st.booleans()):
            targets[src] = tgt
    forward = frozenset((s, t) for t, s in enumerate(sources) if s >= 0)
    reverse = frozenset((s, t) for s, t in enumerate(targets) if t >= 0)
    return forward, reverse


many_to_many = st.tuples(
    *[st.frozensets(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=18)] * 2
)
pairs = st.one_of(directions(), many_to_many)


@pytest.mark.parametrize("method", METHODS)
@given(pair=pairs)
def test_equals_the_plain_sweep_over_the_matrix(
    pair: tuple[Alignment, Alignment], method: str
) -> None:
    assert symmetrize(*pair, method) == sweep_matrix(*pair, method)


@given(pairs)
def test_what_lies_within_what(pair: tuple[Alignment, Alignment]) -> None:
    by = {method: symmetrize(*pair, method) for method in METHODS}
    assert by["intersection"] == pair[0] & pair[1]
    assert by["union"] == pair[0] | pair[1]
    assert by["intersection"] <= by["grow"] <= by["union"]
    assert by["intersection"] <= by["grow-diag"]
    assert by["grow-diag"] <= by["grow-diag-final"] <= by["union"]
    assert by["grow-diag"] <= by["grow-diag-final-and"] <= by["union"]


@pytest.mark.parametrize("method", ["intersection", "union", "grow", "grow-diag"])
@given(pair=pairs)
def test_the_directions_are_equal_until_final(
    pair: tuple[Alignment, Alignment], method: str
) -> None:
    forward, reverse = pair
    assert symmetrize(forward, reverse, method) == symmetrize(reverse, forward, method)


@pytest.mark.parametrize("method", ["intersection", "union"])
@given(pair=pairs)
def test_the_sides_are_equal_where_nothing_grows(
    pair: tuple[Alignment, Alignment], method: str
) -> None:
    forward, reverse = pair
    flipped = symmetrize(flip(reverse), flip(forward), method)
    assert flip(flipped) == symmetrize(forward, reverse, method)


@pytest.mark.parametrize("method", METHODS)
@given(alignment=directions().map(lambda pair: pair[0]))
def test_agreeing_directions_are_the_result(alignment: Alignment, method: str) -> None:
    assert symmetrize(alignment, alignment, method) == alignment


@pytest.mark.parametrize("method", METHODS)
def test_nothing_joined_with_nothing_is_nothing(method: str) -> None:
    assert join("", "", method) == ""


def test_growing_is_empty_without_an_intersection_to_start_from() -> None:
    assert join("0-0 0-1", "1-0 1-1", "grow-diag") == ""


def test_grow_takes_straight_neighbours_and_grow_diag_diagonal_ones() -> None:
    # Intersection 0-0. In the union besides: 0-1 beside it, 1-2 diagonal to 0-1.
    forward, reverse = "0-0 0-1 1-2", "0-0"
    assert join(forward, reverse, "grow") == "0-0 0-1"
    assert join(forward, reverse, "grow-diag") == "0-0 0-1 1-2"


def test_growing_needs_one_uncovered_word_not_two() -> None:
    # 0-1 shares source word 0 with the intersection; only target word 1 is uncovered.
    assert join("0-0 0-1", "0-0", "grow-diag") == "0-0 0-1"


def test_growing_goes_by_target_word() -> None:
    # Intersection 0-2 and 2-0; in the union besides 0-1 and 1-1.
    #
    # By target word, 2-0 comes first. Of its neighbours only 1-1 (target on, source
    # back) is in the union; both its words are uncovered: it joins. Source 0 and 1 and
    # target 1 are covered now, so 0-1, a neighbour of 1-1 and of 0-2, stays out.
    forward, reverse = "0-1 0-2 2-0", "0-2 1-1 2-0"
    assert join(forward, reverse, "grow-diag") == "0-2 1-1 2-0"
    # With the sides exchanged, 2-0 comes first again, which is 0-2 here. Its neighbour
    # 1-0 (which is 0-1) joins for target word 1; then 1-1 for source word 1.
    flipped = symmetrize(
        flip(parse_pharaoh(reverse)), flip(parse_pharaoh(forward)), "grow-diag"
    )
    assert format_pharaoh(flip(flipped)) == "0-1 0-2 1-1 2-0"


def test_a_link_ahead_is_visited_in_the_sweep_that_added_it() -> None:
    # Intersection 2-1; in the union besides 0-1, 0-2, 1-0, 1-2.
    #
    # First sweep, at 2-1 (source 2, target 1). Straight neighbours: none in the union
    # (2-0, 1-1, 2-2, 3-1). Diagonal: 1-0 joins (source 1 and target 0 uncovered); 1-2
    # joins (target 2 uncovered). 1-0 lies behind and waits for the second sweep. 1-2
    # lies ahead and is visited now: its neighbour 0-2 (source back) joins for source 0.
    #
    # Second sweep, at 1-0: 0-1 is diagonal to it, but source 0 and target 1 are covered
    # by now. Had 1-2 waited as well, 1-0 would have come first and taken 0-1 instead.
    assert join("0-2 1-0 2-1", "0-1 1-2 2-1", "grow-diag") == "0-2 1-0 1-2 2-1"


def test_straight_neighbours_are_tried_before_diagonal_ones() -> None:
    # At 0-1, 0-0 (target back) joins for target 0, then 1-0 (diagonal) for source 1.
    # The other way round, 1-0 would cover both and keep 0-0 out.
    assert join("0-0 0-1", "0-1 1-0", "grow-diag") == "0-0 0-1 1-0"


def test_diagonal_neighbours_are_tried_source_back_before_source_on() -> None:
    # At 1-0, 0-0 (source back) joins for source 0. Then the diagonals with target on:
    # 0-1 (source back) joins for target 1, and 2-1 (source on) for source 2. The other
    # way round, 2-1 would cover target 1 and keep 0-1 out.
    assert join("0-1 1-0", "0-0 1-0 2-1", "grow-diag") == "0-0 0-1 1-0 2-1"


def test_final_takes_forward_links_before_reverse_ones() -> None:
    # No intersection. 0-0 comes first as the forward link and covers target 0; then 1-0
    # still has an uncovered source word, which is enough for `final` alone.
    assert join("0-0", "1-0", "grow-diag-final-and") == "0-0"
    assert join("1-0", "0-0", "grow-diag-final-and") == "1-0"
    assert join("0-0", "1-0", "grow-diag-final") == "0-0 1-0"


def test_final_goes_by_target_word() -> None:
    # 3-0 (target 0) precedes 0-2 and 3-2; it covers source 3, so that 3-2 needs target
    # 2: 0-2 comes before it there (lower source) and takes it.
    assert join("3-0 0-2 3-2", "", "grow-diag-final-and") == "0-2 3-0"


def test_final_passes_over_links_with_both_words_covered() -> None:
    # Intersection 0-0 and 2-2. 0-2 connects two covered words: no variant takes it.
    for method in ("grow-diag-final", "grow-diag-final-and"):
        assert join("0-0 2-2 0-2", "0-0 2-2", method) == "0-0 2-2"


def test_greedy_results_need_not_nest() -> None:
    # The case of test_growing_goes_by_target_word: without diagonals, nothing takes
    # target word 1 before 0-1, a straight neighbour of 0-2, does.
    assert join("0-1 0-2 2-0", "0-2 1-1 2-0", "grow") == "0-1 0-2 1-1 2-0"
    # `final` takes 1-0 for its target word, then 0-1 for its source word, and leaves
    # nothing for 0-0. `final-and` refuses both (source 1 and target 1 are covered), and
    # takes 0-0.
    forward, reverse = "0-1 1-0 2-2", "0-0 1-3 2-2 3-1"
    assert join(forward, reverse, "grow-diag") == "1-3 2-2 3-1"
    assert join(forward, reverse, "grow-diag-final") == "0-1 1-0 1-3 2-2 3-1"
    assert join(forward, reverse, "grow-diag-final-and") == "0-0 1-3 2-2 3-1"


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(ConfigError, match=r"expected one of .*grow.*, got 'grow-dig'"):
        symmetrize(frozenset(), frozenset(), "grow-dig")


def test_long_chains_are_walked_once() -> None:
    # A staircase that every sweep would walk again: quadratic time would be felt.
    words = 20_000
    forward = frozenset((n, n) for n in range(words))
    reverse = frozenset({(words - 1, words - 1)})
    assert symmetrize(forward, reverse, "grow-diag") == forward
