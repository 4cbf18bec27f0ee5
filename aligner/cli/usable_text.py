"""The text that a prior learns from or aligns, and what its pairs lack."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from aligner.cli.console import say
from aligner.cli.link_lines import LISTED_PROBLEMS

if TYPE_CHECKING:
    from aligner.text.kept import KeptSentences, SentencePair
    from aligner.text.numbered import NumberedBitext, WordPair
    from aligner.text.tokenizers import Languages


class Text(NamedTuple):
    """A text to be read, and the languages that cut it, if it is raw."""

    src: str
    tgt: str | None
    languages: "Languages | None"

    @property
    def is_raw(self) -> bool:
        """Whether words do not stand between spaces."""
        return self.languages is not None

    @classmethod
    def of(cls, src: str, tgt: str | None, languages: "Languages | None") -> "Text":
        """Return a text with the segmenters that are there for its languages."""
        from aligner.text.tokenizers import both_resolved

        return cls(src, tgt, both_resolved(languages))

    def pairs(
        self, listen: Callable[[int], None] = lambda position: None
    ) -> Iterator["SentencePair"]:
        """Yield the words of the pairs, with their places."""
        from aligner.text.bitext import read_bitext
        from aligner.text.tokenizers import word_tokenizers

        src_words, tgt_words = word_tokenizers(self.languages)
        for src_line, tgt_line in read_bitext(self.src, self.tgt, listen=listen):
            yield src_words(src_line), tgt_words(tgt_line)


class Kept(NamedTuple):
    """What is left to know of all pairs of a text that is learnt from.

    Attributes:
        problems: what each pair lacks, if anything.
        sentences: the pairs as they were read, if they are to be written.
    """

    problems: list[str]
    sentences: "KeptSentences | None"


def usable_pairs(
    text: Text, max_words: int, *, needs_lines: bool
) -> tuple["NumberedBitext", Kept]:
    """Return the pairs to learn from, and what is left to know of all."""
    from aligner.text.kept import KeptSentences
    from aligner.text.numbered import Numbering

    numbering, problems, listed = Numbering(), list[str](), 0
    sentences = KeptSentences() if needs_lines else None
    for number, pair in enumerate(text.pairs(), start=1):
        if sentences:
            sentences.add(*pair)
        problems.append(problem_of(pair, max_words))
        if not problems[-1]:
            numbering.add(*pair)
            continue
        listed += 1
        if listed <= LISTED_PROBLEMS:
            say(f"line {number}: not aligned: {problems[-1]}")
    return numbering.finish(), Kept(problems, sentences)


def problem_of(pair: "WordPair", max_words: int) -> str:
    """Return why a pair cannot be aligned, or an empty string."""
    for name, words in zip(("source", "target"), pair, strict=True):
        if not words:
            return f"the {name} side is empty"
        if len(words) > max_words:
            return (
                f"the {name} side has {len(words)} words, more than --max-words "
                f"{max_words}"
            )
    return ""
