"""Directories of encoders that do not load, or not rightly."""

from pathlib import Path
from typing import Any

import pytest
from small_encoders import (
    BERT_LIKE,
    drop_weights,
    remove,
    save_encoder,
    save_tokenizer,
    spoil,
)

from aligner.errors import ModelError
from aligner.pretrained.loading import load_encoder, longest_sequence
from aligner.pretrained.word_encoder import WordEncoder

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("damage", "what", "message"),
    [
        (spoil, "config.json", "the config.json of an encoder"),
        (remove, "config.json", "the config.json of an encoder"),
        (spoil, "tokenizer.json", "the tokenizer files of an encoder"),
        (remove, "[tv]o*", "tokenizer"),
        (spoil, "model.safetensors", "the weights of an encoder"),
        (remove, "model.safetensors", "the weights of an encoder"),
        (drop_weights, "layer.1.attention.self.value.bias", "and 0 more"),
    ],
)
def test_a_damaged_directory_is_refused_in_one_line(
    tmp_path: Path, damage: Any, what: str, message: str
) -> None:
    save_encoder("bert", tmp_path)
    damage(tmp_path, what)
    with pytest.raises(ModelError, match=message) as caught:
        WordEncoder.load(str(tmp_path))
    assert str(caught.value).startswith(f"{tmp_path}: expected")
    assert "\n" not in str(caught.value)


def test_layers_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    from transformers import XLMConfig, XLMModel

    tokenizer = save_tokenizer("bert", tmp_path)
    config = XLMConfig(
        vocab_size=len(tokenizer), emb_dim=24, n_layers=2, n_heads=4,
        max_position_embeddings=24, pad_index=0, bos_index=2, eos_index=3, unk_index=1,
        mask_index=4,
    )  # fmt: skip
    XLMModel(config).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="one list of 2 layers in a XLMModel, got"):
        WordEncoder.load(str(tmp_path))


def test_a_model_of_other_sizes_is_refused(tmp_path: Path) -> None:
    from transformers import FunnelConfig, FunnelModel

    tokenizer = save_tokenizer("bert", tmp_path)
    config = FunnelConfig(
        vocab_size=len(tokenizer), block_sizes=[1, 1], num_decoder_layers=1, d_model=24,
        n_head=2, d_head=12, d_inner=32,
    )  # fmt: skip
    FunnelModel(config).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=f"{tmp_path}: expected "):
        WordEncoder.load(str(tmp_path))


@pytest.mark.parametrize(
    ("kind", "left"), [("bert", 24), ("roberta", 22), ("mpnet", 22)]
)
def test_positions_behind_the_padding_are_not_counted(
    tmp_path: Path, kind: str, left: int
) -> None:
    if kind == "mpnet":
        from transformers import MPNetConfig, MPNetModel

        tokenizer = save_tokenizer("roberta", tmp_path)
        sizes = BERT_LIKE | {"vocab_size": len(tokenizer), "pad_token_id": 1}
        MPNetModel(MPNetConfig(**sizes)).save_pretrained(tmp_path)
    else:
        save_encoder(kind, tmp_path)
    model, tokenizer = load_encoder(str(tmp_path), extra="encoder")
    assert longest_sequence("it", model, tokenizer) == left
