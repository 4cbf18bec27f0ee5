"""Parallel text with its gold alignments, read together and checked."""

from collections.abc import Sequence

from aligner.cli.console import say
from aligner.errors import LinkFormatError
from aligner.links.alignment import GoldAlignment
from aligner.links.evaluation import gold_gaps
from aligner.links.formats import read_gold
from aligner.terms import GoldFormat
from aligner.text.bitext import read_bitext
from aligner.text.tokenizers import word_tokenizers

WordPair = tuple[list[str], list[str]]


def read_pairs(
    src: str, tgt: str | None, tokenize: tuple[str, str] | None = None
) -> list[WordPair]:
    """Read parallel text as words.

    Raises:
        CorpusError: it cannot be read.
    """
    src_words, tgt_words = word_tokenizers(tokenize)
    return [(src_words(s), tgt_words(t)) for s, t in read_bitext(src, tgt)]


def read_gold_of(
    pairs: Sequence[WordPair],
    gold: str,
    format: GoldFormat | None,
    base: int | None,
    *,
    reverse: bool,
) -> list[GoldAlignment]:
    """Read the gold alignments of sentence pairs.

    Raises:
        LinkFormatError: it is malformed, or belongs to other text.
    """
    one_based = None if base is None else base == 1
    found = read_gold(
        gold,
        format=format,
        one_based=one_based,
        reverse=reverse,
        sentences=len(pairs),
    )
    for number, ((src, tgt), one) in enumerate(zip(pairs, found, strict=True), start=1):
        for i, j in sorted(one.possible):
            if i >= len(src) or j >= len(tgt):
                raise LinkFormatError(
                    f"{gold}: pair {number}: expected links within {len(src)} source "
                    f"and {len(tgt)} target words, got {i}-{j} (counted from 0): "
                    "is it the gold of this text? In this direction (--gold-reverse), "
                    "from this index base (--gold-base)?"
                )
    if gaps := gold_gaps(found):
        say(f"warning: {gold}: {gaps}")
    return found
