"""Directories of encoders that do not load, or not rightly."""

from pathlib import Path
from typing import Any

import pytest
from small_encoders import drop_weights, remove, save_encoder, spoil

from aligner.errors import ModelError
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
