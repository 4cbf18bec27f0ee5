"""Tiny models of Marian: random arrays, options, files as Marian writes them."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
from numpy.typing import NDArray

from aligner.extraction.pretrained_aligner import Models
from aligner.pretrained.marian import load_marian
from aligner.text.numbered import WordPair

WORDS = ["the", "house", "is", "small", "la", "maison", "est", "petite", "."]
DIM, HEADS, FFN = 8, 2, 12
OPTIONS: dict[str, Any] = {
    "type": "transformer",
    "dim-emb": DIM,
    "transformer-heads": HEADS,
    "enc-depth": 1,
    "dec-depth": 2,
    "transformer-dim-ffn": FFN,
    "transformer-ffn-activation": "relu",
    "transformer-postprocess": "dan",
    "transformer-preprocess": "",
    "transformer-decoder-autoreg": "rnn",
    "dec-cell": "ssru",
}
Arrays = dict[str, NDArray[np.float32]]


def vocabulary() -> bytes:
    """Return a sentencepiece model that begins with `</s>` and `<unk>`, as Marian's."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(WORDS)] * 20),
        model_writer=model,
        vocab_size=30,
        hard_vocab_limit=False,
        eos_id=0,
        unk_id=1,
        bos_id=-1,
        pad_id=-1,
        minloglevel=3,
    )
    return model.getvalue()


def arrays(pieces: int, options: dict[str, Any] = OPTIONS) -> Arrays:
    """Return random arrays by Marian's names."""
    random = np.random.default_rng(1)
    found: Arrays = {}

    def add(name: str, *shape: int) -> None:
        found[name] = random.normal(0, 0.6, shape).astype(np.float32)

    def attention(name: str) -> None:
        for letter in "qkvo":
            add(f"{name}_W{letter}", DIM, DIM)
            add(f"{name}_b{letter}", 1, DIM)
        norm(f"{name}_Wo")

    def norm(name: str) -> None:
        add(f"{name}_ln_scale", 1, DIM)
        add(f"{name}_ln_bias", 1, DIM)

    def feed_forward(name: str) -> None:
        add(f"{name}_W1", DIM, FFN)
        add(f"{name}_b1", 1, FFN)
        add(f"{name}_W2", FFN, DIM)
        add(f"{name}_b2", 1, DIM)
        norm(f"{name}_ffn")

    for number in range(1, options["enc-depth"] + 1):
        attention(f"encoder_l{number}_self")
        feed_forward(f"encoder_l{number}_ffn")
    for number in range(1, options["dec-depth"] + 1):
        layer = f"decoder_l{number}"
        if options["transformer-decoder-autoreg"] == "rnn":
            add(f"{layer}_rnn_W", DIM, DIM)
            add(f"{layer}_rnn_Wf", DIM, DIM)
            add(f"{layer}_rnn_bf", 1, DIM)
            norm(f"{layer}_rnn_ffn")
        else:
            attention(f"{layer}_self")
        attention(f"{layer}_context")
        feed_forward(f"{layer}_ffn")
    add("Wemb", pieces, DIM)
    add("decoder_ff_logit_out_b", 1, pieces)
    return found


def yaml_bytes(options: dict[str, Any]) -> bytes:
    """Return options as Marian stores them."""
    import yaml

    return str(yaml.safe_dump(options)).encode() + b"\0"


def save_npz(path: Path, found: Arrays, options: dict[str, Any]) -> None:
    """Write a model in numpy's form."""
    text = np.frombuffer(yaml_bytes(options), np.int8)
    np.savez(path, **found, **{"special:model.yml": text})  # type: ignore[arg-type]


def save_bin(
    path: Path, found: Arrays, options: dict[str, Any], version: int = 1
) -> Arrays:
    """Write a model in Marian's form, matrices in 8 bits; return what can be read."""
    items, readable = [], {}
    for name, array in found.items():
        if ("_W" not in name and name != "Wemb") or "_ln_" in name:
            items.append((name, 0x404, array.shape, array.tobytes()))
            readable[name] = array
            continue
        multiplier = np.float32(127 / np.abs(array).max())
        whole = np.round(array * multiplier).astype(np.int8)
        readable[name] = whole / multiplier
        stored = whole if name == "Wemb" else np.ascontiguousarray(whole.T)
        data = stored.tobytes() + multiplier.tobytes() + bytes(8)
        items.append((name, 0x4101, array.shape, data))
    text = yaml_bytes(options)
    items.append(("special:model.yml", 0x101, (len(text),), text))
    names = [name.encode() + b"\0" for name, *_ in items]
    head = struct.pack("<QQ", version, len(items))
    for name, (_, kind, shape, data) in zip(names, items, strict=True):
        head += struct.pack("<QQQQ", len(name), kind, len(shape), len(data))
    head += b"".join(names)
    head += b"".join(struct.pack(f"<{len(i[2])}i", *i[2]) for i in items)
    head += struct.pack("<Q", 5) + bytes(5)
    path.write_bytes(head + b"".join(data for *_, data in items))
    return readable


def save_marian(directory: Path, *, seed_shift: float = 0.0, form: str = "npz") -> Path:
    """Write a whole model directory; return where."""
    directory.mkdir(parents=True)
    (directory / "vocab.spm").write_bytes(vocabulary())
    pieces = sentencepiece.SentencePieceProcessor(model_proto=vocabulary())
    found = arrays(pieces.get_piece_size())
    found["Wemb"] += np.float32(seed_shift)
    if form == "npz":
        save_npz(directory / "model.npz", found, OPTIONS)
    else:
        save_bin(directory / "model.intgemm8.bin", found, OPTIONS)
    (directory / "decoder.yml").write_text(
        f"models:\n  - {'model.npz' if form == 'npz' else 'model.intgemm8.bin'}\n"
        "vocabs: [vocab.spm, vocab.spm]\n"
    )
    return directory


def load_both_ways(folder: Path) -> Models:
    """Make a model, and one of the other way."""
    there = load_marian(save_marian(folder / "there"))
    back = load_marian(save_marian(folder / "back", seed_shift=0.3))
    return {"forward": there, "reverse": back}


def random_pairs() -> list[WordPair]:
    """Return sentence pairs of the words above."""
    random = np.random.default_rng(2)
    sizes = random.integers(1, 6, (12, 2)).tolist()
    return [
        (random.choice(WORDS, s).tolist(), random.choice(WORDS, t).tolist())
        for s, t in sizes
    ]
