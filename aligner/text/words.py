"""Words between spaces, and what every word is brought to."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence

_WORD = re.compile(r"[^ \t]+")


def split_words(line: str) -> list[str]:
    """Split at spaces and tabs alone: other white space stays inside its word.

    Unlike `str.split`, so that a no-break space, U+2028 or a form feed in a
    pre-tokenized file does not shift the indices of the words after it.
    """
    return _WORD.findall(line)


class Sentence(list[str]):
    """The words of a line, which know where they stand in it.

    Attributes:
        line: the line as it was.
    """

    def __init__(
        self,
        words: Iterable[str] = (),
        line: str = "",
        spans: list[tuple[int, int]] | None = None,
    ) -> None:
        """Keep words with their line; by default they are what stands between spaces.

        Args:
            words: the words.
            line: the line.
            spans: for each word, where it begins and ends in the line, in code points.
        """
        super().__init__(words)
        self.line = line
        self._spans = spans

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Where each word begins and ends in the line, in code points from 0."""
        if self._spans is None:  # most texts are never asked
            self._spans = [found.span() for found in _WORD.finditer(self.line)]
        return self._spans


def split_sentence(line: str) -> Sentence:
    """Split at spaces and tabs alone, as `split_words`; the words know their places."""
    return Sentence(split_words(line), line)


def canonical(text: str) -> str:
    """Return text in Unicode's form NFC, in which canonically equal texts are equal.

    An `ä` may be one character, or an `a` and a mark; a word is the same either way.
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def check_words(words: object, name: str) -> None:
    """Check that something is a sequence of words.

    Raises:
        TypeError: it is not; the message says what of it is so named.
    """
    if isinstance(words, str) or not isinstance(words, Collection):
        raise TypeError(f"{name}: expected a sequence of words, got {_shown(words)}")
    for word in words:
        if not isinstance(word, str):
            raise TypeError(f"{name}: expected words, got {_shown(word)} among them")


def _shown(value: object) -> str:
    shown = repr(value)
    return f"a {type(value).__name__}: {shown[:40]}{'…' * (len(shown) > 40)}"


def lowered(words: Sequence[str]) -> list[str]:
    """Return words in lower case."""
    return [word.lower() for word in words]
