"""Draw a sentence pair's links in the terminal."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

from aligner.links.alignment import Alignment, GoldAlignment

CORRECT, MISSED, WRONG, NOTHING = "●", "○", "×", "·"
COLOURS = {CORRECT: "green", MISSED: "yellow", WRONG: "red", NOTHING: "dim"}
LEGEND = f"{CORRECT} correct  {MISSED} missed  {WRONG} wrong"


def draw(
    src: Sequence[str], tgt: Sequence[str], links: Alignment, gold: GoldAlignment
) -> Text:
    """Return a matrix with a row for each source and a column for each target word."""
    margin = max(map(cell_len, src), default=0)
    text = Text(" " * margin)
    for word in tgt:
        text.append(f"  {word}")
    for i, word in enumerate(src):
        text.append("\n" + word + " " * (margin - cell_len(word)))
        for j, column in enumerate(tgt):
            mark = _mark((i, j), links, gold)
            width = cell_len(column)
            text.append("  " + " " * ((width - 1) // 2))
            text.append(mark, style=COLOURS[mark])
            text.append(" " * (width // 2))
    return text


def _mark(link: tuple[int, int], links: Alignment, gold: GoldAlignment) -> str:
    if link in links:
        return CORRECT if link in gold.possible else WRONG
    return MISSED if link in gold.sure else NOTHING
