"""The links of a text in flat arrays, against a list of those of each pair."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from aligner.errors import ModelError
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


def test_links_come_back_from_a_file(tmp_path: Path) -> None:
    pairs = [[(0, 1, 0.25), (3, 2, 1.0)], [], [(9, 9, 0.25)], []]
    links = text_links(pairs)
    links.save(tmp_path / "links")
    stored = load_file(tmp_path / "links")
    assert stored["src"].tolist() == [0, 3, 9]
    assert stored["ends"].tolist() == [2, 2, 3, 3]
    loaded = TextLinks.load(tmp_path / "links", len(pairs))
    assert [listed(found) for found in loaded] == pairs


@pytest.mark.parametrize("content", [b"", b"no safetensors", None])
def test_damaged_or_foreign_links_are_refused(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "links"
    if content is None:
        text_links([[(0, 0, 1.0)]] * 3).save(path)
    else:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"links: (damaged|the training text differs)"):
        TextLinks.load(path, 4)
