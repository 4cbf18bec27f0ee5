"""A dictionary: words that translate each other, an entry a line."""

from pathlib import Path

from aligner.errors import CorpusError
from aligner.text.bitext import read_lines
from aligner.text.numbered import NumberedBitext, Numbering
from aligner.text.tokenizers import Languages, word_tokenizers

TAB = "\t"


def read_dictionary(
    path: str | Path, languages: Languages | None = None
) -> NumberedBitext:
    """Return the entries of a file as sentence pairs: source, a tab, target.

    Args:
        path: as `read_lines` takes it. Either side may have several words.
        languages: by which either side is cut into words, at spaces if None.

    Raises:
        CorpusError: it cannot be read, or a line, which is named, is no entry.
    """
    name = "<stdin>" if str(path) == "-" else str(path)
    src_words, tgt_words = word_tokenizers(languages)
    numbering, entries = Numbering(), 0
    for entries, line in enumerate(read_lines(path), start=1):
        src, tab, tgt = line.partition(TAB)
        if not tab or TAB in tgt:
            raise CorpusError(
                f"{name}, line {entries}: expected one tab, between source and "
                f"target, got {line.count(TAB)}"
            )
        pair = src_words(src), tgt_words(tgt)
        for side, words in zip(("source", "target"), pair, strict=True):
            if not words:
                raise CorpusError(
                    f"{name}, line {entries}: expected words on both sides of the tab, "
                    f"got an empty {side}"
                )
        numbering.add(*pair)
    if not entries:
        raise CorpusError(f"{name}: expected entries of a dictionary, got none")
    return numbering.finish()
