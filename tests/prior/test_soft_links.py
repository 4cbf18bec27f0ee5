"""The links of a text in flat arrays, against a list of those of each pair."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aligner.prior.soft_links import SoftLinks, TextLinks

link = st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from([0.25, 1.0]))
texts = st.lists(st.lists(link, max_size=4), min_size=1, max_size=9)
Pairs = list[list[tuple[int, int, float]]]


def text_links(pairs: Pairs) -> TextLinks:
    return TextLinks.gather(
        SoftLinks(
            np.array([s for s, _, _ in pair], np.int32),
            np.array([t for _, t, _ in pair], np.int32),
            np.array([p for _, _, p in pair], np.float32),
        )
        for pair in pairs
    )


def listed(links: SoftLinks) -> list[tuple[int, int, float]]:
    return list(zip(*(part.tolist() for part in links), strict=True))


@given(texts)
def test_every_pair_comes_back(pairs: Pairs) -> None:
    links = text_links(pairs)
    assert len(links) == len(pairs)
    assert [listed(found) for found in links] == pairs
    assert [part.dtype for part in links.links] == [np.int32, np.int32, np.float32]


@given(texts, st.data())
def test_a_choice_of_pairs(pairs: Pairs, data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(pairs) - 1), max_size=9))
    links, places = text_links(pairs), np.array(chosen, np.int64)
    expected = [pairs[i] for i in chosen]
    assert [listed(found) for found in links.select(places)] == expected
    assert links.counts(places).tolist() == [len(pair) for pair in expected]
    assert listed(links.flat(places)) == [one for pair in expected for one in pair]
