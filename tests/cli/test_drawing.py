"""The matrix that shows a sentence pair's links in the terminal."""

from aligner.cli.drawing import draw
from aligner.links.alignment import GoldAlignment


def test_every_kind_of_cell_is_marked_under_its_word() -> None:
    gold = GoldAlignment(frozenset({(0, 0), (1, 2)}), frozenset({(0, 1)}))
    links = frozenset({(0, 0), (0, 1), (1, 1)})
    drawn = draw(["ab", "c"], ["x", "yyy", "z"], links, gold)
    assert drawn.plain.splitlines() == [
        "    x  yyy  z",
        "ab  ●   ●   ·",  # a sure and a possible link: both are correct
        "c   ·   ×   ○",  # a wrong link; a sure one missed
    ]


def test_wide_characters_keep_the_columns() -> None:
    gold = GoldAlignment(frozenset({(0, 1)}), frozenset())
    lines = draw(["家"], ["ein", "Haus"], frozenset({(0, 1)}), gold).plain
    # The character takes two cells, so one fewer space stands before the first mark.
    assert lines.splitlines() == ["    ein  Haus", "家   ·    ●  "]
