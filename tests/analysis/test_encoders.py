"""Encoders of `transformers`: what hooks read of the stock model, and what is refused.

The oracle is in `encoder_oracle.py`.
"""

import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from encoder_oracle import naive_layers
from small_encoders import (
    BYTE_LEVEL,
    KINDS,
    LINES,
    POSITIONS,
    load_in_double,
    save_encoder,
)
from torch import Tensor

from aligner.analysis.encoder.encoder import Encoder
from aligner.analysis.encoder.layers import LayerReading
from aligner.errors import ConfigError, CorpusError, ModelError

pytestmark = pytest.mark.slow

EXACT = {"rtol": 1e-9, "atol": 1e-12}


@pytest.fixture(scope="module", params=KINDS)
def directory(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Path:
    return save_encoder(request.param, tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder("bert", tmp_path_factory.mktemp("bert"))


def read(encoder: Encoder, sequences: list[list[int]]) -> list[LayerReading]:
    found: list[LayerReading] = []
    encoder.read(encoder.batch(sequences), lambda _, reading: found.append(reading))
    return found


def test_every_layer_is_read_as_the_model_runs_it(directory: Path) -> None:
    encoder = load_in_double(directory)
    (ids, *_) = encoder.sequences(LINES).ids
    expected = naive_layers(directory, ids)
    found = read(encoder, [ids])
    assert len(found) == len(expected) == 2
    for reading, naive in zip(found, expected, strict=True):
        torch.testing.assert_close(reading.x[0], naive.x, **EXACT)
        torch.testing.assert_close(reading.weights[0], naive.weights, **EXACT)
        torch.testing.assert_close(
            reading.norms[0], naive.vectors.norm(dim=-1), **EXACT
        )


def test_the_vectors_add_up_to_what_attention_gives(directory: Path) -> None:
    (ids, *_) = load_in_double(directory).sequences(LINES).ids
    for naive in naive_layers(directory, ids):
        total = torch.einsum("hts,shd->td", naive.weights, naive.vectors)
        torch.testing.assert_close(total, naive.output, **EXACT)


def test_padding_changes_nothing(directory: Path) -> None:
    encoder = load_in_double(directory)
    sequences = encoder.sequences(LINES).ids
    for layer, together in enumerate(read(encoder, sequences)):
        for row, ids in enumerate(sequences):
            alone, size = read(encoder, [ids])[layer], len(ids)
            for mine, padded in (
                (alone.x[0], together.x[row, :size]),
                (alone.norms[0], together.norms[row, :size]),
                (alone.weights[0], together.weights[row, :, :size, :size]),
            ):
                torch.testing.assert_close(mine, padded, **EXACT)
            assert not together.weights[row, :, :, size:].any()


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_left_as_it_was(directory: Path, fails: bool) -> None:
    encoder = Encoder.load(str(directory))
    sequences = encoder.sequences(LINES).ids

    def state() -> tuple[str, bool, list[str]]:
        hooked = [
            name
            for name, module in encoder.model.named_modules()
            if module._forward_hooks or module._forward_pre_hooks
        ]
        config = encoder.model.config
        return config._attn_implementation, config.output_attentions, hooked

    def visit(layer: int, reading: LayerReading) -> None:
        if fails and layer == 1:
            raise KeyboardInterrupt

    def outputs() -> Tensor:
        batch = encoder.batch(sequences)
        with torch.no_grad():
            states = encoder.model(batch.ids, attention_mask=batch.mask.long())[0]
        return states[batch.mask]

    before, given = state(), outputs()
    try:
        encoder.read(encoder.batch(sequences), visit)
        assert not fails
    except KeyboardInterrupt:
        assert fails
    assert state() == before
    assert not before[-1]
    assert torch.equal(outputs(), given)


def test_one_layers_weights_exist_at_a_time(directory: Path) -> None:
    encoder = Encoder.load(str(directory))
    seen: list[weakref.ref[Tensor]] = []

    def visit(layer: int, reading: LayerReading) -> None:
        assert all(weights() is None for weights in seen)
        seen.append(weakref.ref(reading.weights))

    encoder.read(encoder.batch(encoder.sequences(LINES).ids), visit)
    assert len(seen) == 2


def test_a_model_is_loaded_in_float32_for_evaluation(tmp_path: Path) -> None:
    from transformers import AutoModel

    save_encoder("bert", tmp_path)
    AutoModel.from_pretrained(tmp_path).half().save_pretrained(tmp_path)
    encoder = Encoder.load(str(tmp_path))
    assert {p.dtype for p in encoder.model.parameters()} == {torch.float32}
    assert not encoder.model.training


def test_a_model_with_a_head_is_read_without_it(bert: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, BertForMaskedLM

    BertForMaskedLM.from_pretrained(bert).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(bert).save_pretrained(tmp_path)
    ids = [[2, 5, 6, 3]]
    for mine, other in zip(
        read(Encoder.load(str(tmp_path)), ids),
        read(Encoder.load(str(bert)), ids),
        strict=True,
    ):
        assert torch.equal(mine.weights, other.weights)


class TestSequences:
    def test_each_line_is_one(self, bert: Path) -> None:
        encoder = Encoder.load(str(bert))
        sequences = encoder.sequences(["the house", "", "   ", "said he ."])
        texts = [encoder.tokenizer.convert_ids_to_tokens(ids) for ids in sequences.ids]
        assert texts == [
            ["[CLS]", "the", "house", "[SEP]"],
            ["[CLS]", "said", "he", ".", "[SEP]"],
        ]
        assert (sequences.lines, sequences.split) == (2, 0)

    def test_the_longest_lines_are_split(self, directory: Path) -> None:
        encoder = Encoder.load(str(directory))
        behind_padding = encoder.model.config.model_type in BYTE_LEVEL
        assert encoder.longest == POSITIONS - 2 * behind_padding
        room = encoder.longest - 2
        lines = [" ".join(["he"] * n) for n in (room, room + 1, 3 * room)]
        (he,) = {i for ids in encoder.token_ids(lines) for i in ids[1:]}
        sequences = encoder.sequences(lines)
        lengths = [len(ids) - 2 for ids in sequences.ids]
        assert lengths == [room, room, 1, room, room, room]
        assert (sequences.lines, sequences.split) == (3, 2)
        assert all(ids[0] == encoder.cls for ids in sequences.ids)
        assert all(ids[-1] == encoder.sep for ids in sequences.ids)
        assert sequences.ids[-1][1:-1] == [he] * room
        read(encoder, sequences.ids)  # no position is missing

    def test_a_tokenizer_may_allow_less(self, bert: Path) -> None:
        encoder = Encoder.load(str(bert))
        encoder.tokenizer.model_max_length = 10
        again = Encoder("bert", encoder.model, encoder.tokenizer)
        assert again.longest == 10

    def test_special_tokens_in_a_text_are_text(self, bert: Path) -> None:
        encoder = Encoder.load(str(bert))
        (ids,) = encoder.token_ids(["the [SEP] house"])
        tokens = encoder.tokenizer.convert_ids_to_tokens(ids)
        assert tokens == ["the", "[", "sep", "]", "house"]

    @pytest.mark.parametrize("lines", [[], ["", " "]])
    def test_a_text_without_tokens_is_refused(
        self, bert: Path, lines: list[str]
    ) -> None:
        with pytest.raises(CorpusError, match="at least one token, got none"):
            Encoder.load(str(bert)).sequences(lines)


REFUSED = [
    # what is set in the configuration, what the message says
    ({"position_embedding_type": "relative_key"}, "relative position.*relative_key"),
    ({"is_decoder": True}, "without is_decoder"),
    ({"is_decoder": True, "add_cross_attention": True}, "without is_decoder"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_what_would_be_read_wrongly_is_refused(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    save_encoder("bert", tmp_path, **options)
    (tmp_path / "model.safetensors").unlink()  # the configuration is enough
    with pytest.raises(ModelError, match=f"{message}.*BertConfig"):
        Encoder.load(str(tmp_path))


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    from transformers import GPT2Config

    GPT2Config().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"bert, .*xlm-roberta, got gpt2 \(GPT2Config"):
        Encoder.load(str(tmp_path))


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the config"):
        Encoder.load(str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("cls_token", None, "a CLS and a SEP token, got None and \\[SEP\\]"),
        ("sep_token", None, "a CLS and a SEP token, got \\[CLS\\] and None"),
        ("model_max_length", 2, "room for 3 tokens, got 2"),
    ],
)
def test_a_tokenizer_that_does_not_fit_is_refused(
    bert: Path, attribute: str, value: Any, message: str
) -> None:
    encoder = Encoder.load(str(bert))
    setattr(encoder.tokenizer, attribute, value)
    with pytest.raises(ModelError, match=message):
        Encoder("bert", encoder.model, encoder.tokenizer)


def test_the_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    save_encoder("bert", tmp_path, vocab_size=7)
    with pytest.raises(ModelError, match=r"tokens below 7, .*got 15"):
        Encoder.load(str(tmp_path)).sequences(LINES)


def test_without_transformers_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"pip install '.\[bert\]'"):
        Encoder.load("anything")


@pytest.mark.process
def test_the_modules_never_load_transformers_by_themselves() -> None:
    code = "import sys, aligner.analysis.encoder.study; "
    code += "sys.exit('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
