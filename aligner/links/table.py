"""A table with a link a line, for spreadsheets: tab-separated, quoted."""

import csv
import io
from collections.abc import Sequence

from aligner.links.aligned_pair import AlignedPair

COLUMNS = ("pair", "src", "tgt", "score", "src_word", "tgt_word")
TABLE_HEAD = "\t".join(COLUMNS) + "\n"


def link_rows(
    aligned: AlignedPair, words: tuple[Sequence[str], Sequence[str]], number: int
) -> str:
    """Return a line for each link of a pair, with the pair's number, from 1.

    Words are counted from 0. A word with a quotation mark stands in quotation marks,
    the mark doubled; Python's `csv.reader` reads it with the dialect `excel-tab`.
    """
    src, tgt = words
    rows = io.StringIO()
    csv.writer(rows, "excel-tab", lineterminator="\n").writerows(
        (number, i, j, f"{aligned.scores[i, j]:.4f}", src[i], tgt[j])
        for i, j in sorted(aligned.links)
    )
    return rows.getvalue()
