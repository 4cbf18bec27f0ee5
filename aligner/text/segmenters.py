"""Segmenters of others, for scripts that are written without spaces between words.

Japanese, Chinese, Thai, Khmer, Lao and Burmese; an extra, as dictionaries are large:
`pip install '.[segment]'`. Which were chosen, and why: docs/formats.md.
"""

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import TypeAlias

from aligner.errors import ConfigError

Segmenter: TypeAlias = Callable[[str], list[str]]

# By ISO 639 codes of languages.
PACKAGES = {
    "ja": "sudachipy",
    "zh": "rjieba",
    "th": "icu4py",
    "km": "icu4py",
    "lo": "icu4py",
    "my": "icu4py",
}
LONGEST = 4000  # characters that a segmenter is given at once; Sudachi has a limit


def installed(package: str) -> bool:
    """Tell whether a package can be imported, without importing it."""
    return find_spec(package) is not None


@cache
def load_segmenter(language: str) -> Segmenter:
    """Return what cuts text of a language into words, which joined give the text.

    Raises:
        ConfigError: its package is not installed.
    """
    package = PACKAGES[language]
    try:
        return _LOADERS[package](language)
    except ImportError as error:
        raise ConfigError(
            f"words of {language}: expected the package {package}, got: {error} "
            "(pip install '.[segment]')"
        ) from None


def segment(language: str, text: str) -> list[str]:
    """Return the words of a text of a language, one by one; joined they give the text.

    An empty list where the segmenter has changed the text.

    Raises:
        ConfigError: its package is not installed.
    """
    cut = load_segmenter(language)
    parts = (text[first : first + LONGEST] for first in range(0, len(text), LONGEST))
    words = [word for part in parts for word in cut(part) if word]
    return words if "".join(words) == text else []


def _sudachi(language: str) -> Segmenter:
    import sudachipy

    # The shortest units, by which compounds are several words, as they are elsewhere.
    shortest = sudachipy.SplitMode.A
    tokenizer = sudachipy.Dictionary(dict="small").tokenizer(mode=shortest)
    return lambda text: [word.surface() for word in tokenizer.tokenize(text)]


def _jieba(language: str) -> Segmenter:
    import rjieba

    return lambda text: list(rjieba.cut(text))


def _icu(language: str) -> Segmenter:
    from icu4py.breakers import WordBreaker

    def cut(text: str) -> list[str]:
        spans = WordBreaker(text, language).segments()
        return [text[start:end] for start, end in spans]

    return cut


_LOADERS: dict[str, Callable[[str], Segmenter]] = {
    "sudachipy": _sudachi,
    "rjieba": _jieba,
    "icu4py": _icu,
}
