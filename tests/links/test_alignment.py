"""Alignments as sets of links."""

from aligner.links.alignment import GoldAlignment, flip


def test_flip_exchanges_the_sides() -> None:
    assert flip([(0, 1), (2, 0)]) == {(1, 0), (0, 2)}


def test_flip_twice_changes_nothing() -> None:
    links = frozenset({(0, 3), (5, 5), (2, 1)})
    assert flip(flip(links)) == links


def test_sure_links_are_possible_too() -> None:
    gold = GoldAlignment(sure=frozenset({(0, 0)}), possible=frozenset({(1, 1)}))
    assert gold.possible == {(0, 0), (1, 1)}
    assert gold.sure == {(0, 0)}
