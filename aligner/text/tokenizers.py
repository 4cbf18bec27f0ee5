"""From a line to the words that links point at, and where they stand in the line.

By default words stand between spaces. Raw text is cut by the rules of its language:
Moses' where sacremoses has them, else Unicode's (UAX 29); runs of a script without
spaces by a segmenter, or, where there is none, into single characters.
"""

import logging
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from functools import cache
from itertools import accumulate, pairwise
from typing import TypeAlias

import regex

from aligner.errors import ConfigError
from aligner.text.characters import GAP, Span, composed, cut_characters, in_line
from aligner.text.segmenters import PACKAGES, installed, segment
from aligner.text.words import Sentence, canonical, split_sentence

Languages: TypeAlias = tuple[str, str]  # of source and target
WordTokenizer: TypeAlias = Callable[[str], Sentence]

AUTO = "auto"  # the language that is not known
# Codes whose text a segmenter of another code cuts; None: one character is a word.
_SEGMENTED = {**{code: code for code in PACKAGES}, "yue": "zh", "wuu": "zh"}

_CODE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_GAPS = regex.compile(f"{GAP.pattern}*")
_BOUNDARY = regex.compile(r"(?w)\b")
_SCRIPTS = {
    "cjk": r"\p{Han}\p{Hiragana}\p{Katakana}ー",
    "th": r"\p{Thai}",
    "lo": r"\p{Lao}",
    "km": r"\p{Khmer}",
    "my": r"\p{Myanmar}",
    "other": r"\p{Javanese}\p{Balinese}",
}
_UNSPACED = regex.compile(
    "|".join(
        rf"(?P<{name}>[{script}][{script}\p{{M}}\u200c\u200d]*)"
        for name, script in _SCRIPTS.items()
    )
)
_KANA = regex.compile(r"[\p{Hiragana}\p{Katakana}]")

log = logging.getLogger(__name__)


def word_tokenizers(
    languages: Languages | None,
) -> tuple[WordTokenizer, WordTokenizer]:
    """Return what cuts either side into words: by its language, or at spaces if None.

    Raises:
        ConfigError: as `word_tokenizer`.
    """
    if languages is None:
        return split_sentence, split_sentence
    return word_tokenizer(languages[0]), word_tokenizer(languages[1])


def word_tokenizer(language: str) -> WordTokenizer:
    """Return what cuts raw lines of a language into words that know their places.

    words = word_tokenizer("fr")("L'été arrive.")
    print(words, words.spans)

    Words are in form NFC; joined by spaces and split there again, they are the same.

    Args:
        language: an ISO 639 code; `auto` goes by the script alone. After a colon, the
            packages whose segmenters may be used, as `resolved` writes them.

    Raises:
        ConfigError: it is no code; while cutting, a segmenter's package is missing.
    """
    name, _, packages = resolved(language).partition(":")
    code = name.split("-")[0]
    may = {of for of, package in PACKAGES.items() if package in packages.split(",")}
    if code in _moses_languages():
        base = _moses(code)
    else:
        base = _unicode_words
        if code not in (AUTO, *_SEGMENTED):
            _say_unicode(code)

    def tokenize(line: str) -> Sentence:
        text, places = composed(line)
        found = base(text)
        if not text.isascii():
            found = _with_runs(text, found, code, may)
        spans = in_line(found, places)
        return Sentence([canonical(line[a:b]) for a, b in spans], line, spans)

    return tokenize


def resolved(language: str) -> str:
    """Return a language with the segmenters that are there for it, to be stored.

    `ja` becomes `ja:sudachipy`, or `ja:` where that is not installed; a language that
    needs none, and one that names them already, stay as they are.

    Raises:
        ConfigError: it is no code of a language, nor `auto`.
    """
    name, colon, packages = language.partition(":")
    unknown = set(packages.split(",")) - {"", *PACKAGES.values()}
    if (name != AUTO and not _CODE.fullmatch(name)) or unknown:
        raise ConfigError(
            "tokenizer language: expected auto, or an ISO 639 code such as en, ja or "
            f"zh-Hant, got {language!r}"
        )
    code = name.split("-")[0]
    needed = [*PACKAGES] if code == AUTO else [_SEGMENTED.get(code, "")]
    if colon or needed == [""]:
        return language
    found = {PACKAGES[one] for one in needed if installed(PACKAGES[one])}
    return f"{name}:{','.join(sorted(found))}"


def both_resolved(languages: tuple[str, str] | None) -> Languages | None:
    """Return the languages of both sides, if any, as `resolved`.

    Raises:
        ConfigError: one is no code of a language, nor `auto`.
    """
    return languages and (resolved(languages[0]), resolved(languages[1]))


def agreed_languages(
    stored: Languages | None, said: Languages | None, where: object
) -> Languages | None:
    """Return the languages that cut a text: what is stored with what aligns it.

    Args:
        stored: the languages, if it was learnt from raw text.
        said: what the user says, if anything.
        where: the model or the prior, for messages.

    Raises:
        ConfigError: the user says others.
    """
    if stored is None or said is None:
        return stored or said
    as_said = tuple(
        kept.partition(":")[0] if ":" not in language else kept
        for kept, language in zip(stored, said, strict=True)
    )
    if as_said != tuple(said):
        known = " ".join(kept.partition(":")[0] for kept in stored)
        raise ConfigError(
            f"--tokenize {' '.join(said)}: expected {known}, as {where} has learnt, "
            "or nothing"
        )
    return stored


def _unicode_words(text: str) -> list[Span]:
    """Cut by Unicode's default rules for words; gaps are none."""
    places = [found.start() for found in _BOUNDARY.finditer(text)]
    # A mark may be alone behind a space.
    words = ((_GAPS.match(text, a, b).end(), b) for a, b in pairwise(places))
    return [(start, end) for start, end in words if start < end]


@cache
def _moses_languages() -> set[str]:
    """Return the languages that sacremoses has rules for, and that have spaces."""
    from sacremoses.corpus import NonbreakingPrefixes

    return set(NonbreakingPrefixes().available_langs.values()) - set(_SEGMENTED)


def _moses(language: str) -> Callable[[str], list[Span]]:
    """Return Moses' rules; lines that they do more to than cut are cut by Unicode's."""
    import sacremoses

    moses = sacremoses.MosesTokenizer(language)

    def cut(text: str) -> list[Span]:
        line = GAP.sub(" ", text)
        words = moses.tokenize(line, escape=False, return_str=True).split()
        found, end = [], 0
        for word in words:
            start = line.find(word, end)
            if start < 0 or line[end:start].strip():
                return _unicode_words(text)
            end = start + len(word)
            found.append((start, end))
        return _unicode_words(text) if line[end:].strip() else found

    return cut


def _with_runs(text: str, words: list[Span], code: str, may: set[str]) -> list[Span]:
    """Cut runs of scripts without spaces anew: by a segmenter, or into characters."""
    runs = list(_UNSPACED.finditer(text))
    edges = sorted({place for run in runs for place in run.span()})
    inside = {place for run in runs for place in range(*run.span())}
    found = [
        piece
        for word in words
        for piece in _cut_at(edges, *word)
        if piece[0] not in inside
    ]
    for run in runs:
        language = _language_of(text, run.lastgroup or "", code, may)
        found += _cut_run(text, run.span(), language, run.lastgroup == "other")
    return sorted(found)


def _cut_at(edges: list[int], start: int, end: int) -> list[Span]:
    between = edges[bisect_right(edges, start) : bisect_left(edges, end)]
    return list(pairwise([start, *between, end]))


def _language_of(text: str, script: str, code: str, may: set[str]) -> str:
    """Return the language whose segmenter cuts a run of a script, or an empty string.

    Of a known language the segmenter cuts its own script alone.
    """
    language = script
    if script == "cjk":
        of_text = "ja" if _KANA.search(text) else "zh"
        language = of_text if code == AUTO else _SEGMENTED.get(code, "")
    if language not in PACKAGES or code not in (AUTO, *_SEGMENTED):
        return ""
    if code != AUTO and _SEGMENTED[code] != language:
        return ""
    if language not in may:
        _say_characters(language)
        return ""
    return language


def _cut_run(text: str, run: Span, language: str, by_character: bool) -> list[Span]:
    start, end = run
    words = segment(language, text[start:end]) if language else []
    if not words and by_character:
        return cut_characters(text, start, end)
    if not words:  # by Unicode's rules such characters are words, but for katakana
        return [(start + a, start + b) for a, b in _unicode_words(text[start:end])]
    ends = list(accumulate(map(len, words), initial=start))
    return list(pairwise(ends))


@cache
def _say_unicode(language: str) -> None:
    log.info("words of %s: by Unicode's rules, as there are none of its own", language)


@cache
def _say_characters(language: str) -> None:
    log.warning(
        "words of %s: single characters, without %s (pip install '.[segment]')",
        language,
        PACKAGES[language],
    )
