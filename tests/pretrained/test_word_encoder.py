"""Words read by encoders, against the stock model run on one sentence at a time."""

import pickle
import sys
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from small_encoders import BYTE_LEVEL, KINDS, POSITIONS, save_encoder

from aligner.errors import ConfigError, ModelError
from aligner.pretrained import word_encoder, word_pieces
from aligner.pretrained.word_encoder import WordEncoder
from aligner.pretrained.word_pieces import MOST_PIECES, WordPieces

pytestmark = pytest.mark.slow

CLOSE = {"rtol": 1e-4, "atol": 1e-5}

SENTENCES = [
    ["the", "houses", "is", "small"],
    ["said"],
    ["a", "trees", ",", "the", "house", "[SEP]", "."],
]


@pytest.fixture(scope="module", params=KINDS)
def directory(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Path:
    folder = tmp_path_factory.mktemp("model") / request.param / "encoder"
    return save_encoder(request.param, folder)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder("bert", tmp_path_factory.mktemp("bert"))


def load(directory: Path) -> WordEncoder:
    return WordEncoder.load(str(directory), precision="float32")


def pieces_of(directory: Path, words: list[str]) -> list[list[int]]:
    """Return the pieces of each word; byte-level ones may begin with a blank."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(directory)
    cut = [
        tokenizer(f" {word}", add_special_tokens=False, split_special_tokens=True)
        for word in words
    ]
    return [
        [piece for piece in one["input_ids"] if tokenizer.decode([piece]).strip()]
        for one in cut
    ]


def states_of(directory: Path, pieces: list[int]) -> torch.Tensor:
    """Return what the stock model makes of pieces, between CLS and SEP, (L, P, D)."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModel.from_pretrained(directory).eval()
    ids = torch.tensor([[tokenizer.cls_token_id, *pieces, tokenizer.sep_token_id]])
    with torch.no_grad():
        states = model(input_ids=ids, output_hidden_states=True).hidden_states
    return torch.stack(states[1:])[:, 0, 1:-1]


@pytest.mark.parametrize("threads", [1, 2])
def test_vectors_are_those_of_the_stock_model(
    directory: Path, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(word_encoder, "BATCH_TOKENS", 12)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = load(directory).vectors(SENTENCES, [2, 1])
    finally:
        torch.set_num_threads(before)
    for words, vectors in zip(SENTENCES, found, strict=True):
        pieces = pieces_of(directory, words)
        starts = [sum(map(len, pieces[:number])) for number in range(len(words))]
        assert vectors.starts.tolist() == starts
        states = states_of(directory, list(chain(*pieces)))
        np.testing.assert_allclose(vectors.layers, states.flip(0), **CLOSE)


def test_layers_that_nobody_asks_for_are_not_run(bert: Path) -> None:
    encoder, ran = load(bert), []
    [both] = encoder.vectors([["the", "house"]], [1, 2])
    for layer in encoder._layers:
        layer.register_forward_hook(lambda module, *_: ran.append(module))
    [first] = encoder.vectors([["the", "house"]], [1])
    assert ran == [encoder._layers[0]]
    np.testing.assert_array_equal(first.layers, both.layers[:1])
    [again] = encoder.vectors([["the", "house"]], [1, 2])
    np.testing.assert_array_equal(again.layers, both.layers)


def test_a_layer_that_fails_leaves_the_encoder_whole(bert: Path) -> None:
    encoder = load(bert)
    handle = encoder._layers[0].register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        encoder.vectors(SENTENCES, [1])
    handle.remove()
    assert len(encoder._layers) == 2
    assert len(encoder.vectors(SENTENCES, [2])) == 3


def test_an_encoder_can_be_sent_to_other_processes(bert: Path) -> None:
    encoder = load(bert)
    again = pickle.loads(pickle.dumps(encoder))
    for one, other in zip(
        encoder.vectors(SENTENCES, [2]), again.vectors(SENTENCES, [2]), strict=True
    ):
        np.testing.assert_array_equal(one.layers, other.layers)


class Spelt:
    """A tokenizer that puts a blank piece before some words, as sentencepiece does."""

    cls_token, sep_token, unk_token = "<s>", "</s>", "<unk>"
    cls_token_id, sep_token_id, unk_token_id, model_max_length = 0, 2, 3, 512
    all_special_ids = (0, 1, 2, 3)
    texts = ("<s>", "<pad>", "</s>", "<unk>", "", " ", "house", "年", "s")
    cuts: ClassVar = {
        " 年": [4, 7],
        " house": [6],
        " houses": [6, 8],
        " <s>": [0],
        " \x07": [4],
    }

    def __len__(self) -> int:
        return len(self.texts)

    def __call__(self, text: list[str], **options: Any) -> dict[str, list[list[int]]]:
        return {"input_ids": [self.cuts[one] for one in text]}

    def batch_decode(self, pieces: list[list[int]]) -> list[str]:
        return [self.texts[piece] for (piece,) in pieces]


def test_pieces_that_say_nothing_are_left_out() -> None:
    words = ["年", "house", "<s>", "\x07", "houses"]
    [(ids, starts)] = WordPieces("spelt", Spelt(), 9).of([words])
    assert ids == [7, 6, 3, 3, 6, 8]
    assert starts.tolist() == [0, 1, 2, 3, 4]


def test_a_long_sentence_is_read_in_several_sequences(directory: Path) -> None:
    words = ["the", "houses"] * POSITIONS
    [vectors] = load(directory).vectors([words], [2])
    assert len(vectors.starts) == len(words)
    pieces = list(chain(*pieces_of(directory, words)))
    room = POSITIONS - 2 - 2 * (directory.parent.name in BYTE_LEVEL)
    parts = [pieces[first : first + room] for first in range(0, len(pieces), room)]
    states = torch.cat([states_of(directory, part)[1:] for part in parts], 1)
    np.testing.assert_allclose(vectors.layers, states, **CLOSE)


@pytest.mark.parametrize("word", ["house" * 2000, "\u200d", "\x07", "木" * 300])
def test_every_word_has_pieces_but_not_too_many(directory: Path, word: str) -> None:
    [vectors] = load(directory).vectors([[word, "house"]], [1])
    first, second = vectors.starts.tolist()
    assert first == 0
    assert 1 <= second <= MOST_PIECES


def test_no_sentences_and_no_words(bert: Path) -> None:
    assert load(bert).vectors([], [1]) == []
    [vectors] = load(bert).vectors([[]], [1])
    assert vectors.layers.shape == (1, 0, 24)


def test_pieces_may_be_forgotten(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_pieces, "KNOWN_WORDS", 1)
    encoder = load(bert)
    for _ in range(2):
        for words, expected in zip(
            encoder.vectors(SENTENCES, [1]), load(bert).vectors(SENTENCES, [1]),
            strict=True,
        ):  # fmt: skip
            np.testing.assert_array_equal(words.layers, expected.layers)


def test_models_that_write_are_refused(tmp_path: Path) -> None:
    from transformers import T5Config

    T5Config().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"without is_encoder_decoder.*T5Config"):
        load(tmp_path)


def test_the_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    save_encoder("bert", tmp_path, vocab_size=7)
    with pytest.raises(ModelError, match="tokens below 7"):
        load(tmp_path).vectors(SENTENCES, [1])


def test_the_tokenizer_of_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    save_encoder("bert", tmp_path, vocab_size=3)  # without the place of SEP
    with pytest.raises(ModelError, match=r"tokens below 3.* got 3 from the tokenizer"):
        load(tmp_path)


def test_weights_that_are_no_numbers_are_refused(bert: Path) -> None:
    encoder = load(bert)
    with torch.no_grad():
        next(encoder._layers[0].parameters()).fill_(torch.nan)
    with pytest.raises(ModelError, match="expected finite numbers"):
        encoder.vectors(SENTENCES, [1])


def test_without_transformers_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"pip install '.\[encoder\]'"):
        WordEncoder.load("anything")
