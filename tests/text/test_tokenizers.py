"""Words of any script, and their places: what is cut out and the gaps are the line."""

import logging
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligner.errors import ConfigError
from aligner.text import segmenters, tokenizers
from aligner.text.characters import GAP
from aligner.text.segmenters import PACKAGES
from aligner.text.tokenizers import agreed_languages, resolved, word_tokenizer
from aligner.text.words import canonical, split_words

# Without segmenters: what always works.
AS_EVER = ["auto:", "en", "fr", "hi", "ar", "ja:", "th:", "zh-Hant:", "ko"]
SAMPLES = {
    "th": "ประเทศไทยมีภูมิอากาศร้อนชื้น ผู้คนทำนาปลูกข้าว",
    "ja": "私は東京大学でコーヒーを飲みました。",
    "zh": "北京是中国的首都，位于华北平原。",
    "zh-Hant": "臺灣是一個島嶼，人們種植茶葉。",
    "km": "ភ្នំពេញជារាជធានីនៃកម្ពុជា។",
    "lo": "ວຽງຈັນເປັນນະຄອນຫຼວງຂອງລາວ",
    "my": "ရန်ကုန်သည် အကြီးဆုံးမြို့ဖြစ်သည်။",
    "ar": "العـــربيّةُ لُغةٌ جميلة، نعم.",
    "hi": "वह हिन्दी में क्\u200dष लिखता है।",
    "en": 'Mr. Smith said: "It isn\'t e\u0301tude & 3.5\u00a0%..."',
}
HOSTILE = (
    "aéÅ \t\u00a0\u3000\u2028\x01\x7f\u0085\r\u200b\u200c\u200d\ufeff\u200f\u0301\u0323"
    "\u0344\u1100\u1161\u11a8가각क्षिทำนา\u0e33ລຳခြာ့\u103aខ្មែរ東京\u3099かガーｶﾞـلُ٣,.'’-…😀👩🏽🇫🇷\U0001d11e"
    "\U00020000\u09be\u09c7\ufe0f\u20e3ꦗꦮ!?()%$D"
)
LINES = st.one_of(
    st.text(st.sampled_from(HOSTILE), max_size=30),
    st.text(max_size=20),
    st.lists(st.sampled_from([*SAMPLES.values(), *HOSTILE]), max_size=4).map("".join),
)


@pytest.fixture(autouse=True)
def said_anew() -> Iterator[None]:
    """Let what is said once be said in each test."""
    yield
    tokenizers._say_characters.cache_clear()
    tokenizers._say_unicode.cache_clear()


cut_by = cache(word_tokenizer)


def assert_places(line: str, language: str) -> None:
    words = cut_by(language)(line)
    end = 0
    for word, (start, stop) in zip(words, words.spans, strict=True):
        assert end <= start < stop
        assert canonical(line[start:stop]) == word
        assert not GAP.search(word)
        end = stop
    cut = [line[a:b] for a, b in words.spans]
    edges = [0, *(place for span in words.spans for place in span), len(line)]
    gaps = [line[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]
    whole = "".join(gap + word for gap, word in zip(gaps, [*cut, ""], strict=True))
    assert whole == line
    assert all(GAP.fullmatch(character) for gap in gaps for character in gap)
    assert split_words(" ".join(words)) == words  # as they are written to a file


@pytest.mark.parametrize("language", AS_EVER)
@given(line=LINES)
def test_words_and_gaps_are_the_line(language: str, line: str) -> None:
    assert_places(line, language)
    # Canonically equal text has the same words.
    assert cut_by(language)(canonical(line)) == cut_by(language)(line)


@pytest.mark.parametrize("language", PACKAGES)
@given(line=LINES)
def test_words_of_segmenters_and_gaps_are_the_line(language: str, line: str) -> None:
    pytest.importorskip(PACKAGES[language])
    for name in (language, "auto"):
        assert_places(line, name)


@pytest.mark.parametrize(("language", "line"), SAMPLES.items())
def test_no_sentence_is_one_word(language: str, line: str) -> None:
    for name in (language, "auto", f"{language}:", "auto:", "en"):
        words = word_tokenizer(name)(line)
        assert_places(line, name)
        assert len(words) >= 5
        assert max(map(len, words)) <= 17


WORDS = {
    "ja": [
        "私",
        "は",
        "東京",
        "大学",
        "で",
        "コーヒー",
        "を",
        "飲み",
        "まし",
        "た",
        "。",
    ],
    "zh": ["北京", "是", "中国", "的", "首都", "，", "位于", "华北平原", "。"],
    "th": [
        "ประเทศไทย",
        "มี",
        "ภูมิ",
        "อากาศ",
        "ร้อน",
        "ชื้น",
        "ผู้คน",
        "ทำ",
        "นา",
        "ปลูก",
        "ข้าว",
    ],
    "km": ["ភ្នំពេញ", "ជា", "រាជធានី", "នៃ", "កម្ពុជា", "។"],
    "lo": ["ວຽງຈັນ", "ເປັນ", "ນະຄອນຫຼວງ", "ຂອງ", "ລາວ"],
}


@pytest.mark.parametrize(("language", "expected"), WORDS.items())
def test_segmenters_find_words(language: str, expected: list[str]) -> None:
    pytest.importorskip(PACKAGES[language])
    for name in (language, "auto"):
        assert word_tokenizer(name)(SAMPLES[language]) == expected


def test_without_segmenters_characters_are_words_and_it_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tokenizers, "installed", lambda package: False)
    tokenize = word_tokenizer("auto")
    for _ in range(2):
        words = tokenize("Mr. 東京でコーヒー")
    assert words == ["Mr", ".", "東", "京", "で", "コーヒー"]
    assert tokenize("ทำที่น่า") == ["ทำ", "ที่", "น่", "า"]
    said = [record.getMessage() for record in caplog.records]
    assert [line.split(",")[0] for line in said] == [
        "words of ja: single characters",
        "words of th: single characters",
    ]
    assert "pip install '.[segment]'" in said[0]


def test_a_segmenter_that_was_used_and_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(language: str) -> segmenters.Segmenter:
        raise ImportError("No module named 'rjieba'")

    monkeypatch.setitem(segmenters._LOADERS, "rjieba", missing)
    segmenters.load_segmenter.cache_clear()
    tokenize = word_tokenizer("zh:rjieba")
    assert tokenize("no Chinese") == ["no", "Chinese"]
    with pytest.raises(ConfigError, match=r"words of zh: expected the package rjieba"):
        tokenize("北京")


def test_a_segmenter_that_changes_text_is_not_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(segmenters._LOADERS, "rjieba", lambda _: lambda text: ["x"])
    segmenters.load_segmenter.cache_clear()
    assert word_tokenizer("zh:rjieba")("北京") == ["北", "京"]
    segmenters.load_segmenter.cache_clear()


def test_mixed_scripts() -> None:
    words = word_tokenizer("en")("Mr. 王 isn't 東京-based, in ไทย.")
    assert words[:5] == ["Mr.", "王", "isn", "'t", "東"]
    assert words[-5:] == ["in", "ไ", "ท", "ย", "."]


def test_words_are_whole_with_their_marks_and_joiners() -> None:
    assert word_tokenizer("hi")(SAMPLES["hi"])[3] == "क्\u200dष"
    assert word_tokenizer("ar")(SAMPLES["ar"])[0] == "العـــربيّةُ"
    assert word_tokenizer("auto:")("👩🏽\u200d🚀!") == ["👩🏽\u200d🚀", "!"]


def test_moses_separates_punctuation_and_escapes_nothing() -> None:
    tokenize = word_tokenizer("en")
    words = tokenize('He said: "Mr. Smith\'s R&D [cost] is <3.5 | 4>."')
    assert words[:4] == ["He", "said", ":", '"']
    assert "Mr." in words  # an abbreviation of the language keeps its stop
    assert words[-2:] == [".", '"']
    assert not any("&amp;" in w or "&quot;" in w or "&#" in w for w in words)


def test_moses_rules_depend_on_the_language() -> None:
    assert word_tokenizer("fr")("L'été")[:2] == ["L'", "été"]
    assert word_tokenizer("en")("L'été")[:2] == ["L", "'été"]


def test_a_language_without_rules_says_so(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "aligner")
    assert word_tokenizer("ko")("한국어입니다.") == ["한국어입니다", "."]
    assert "words of ko: by Unicode's rules" in caplog.text


@pytest.mark.parametrize("language", ["english", "", "EN", "ja:foo", "e n"])
def test_what_is_no_language_is_refused(language: str) -> None:
    with pytest.raises(ConfigError, match="expected auto, or an ISO 639 code"):
        word_tokenizer(language)


def test_what_is_there_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"rjieba", "icu4py"}
    monkeypatch.setattr(tokenizers, "installed", lambda package: package in there)
    assert [*map(resolved, ["en", "ja", "zh-Hant", "auto", "th:", "yue"])] == [
        "en",
        "ja:",
        "zh-Hant:rjieba",
        "auto:icu4py,rjieba",
        "th:",
        "yue:rjieba",
    ]


def test_what_is_stored_holds() -> None:
    stored = ("ja:sudachipy", "en")
    assert agreed_languages(stored, None, "m") == stored
    assert agreed_languages(stored, ("ja", "en"), "m") == stored
    assert agreed_languages(None, ("ja", "en"), "m") == ("ja", "en")
    assert agreed_languages(None, None, "m") is None
    for said in (("zh", "en"), ("ja:", "en"), ("auto", "auto")):
        with pytest.raises(ConfigError, match="expected ja en, as m has learnt"):
            agreed_languages(stored, said, "m")
