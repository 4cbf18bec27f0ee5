"""Tiny encoders of `transformers`: random weights, tokenizers to match, damage."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from aligner.analysis.encoder.encoder import Encoder

POSITIONS = 24
LINES = [
    "the house is small .",
    "a small house, said he, is a house",
    "",
    "trees .",
    "said he",
    "the trees, the houses, the trees .",
]
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "house", "##s", "is"]
PIECES += ["a", "small", "tree", "said", "he", ",", ".", "[", "]", "sep"]

BERT_LIKE = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 32,
    "max_position_embeddings": POSITIONS,
}
DISTIL = {"dim": 24, "n_layers": 2, "n_heads": 3, "hidden_dim": 32}
DISTIL["max_position_embeddings"] = POSITIONS
# Type: how the names of its classes begin, and the sizes.
KINDS = {
    "bert": ("Bert", BERT_LIKE),
    "roberta": ("Roberta", BERT_LIKE),
    "distilbert": ("DistilBert", DISTIL),
    "electra": ("Electra", {**BERT_LIKE, "embedding_size": 8}),
    "camembert": ("Camembert", BERT_LIKE),
    "xlm-roberta": ("XLMRoberta", BERT_LIKE),
}
BYTE_LEVEL = ("roberta", "camembert", "xlm-roberta")


def save_encoder(kind: str, directory: Path, **options: Any) -> Path:
    """Save a random model and a tokenizer; return where."""
    import transformers  # here: it takes seconds

    tokenizer = save_tokenizer(kind, directory)
    name, sizes = KINDS[kind]
    config_class, model_class = (
        getattr(transformers, f"{name}{part}") for part in ("Config", "Model")
    )
    known = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    torch.manual_seed(1)
    model = model_class(config_class(**{**known, **sizes, **options}))
    with torch.no_grad():
        # Large enough that attention is uneven, and that every bias counts.
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape) * 0.4)
    model.save_pretrained(directory)
    return directory


def load_in_double(directory: Path) -> Encoder:
    """Load an encoder; turn its weights to float64."""
    encoder = Encoder.load(str(directory))
    encoder.model.double()
    return encoder


def save_tokenizer(kind: str, directory: Path) -> Any:
    """Save a tokenizer made on the spot; return it."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import BertTokenizerFast, RobertaTokenizerFast

    directory.mkdir(parents=True, exist_ok=True)
    if kind in BYTE_LEVEL:
        special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        learned = ByteLevelBPETokenizer()
        learned.train_from_iterator(
            LINES * 3, vocab_size=300, special_tokens=special, show_progress=False
        )
        learned.save_model(str(directory))
        tokenizer = RobertaTokenizerFast.from_pretrained(directory)
    else:
        (directory / "vocab.txt").write_text("\n".join(PIECES), encoding="utf-8")
        tokenizer = BertTokenizerFast.from_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return tokenizer


def spoil(directory: Path, names: str) -> None:
    """Damage the files of some names."""
    for path in directory.glob(names):
        path.write_bytes(b"{")


def remove(directory: Path, names: str) -> None:
    """Remove the files of some names."""
    for path in directory.glob(names):
        path.unlink()


def drop_weights(directory: Path, name: str) -> None:
    """Remove the weights whose names have a part."""
    tensors = load_file(directory / "model.safetensors")
    kept = {key: tensor for key, tensor in tensors.items() if name not in key}
    save_file(kept, directory / "model.safetensors", {"format": "pt"})
