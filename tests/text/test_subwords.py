"""Subwords: every word keeps its pieces to itself, and no text breaks the training."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aligner.errors import ConfigError, CorpusError, ModelError
from aligner.sample.grammar import sample_corpus
from aligner.text.subwords import EOS, SPECIALS, TO_SRC, TO_TGT, UNK, Subwords

CORPUS = sample_corpus(2000)
SRC = [pair.src for pair in CORPUS]
TGT = [pair.tgt for pair in CORPUS]
ALGORITHMS: list[Literal["unigram", "bpe"]] = ["unigram", "bpe"]


def trained(**options: Any) -> Subwords:
    return Subwords.train(SRC, TGT, **{"vocab_size": 600, **options})


JOINT = trained()
SEPARATE = trained(joint=False)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("joint", [True, False])
def test_round_trip(
    algorithm: Literal["unigram", "bpe"], joint: bool, tmp_path: Path
) -> None:
    subwords = trained(algorithm=algorithm, joint=joint)
    subwords.save(tmp_path)
    names = (
        ["subwords.model"] if joint else ["subwords.src.model", "subwords.tgt.model"]
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    loaded = Subwords.load(tmp_path, joint=joint)
    assert loaded.vocab_size == subwords.vocab_size
    for pair in CORPUS[:200]:
        for words, side in ((pair.src, "src"), (pair.tgt, "tgt")):
            ids, index = subwords.encode(words, side)  # type: ignore[arg-type]
            assert subwords.decode(ids) == list(words)
            assert loaded.decode(ids.tolist()) == list(words)
            assert ids.dtype == index.dtype == np.int32
            assert set(index.tolist()) == set(range(len(words)))
            assert (np.diff(index) >= 0).all()
            assert ids.min() >= len(SPECIALS)
            assert ids.max() < subwords.vocab_size


@given(st.lists(st.text(st.characters(exclude_characters=" \t\n"), max_size=8)))
@settings(max_examples=200, deadline=None)
def test_any_word_is_encoded_by_itself(words: list[str]) -> None:
    for subwords in (JOINT, SEPARATE):
        ids, index = subwords.encode(words, "tgt")
        assert len(ids) == len(index)
        alone = [subwords.encode([word], "tgt")[0].tolist() for word in words]
        assert all(alone)  # at least one piece
        assert ids.tolist() == [i for ids in alone for i in ids]
        assert index.tolist() == [i for i, p in enumerate(alone) for _ in p]
        assert not set(ids.tolist()) & {0, 2, EOS, TO_SRC, TO_TGT}


def test_empty_sentence() -> None:
    ids, index = JOINT.encode([], "src")
    assert ids.shape == index.shape == (0,)
    assert ids.dtype == index.dtype == np.int32
    assert JOINT.decode([]) == []


def test_separate_vocabularies_share_only_the_specials() -> None:
    src, _ = SEPARATE.encode(["Malora", "."], "src")
    tgt, _ = SEPARATE.encode(["Malora", "."], "tgt")
    assert src.max() < tgt.min()
    assert SEPARATE.encode(["\u6f22"], "tgt")[0].tolist()[-1] == UNK
    assert SEPARATE.vocab_size == 600 + 600 - len(SPECIALS)
    assert SEPARATE.decode([*src, *tgt]) == ["Malora", "."] * 2


def test_specials_and_unknowns_in_decoding() -> None:
    ids, _ = JOINT.encode(["der", "M\u6f22nn"], "tgt")
    assert JOINT.decode([TO_TGT, *ids, EOS]) == ["der", "M⁇nn"]


def test_specials_as_text_are_text() -> None:
    words = list(SPECIALS)
    subwords = Subwords.train([words * 5], [words * 5], vocab_size=100)
    ids, _ = subwords.encode(words, "src")
    assert not set(ids.tolist()) & {0, 2, EOS, TO_SRC, TO_TGT}


def test_lowercase() -> None:
    subwords = trained(lowercase=True)
    ids, _ = subwords.encode(["Der", "MANN"], "tgt")
    assert subwords.decode(ids) == ["der", "mann"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_text_alone_decides(
    algorithm: Literal["unigram", "bpe"], tmp_path: Path
) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    for directory in (first, second):
        directory.mkdir()
        trained(algorithm=algorithm).save(directory)
    model = (first / "subwords.model").read_bytes()
    assert model == (second / "subwords.model").read_bytes()
    assert b"words" in model  # the name of the training file, without its folder
    assert b"tmp" not in model


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_frequent_words_become_pieces(algorithm: Literal["unigram", "bpe"]) -> None:
    # sentencepiece's own unigram candidates would cut "muss" to "mus" and "s".
    subwords = trained(algorithm=algorithm, vocab_size=1000)
    for word in ("die", "muss", "nicht", "."):
        assert len(subwords.encode([word], "tgt")[0]) == 1


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    "lines",
    [
        [["a"]],
        [["."], ["."]],
        [list(pair.src) for pair in CORPUS[:20]],
        [["x" * 50_000]],
        [
            ["\x00"],
            ["a\x01b", "\r", "\u2028", "\u2585", "\u2581", "\ud800", "", "\u00a0"],
        ],
    ],
    ids=["one word", "one character", "20 lines", "long word", "odd characters"],
)
@pytest.mark.parametrize("vocab_size", [16, 8000])
def test_any_text_can_be_learnt(
    algorithm: Literal["unigram", "bpe"], lines: list[list[str]], vocab_size: int
) -> None:
    subwords = Subwords.train(lines, [], vocab_size=vocab_size, algorithm=algorithm)
    assert len(SPECIALS) < subwords.vocab_size <= vocab_size
    for words in lines:
        _, index = subwords.encode(words, "src")
        assert set(index.tolist()) == set(range(len(words)))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_alphabet_larger_than_the_vocabulary(
    algorithm: Literal["unigram", "bpe"],
) -> None:
    words = [chr(0x4E00 + i % (i // 3 + 1)) for i in range(6000)]
    subwords = Subwords.train([words], [], vocab_size=300, algorithm=algorithm)
    assert subwords.vocab_size <= 300
    known = [w for w in set(words) if UNK not in subwords.encode([w], "src")[0]]
    assert len(known) == (300 - len(SPECIALS)) // 2


def test_word_start_mark_in_a_word_does_not_split_it() -> None:
    subwords = Subwords.train([["a_b", "a\u2581b"]], [], vocab_size=50)
    ids, index = subwords.encode(["a\u2581b"], "src")
    assert set(index.tolist()) == {0}
    assert subwords.decode(ids) == ["a_b"]


def test_impossible_requests() -> None:
    with pytest.raises(
        ConfigError, match="vocab_size: expected a whole number from 16"
    ):
        trained(vocab_size=8)
    for nothing in ([], [[]], [[""], ["\x00"]]):
        with pytest.raises(CorpusError, match="no words"):
            Subwords.train(nothing, nothing, vocab_size=100)


def test_load_reports_what_is_wrong(tmp_path: Path) -> None:
    def loading(joint: bool = True) -> str:
        with pytest.raises(ModelError) as caught:
            Subwords.load(tmp_path, joint=joint)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    path = tmp_path / "subwords.model"
    assert "subwords.model: No such file" in loading()
    JOINT.save(tmp_path)
    model = path.read_bytes()
    for damaged in (b"", model[:200], model[:-1], b"hello world"):
        path.write_bytes(damaged)
        assert "subwords.model: expected" in loading()
    path.unlink()
    SEPARATE.save(tmp_path)
    (tmp_path / "subwords.tgt.model").unlink()
    assert "subwords.tgt.model: No such file" in loading(joint=False)
    JOINT.save(tmp_path)  # does not stand in for it
    assert "subwords.tgt.model: No such file" in loading(joint=False)


def test_load_refuses_a_foreign_vocabulary(tmp_path: Path) -> None:
    import sentencepiece

    text = tmp_path / "text"
    text.write_text("some text to learn from\n" * 20)
    sentencepiece.SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(tmp_path / "subwords"),
        vocab_size=20,
        hard_vocab_limit=False,
        minloglevel=3,
    )
    with pytest.raises(ModelError, match=r"<pad> <unk> .* got <unk> <s>"):
        Subwords.load(tmp_path)
