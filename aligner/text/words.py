"""Word tokenizers: from a line to the words that links point at."""

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias

from aligner.errors import ConfigError

WordTokenizer: TypeAlias = Callable[[str], list[str]]

# ISO 639 codes of languages that are written without spaces between words; of two,
# sacremoses has a list of abbreviations all the same.
UNSPACED = {"ja", "zh", "yue", "wuu", "lzh", "th", "lo", "km", "my", "bo", "dz"}

_WORD = re.compile(r"[^ \t]+")


def split_words(line: str) -> list[str]:
    """Split at spaces and tabs alone: other white space stays inside its word.

    Unlike `str.split`, so that a no-break space, U+2028 or a form feed in a
    pre-tokenized file does not shift the indices of the words after it.
    """
    return _WORD.findall(line)


def moses_tokenizer(language: str) -> WordTokenizer:
    """Return the Moses tokenizer for a language, without XML escapes.

    Its words are in Unicode's form NFC: the rules would cut marks off their letters.

    Args:
        language: an ISO 639 code that sacremoses has rules for.

    Raises:
        ConfigError: sacremoses would take the rules for English instead.
    """
    import sacremoses
    from sacremoses.corpus import NonbreakingPrefixes

    if language in UNSPACED:
        raise ConfigError(
            f"tokenizer language: {language!r} has no spaces between words, and Moses' "
            "rules would leave whole sentences: expected words between spaces already, "
            "by a segmenter of that language, and none for tokenizing"
        )
    known = sorted(set(NonbreakingPrefixes().available_langs.values()) - UNSPACED)
    if language not in known:
        raise ConfigError(
            f"tokenizer language: expected one of {', '.join(known)}, "
            f"got {language!r} (for a language without rules, name a similar one)"
        )
    moses = sacremoses.MosesTokenizer(language)

    def tokenize(line: str) -> list[str]:
        # Split again: the words must survive being written to a file and read back.
        line = canonical(line)
        return split_words(moses.tokenize(line, escape=False, return_str=True))

    return tokenize


def word_tokenizers(
    languages: tuple[str, str] | None,
) -> tuple[WordTokenizer, WordTokenizer]:
    """Return what cuts either side into words: Moses' rules, or spaces if None."""
    if languages is None:
        return split_words, split_words
    return moses_tokenizer(languages[0]), moses_tokenizer(languages[1])


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
