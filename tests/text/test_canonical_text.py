"""Canonically equal text is the same text, whichever form it comes in.

An umlaut may be one character (Unicode's form NFC) or a letter and a mark (NFD), marks
may stand in any order, a syllable of Hangul may be its letters.
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Run, Trained
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import random_model, random_network

from aligner.analysis.nmt.tokens import is_punctuation
from aligner.extraction.aligner import Aligner, WordPair
from aligner.prior.prior import estimate
from aligner.text.duplicates import PairHashes
from aligner.text.numbered import NumberedBitext
from aligner.text.subwords import Subwords
from aligner.text.tokenizers import word_tokenizers
from aligner.text.words import canonical

WORDS = [
    *["über", "Straße", "Äpfel", "façade", "naïve", "ångström", "Ω"],
    *["한국어", "단어", "정렬", "값", "없다"],  # Hangul
    *["كِتَابٌ", "مُعَلِّمٌ", "أَنْتَ", "آيَة", "الْحُبُّ"],  # Arabic with harakat
    *["Việt", "Nam", "tiếng", "được", "những", "ngữ"],
    *["क़लम", "ज़मीन", "हिन्दी", "पढ़ना", "फ़ोन"],  # Devanagari, with nukta
    *["a", "house", ".", ",", "≠", "𝅗𝅥"],
]
sentences = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8)
Form = Callable[[str], str]


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def disordered(text: str) -> str:
    """Decompose, and put marks of different classes into another order."""
    characters = list(nfd(text))
    for i in range(1, len(characters)):
        first, second = map(unicodedata.combining, characters[i - 1 : i + 1])
        if first and second and first != second:
            characters[i - 1 : i + 1] = characters[i], characters[i - 1]
    return "".join(characters)


FORMS = [nfc, nfd, disordered]


def in_form(pairs: Sequence[WordPair], form: Form) -> list[WordPair]:
    return [(list(map(form, src)), list(map(form, tgt))) for src, tgt in pairs]


def some_pairs(count: int) -> list[WordPair]:
    rng = np.random.default_rng(3)
    return [
        tuple([WORDS[i] for i in rng.integers(0, len(WORDS), 7)] for _ in range(2))  # type: ignore[misc]
        for _ in range(count)
    ]


def learnt_from(form: Form, *, lowercase: bool) -> Aligner:
    """Return an aligner with subwords and a prior of text in some form."""
    pairs = in_form(some_pairs(60), form)
    sides = [[words for pair in pairs for words in pair]] * 2
    subwords = Subwords.train(*sides, vocab_size=180, lowercase=lowercase)
    model = random_model()
    network = random_network(model.config.transformer, subwords.vocab_size)
    prior, _ = estimate(NumberedBitext.of(pairs))
    return Aligner(replace(model, subwords=subwords, network=network, prior=prior))


def test_the_forms_differ() -> None:
    text = " ".join(WORDS)
    assert len({form(text) for form in FORMS}) == 3
    assert len({canonical(form(text)) for form in FORMS}) == 1


@pytest.fixture(scope="module", params=[False, True], ids=["cased", "lower"])
def learnt(request: pytest.FixtureRequest) -> list[Aligner]:
    return [learnt_from(form, lowercase=request.param) for form in FORMS]


@settings(max_examples=10)
@given(st.lists(st.tuples(sentences, sentences), min_size=1, max_size=5))
def test_links_and_scores_are_the_same(
    learnt: list[Aligner], pairs: list[WordPair]
) -> None:
    """Of text in any form, by a model of text in any form, to the last bit."""
    expected = list(learnt[0].align(pairs))
    for aligner in learnt:
        for form in FORMS:
            assert list(aligner.align(in_form(pairs, form))) == expected


def test_repeated_pairs_are_found() -> None:
    hashes = PairHashes()
    for form in FORMS:
        hashes.add(list(map(form, WORDS)), list(map(form, WORDS)))
    assert hashes.repeated().tolist() == [False, True, True]


def test_moses_rules_cut_no_marks_off() -> None:
    for language in ("en", "de", "fr"):
        tokenize, _ = word_tokenizers((language, "en"))
        line = "Über 5 Äpfel, naïve façade: Việt Nam."
        assert tokenize(nfd(line)) == tokenize(line)


def test_punctuation_is_punctuation() -> None:
    assert all(is_punctuation(form("≠")) for form in FORMS)


def test_the_prior_writes_the_same(run: Run, tmp_path: Path, trained: Trained) -> None:
    decomposed = tmp_path / "nfd"
    decomposed.write_text(nfd(trained.tgt.read_text(encoding="utf-8")))
    assert decomposed.read_bytes() != trained.tgt.read_bytes()
    results = [
        run("prior", "--src", trained.src, "--tgt", tgt, "--scores")
        for tgt in (trained.tgt, decomposed)
    ]
    assert results[0].out == results[1].out
    assert results[0].code == 0


def test_a_training_learns_the_same(run: Run, tmp_path: Path, trained: Trained) -> None:
    decomposed, out = tmp_path / "nfd", tmp_path / "model"
    decomposed.write_text(nfd(trained.tgt.read_text(encoding="utf-8")))
    command = ["train", "--config", trained.recipe, "--src", trained.src, "--out", out]
    result = run(*command, "--tgt", decomposed)
    assert result.code == 0, result.err
    for name in ("model.safetensors", "prior.safetensors", "subwords.model"):
        assert (out / name).read_bytes() == (trained.model / name).read_bytes()
