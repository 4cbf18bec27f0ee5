"""The table: what a spreadsheet reads is what was written, whatever the words."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from aligner.links.aligned_pair import AlignedPair
from aligner.links.table import COLUMNS, TABLE_HEAD, link_rows

WORD = st.text(st.characters(codec="utf-8", exclude_characters="\n\t "), min_size=1)


@given(st.lists(WORD, min_size=1, max_size=3), st.lists(WORD, min_size=1, max_size=3))
def test_every_link_is_a_row(src: list[str], tgt: list[str]) -> None:
    scores = {(i, j): 0.5 for i in range(len(src)) for j in range(len(tgt))}
    text = TABLE_HEAD + link_rows(AlignedPair(frozenset(scores), scores), (src, tgt), 7)
    head, *rows = csv.reader(io.StringIO(text, newline=""), "excel-tab")
    assert tuple(head) == COLUMNS
    assert rows == [
        ["7", str(i), str(j), "0.5000", src[i], tgt[j]] for i, j in sorted(scores)
    ]
