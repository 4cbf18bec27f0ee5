"""How often words and subwords occur in the text that a model was trained on."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

from aligner.errors import AlignerError
from aligner.extraction.ways import Way
from aligner.nmt.checkpoint import TranslationModel
from aligner.terms import OneWay
from aligner.text.bitext import read_bitext
from aligner.text.tokenizers import word_tokenizers

WordCounts: TypeAlias = Mapping[str, int]


class TextPlace(NamedTuple):
    """Where a model's directory says that it was trained; None where it doesn't."""

    src: str | None
    tgt: str | None
    tokenize: tuple[str, str] | None

    @classmethod
    def of(cls, model: TranslationModel) -> "TextPlace":
        """Return what a model says; nothing can be read of stdin again."""
        files = model.meta.files
        if "-" in (files.src, files.tgt):
            return cls(None, None, None)
        return cls(files.src, files.tgt, files.tokenize)


def training_words(text: TextPlace, direction: OneWay) -> dict[str, int] | None:
    """Count the words of the side that is read in a training text.

    Returns None where it cannot be read any more.
    """
    if text.src is None:
        return None
    try:
        tokenizers = word_tokenizers(text.tokenize)
        read = 0 if direction == "forward" else 1
        sides = (pair[read] for pair in read_bitext(text.src, text.tgt))
        return count_words(map(tokenizers[read], sides))
    except AlignerError:
        return None


def count_words(sentences: Iterable[Iterable[str]]) -> dict[str, int]:
    """Return how often each word occurs."""
    counts: Counter[str] = Counter()
    for words in sentences:
        counts.update(words)
    return dict(counts)


def count_subwords(words: WordCounts, way: Way) -> Counter[int]:
    """Return how often each subword that is read occurs in words of such counts."""
    counts: Counter[int] = Counter()
    for word, count in words.items():
        cut = way.cut(([word], [word]))  # whichever side is read
        for subword in cut.src[cut.src_words >= 0].tolist():
            counts[subword] += count
    return counts
