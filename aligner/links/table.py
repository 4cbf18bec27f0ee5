"""A table with a link a line, for spreadsheets: tab-separated, quoted."""

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
    return "".join(
        f"{number}\t{i}\t{j}\t{aligned.scores[i, j]:.4f}"
        f"\t{_quoted(src[i])}\t{_quoted(tgt[j])}\n"
        for i, j in sorted(aligned.links)
    )


def _quoted(word: str) -> str:
    if '"' in word or "\r" in word:
        return '"' + word.replace('"', '""') + '"'
    return word
