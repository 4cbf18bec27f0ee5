"""Tiny translation models of `transformers`: random weights, tokenizers to match."""

import io
import json
from pathlib import Path
from typing import Any

import sentencepiece
import torch

LINES = [
    "the house is small .",
    "la maison est petite .",
    "a tree said he",
    "un arbre dit il",
]
SIZES = {
    "d_model": 24,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 3,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "max_position_embeddings": 40,
}
# The inner size, 3 x 5, is none of the model's.
T5_SIZES = {"d_model": 24, "d_kv": 5, "num_heads": 3, "num_layers": 2, "d_ff": 16}
T5_SIZES["num_decoder_layers"] = 3
# Kind: how the names of its classes begin, its tokenizer's name, sizes, languages.
KINDS: dict[str, tuple[str, str, dict[str, int], tuple[str, str] | None]] = {
    "marian": ("Marian", "Marian", SIZES, None),
    "bart": ("Bart", "Bart", SIZES, None),
    "mbart": ("MBart", "MBart", SIZES, ("en_XX", "fr_XX")),
    "mbart50": ("MBart", "MBart50", SIZES, ("en_XX", "fr_XX")),
    "m2m100": ("M2M100", "M2M100", SIZES, ("en", "fr")),
    "nllb": ("M2M100", "Nllb", SIZES, ("eng_Latn", "fra_Latn")),
    "t5": ("T5", "T5", T5_SIZES, None),
    "mt5": ("MT5", "T5", T5_SIZES, None),
}


def save_translator(kind: str, directory: Path, **options: Any) -> Path:
    """Save a random model and a tokenizer; return where."""
    import transformers  # here: it takes seconds

    directory.mkdir(parents=True, exist_ok=True)
    name, tokenizer_name, sizes, _ = KINDS[kind]
    tokenizer = save_translator_tokenizer(tokenizer_name, directory)
    config_class, model_class = (
        getattr(transformers, f"{name}{part}") for part in ("Config", "Model")
    )
    known = {
        "vocab_size": len(tokenizer) + 150,  # M2M100 has codes beyond it
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "decoder_start_token_id": (
            tokenizer.pad_token_id
            if kind in ("marian", "t5", "mt5")
            else tokenizer.eos_token_id
        ),
    }
    torch.manual_seed(1)
    model = model_class(config_class(**{**known, **sizes, **options}))
    with torch.no_grad():
        # Large enough that attention is uneven, and that every bias counts.
        for parameter, weight in model.named_parameters():
            if "embed_positions" not in parameter:
                weight.copy_(torch.randn(weight.shape) * 0.4)
    model.save_pretrained(directory)
    return directory


def save_translator_tokenizer(name: str, directory: Path) -> Any:
    """Save a tokenizer made on the spot; return it."""
    import transformers

    tokenizer_class = getattr(transformers, f"{name}Tokenizer")
    if name == "Bart":
        from tokenizers import ByteLevelBPETokenizer

        special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        learned = ByteLevelBPETokenizer()
        learned.train_from_iterator(
            LINES * 3, vocab_size=300, special_tokens=special, show_progress=False
        )
        learned.save_model(str(directory))
    else:
        model = _sentencepiece(bpe=name in ("Nllb", "M2M100"))
        pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
        names = [pieces.id_to_piece(i) for i in range(len(pieces))]
        names = ["<s>", "<pad>", "</s>", "<unk>", *names[3:]]
        vocabulary = {piece: number for number, piece in enumerate(names)}
        files = {
            "Marian": ("source.spm", "target.spm"),
            "T5": ("spiece.model",),
        }.get(name, ("sentencepiece.bpe.model",))
        for file in files:
            (directory / file).write_bytes(model)
        if name in ("Marian", "M2M100"):
            (directory / "vocab.json").write_text(json.dumps(vocabulary))
    # Others know the codes by themselves.
    codes = [*(KINDS["nllb"][3] or ()), "fon_Latn"]
    options = {"additional_special_tokens": codes} if name == "Nllb" else {}
    tokenizer = tokenizer_class.from_pretrained(directory, **options)
    tokenizer.save_pretrained(directory)
    return tokenizer


def _sentencepiece(*, bpe: bool) -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES * 10),
        model_writer=model,
        vocab_size=50,
        model_type="bpe" if bpe else "unigram",
        hard_vocab_limit=False,
        minloglevel=3,
    )
    return model.getvalue()
