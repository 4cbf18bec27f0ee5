"""Encoder-decoders of `transformers`: each kind against its own output, in float64."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small_encoders import save_encoder
from small_translators import KINDS, save_translator, save_translator_tokenizer
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from aligner.errors import ConfigError, ModelError
from aligner.extraction.forced_decoding import forced_batches
from aligner.extraction.pretrained_aligner import TAG, cut_pairs
from aligner.nmt.norms import layer_norms
from aligner.pretrained.hub import HubTranslation
from aligner.pretrained.translation import load_ways
from aligner.text.subwords import SPECIALS

pytestmark = pytest.mark.slow
PAIRS = [
    (["the", "house", "is", "small", "."], ["la", "maison"]),
    (["a", "tree"], ["un", "arbre", "dit", "il", "."]),
]
Doubles = NDArray[np.float64]


@pytest.fixture(scope="module", params=list(KINDS))
def saved(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, save_translator(request.param, folder)


def decoder_inputs(kind: str, labels: list[int], config: Any) -> list[int]:
    """Return what a model is fed for labels, as its own training does it."""
    if kind == "mbart":  # whose labels end in EOS and the language
        return [labels[-1], *labels[:-2]]
    return [config.decoder_start_token_id, *labels[:-1]]


def cross_attentions(model: Any) -> list[nn.Module]:
    return [
        module
        for name, module in model.get_decoder().named_modules()
        if name.endswith(("encoder_attn", "EncDecAttention"))
    ]


def naive(kind: str, directory: Path, pair: Any) -> list[Doubles]:
    """Return each layer's norms (T, S) of a pair by loops over the stock model's parts.

    That the vectors add up to what the model's own layer gives is checked on the way.
    """
    from transformers import AutoModel, AutoTokenizer

    src_lang, tgt_lang = KINDS[kind][3] or (None, None)
    options = {"src_lang": src_lang, "tgt_lang": tgt_lang} if src_lang else {}
    tokenizer = AutoTokenizer.from_pretrained(directory, **options)
    model = AutoModel.from_pretrained(directory, attn_implementation="eager")
    model = model.double().eval()
    # Byte-level, the first word is read as one inside a sentence.
    space = " " if kind == "bart" else ""
    src, tgt = (space + " ".join(words) for words in pair)
    read = tokenizer([src], return_tensors="pt")["input_ids"]
    labels = tokenizer(text_target=[tgt])["input_ids"][0]
    written = torch.tensor([decoder_inputs(kind, labels, model.config)])
    outputs: list[torch.Tensor] = []
    attentions = cross_attentions(model)
    for attention in attentions:
        attention.register_forward_hook(lambda m, i, out: outputs.append(out[0]))
    with torch.inference_mode():
        found = model(input_ids=read, decoder_input_ids=written, output_attentions=True)
    memory, result = found.encoder_last_hidden_state[0], []
    for attention, weights, output in zip(
        attentions, found.cross_attentions, outputs, strict=True
    ):
        values, projection = (
            getattr(attention, "v_proj", getattr(attention, "v", None)),
            getattr(attention, "out_proj", getattr(attention, "o", None)),
        )
        assert isinstance(values, nn.Linear)
        assert isinstance(projection, nn.Linear)
        size = projection.weight.shape[1] // weights.shape[1]
        with torch.inference_mode():
            value = values(memory)  # b_V inside
            vectors = sum(
                weights[0, head, :, :, None]
                * (
                    value[:, head * size : (head + 1) * size]
                    @ projection.weight[:, head * size : (head + 1) * size].T
                )
                for head in range(weights.shape[1])
            )
            assert isinstance(vectors, torch.Tensor)
            bias = 0 if projection.bias is None else projection.bias
            np.testing.assert_allclose(vectors.sum(1) + bias, output[0], atol=1e-5)
            result.append(vectors.norm(dim=-1).numpy())
    return result


def test_norms_are_the_naive_ones(saved: tuple[str, Path]) -> None:
    kind, directory = saved
    loaded = HubTranslation.load(str(directory))
    loaded._hooked.model.double()
    model = loaded.one_way(*(KINDS[kind][3] or ()))
    network = model.network
    assert (network.depth, network.heads) == (3, 3)
    segmented = cut_pairs(model, "forward", PAIRS)
    [batch] = forced_batches(segmented, TAG, network.device)
    with torch.inference_mode():
        records = list(network.records(batch.src, batch.tgt))
        [second] = network.records(batch.src, batch.tgt, first=1, count=1)
    assert torch.equal(second.weights, records[1].weights)
    for row, index in enumerate(batch.indices):
        written, read = len(segmented[index].tgt) + 1, len(segmented[index].src) + 1
        expected = naive(kind, directory, PAIRS[index])
        for record, norms in zip(records, expected, strict=True):
            found = layer_norms(record)[row]
            assert norms.shape[1] == read
            np.testing.assert_allclose(
                found[:written, :read], norms[-written:], atol=1e-6
            )
            assert (found[:, read:] == 0).all()


def test_nothing_runs_behind_what_is_asked_for(tmp_path: Path) -> None:
    loaded = HubTranslation.load(str(save_translator("marian", tmp_path)))
    network = loaded.one_way().network

    def never(*arguments: Any) -> None:
        raise AssertionError("run")

    for layer in loaded._hooked.layers[2:]:
        layer.register_forward_pre_hook(never)
    loaded._hooked.output(1).register_forward_pre_hook(never)
    ids = torch.tensor([[7, 8, 3]])
    assert len(list(network.records(ids, ids, first=1, count=1))) == 1


def test_every_language_pair_is_a_way_of_one_model(tmp_path: Path) -> None:
    loaded = HubTranslation.load(str(save_translator("nllb", tmp_path)))
    there = loaded.one_way("eng_Latn", "fra_Latn")
    back = loaded.one_way("fra_Latn", "eng_Latn")
    assert there.read(["a"])[0][0] != back.read(["a"])[0][0]
    assert there.read(["a"])[0][1:].tolist() == back.written(["a"])[0].tolist()


def test_a_mark_names_the_language_that_opus_writes(tmp_path: Path) -> None:
    there = save_translator("marian", tmp_path / "there")
    back = save_translator("marian", tmp_path / "back")
    vocabulary = json.loads((there / "vocab.json").read_text())
    mark = vocabulary[">>fr<<"] = len(vocabulary)
    (there / "vocab.json").write_text(json.dumps(vocabulary))
    ways = load_ways(str(there), str(back), ("en", "fr"))
    ids, of_word = ways["forward"].read(["house"])
    assert (ids[0], of_word[0]) == (len(SPECIALS) + mark, -1)
    assert ways["reverse"].read(["house"])[1][0] == 0
    with pytest.raises(ConfigError, match="such as fr, got 'de'"):
        load_ways(str(there), str(back), ("en", "de"))
    with pytest.raises(ConfigError, match="expected no --languages"):
        load_ways(str(back), None, ("en", "fr"))


@pytest.mark.parametrize(
    ("kind", "languages", "message"),
    [
        ("marian", ("en", "fr"), "expected no --languages"),
        ("nllb", (), "expected --languages, as it knows many, such as eng_Latn"),
        ("nllb", ("eng_Latn", "fr"), "such as eng_Latn, fon_Latn, fra_Latn, got 'fr'"),
        ("m2m100", ("en", "the"), "got 'the'"),
        ("mbart", ("en_XX", "</s>"), "got '</s>'"),
    ],
)
def test_languages_are_checked(
    tmp_path: Path, kind: str, languages: tuple[str, ...], message: str
) -> None:
    loaded = HubTranslation.load(str(save_translator(kind, tmp_path)))
    with pytest.raises(ConfigError, match=message):
        loaded.one_way(*languages)


def test_what_is_no_such_model_is_refused(tmp_path: Path) -> None:
    encoder = save_encoder("bert", tmp_path / "bert")
    with pytest.raises(ModelError, match="with cross-attention, got a BertConfig"):
        HubTranslation.load(str(encoder))
    with pytest.raises(ModelError, match="a translation model: there is no"):
        HubTranslation.load(str(tmp_path / "nowhere"))
    pickled = save_translator("marian", tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"convert it: python -c .*save_pretrained"):
        HubTranslation.load(str(pickled))


def test_a_cross_attention_of_another_kind_is_refused(tmp_path: Path) -> None:
    from transformers import ProphetNetConfig, ProphetNetModel

    tokenizer = save_translator_tokenizer("Bart", tmp_path)
    config = ProphetNetConfig(
        vocab_size=len(tokenizer), hidden_size=24, num_encoder_layers=1,
        num_decoder_layers=1, num_encoder_attention_heads=2,
        num_decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8,
    )  # fmt: skip
    ProphetNetModel(config).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="k, v, o in a ProphetNetAttention"):
        HubTranslation.load(str(tmp_path))


@pytest.mark.parametrize(
    ("heads", "cap", "message"),
    [
        (1, None, "got grouped heads in a T5GemmaCrossAttention"),
        (2, 50.0, "without attn_logit_softcapping, got a T5GemmaCrossAttention"),
    ],
)
def test_grouped_heads_and_capped_scores_are_refused_by_name(
    tmp_path: Path, heads: int, cap: float | None, message: str
) -> None:
    from transformers import T5GemmaConfig, T5GemmaModel

    tokenizer = save_translator_tokenizer("Bart", tmp_path)
    module = {
        "vocab_size": len(tokenizer), "hidden_size": 24, "intermediate_size": 8,
        "num_hidden_layers": 1, "num_attention_heads": 2, "head_dim": 12,
        "num_key_value_heads": heads, "attn_logit_softcapping": cap,
    }  # fmt: skip
    config = T5GemmaConfig(encoder=module, decoder=module, vocab_size=len(tokenizer))
    T5GemmaModel(config).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=message):
        HubTranslation.load(str(tmp_path))


class _Sizes(TorchDispatchMode):
    """Notes the sizes of all tensors that are made."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        made = function(*args, **(kwargs or {}))
        for one in made if isinstance(made, tuple | list) else [made]:
            if isinstance(one, torch.Tensor):
                self.largest = max(self.largest, one.numel())
        return made


def test_no_tensor_is_of_all_pairs_of_positions_and_dimensions(tmp_path: Path) -> None:
    """Nothing has T S D elements; the weights, H T S, are the largest."""
    loaded = HubTranslation.load(str(save_translator("marian", tmp_path)))
    network, length, heads, dim = loaded.one_way().network, 38, 3, 24
    ids = torch.randint(len(SPECIALS), 40, (4, length))
    with torch.inference_mode(), _Sizes() as sizes:
        for record in network.records(ids, ids):
            layer_norms(record)
    assert 4 * length * length * heads <= sizes.largest < 4 * length * length * dim / 4


def test_the_sum_of_vectors_is_tried(tmp_path: Path, monkeypatch: Any) -> None:
    from transformers.models.marian.modeling_marian import MarianAttention

    directory = save_translator("marian", tmp_path)
    plain = MarianAttention.__init__

    def other(self: Any, *arguments: Any, **options: Any) -> None:
        plain(self, *arguments, **options)
        self.out_proj.register_forward_pre_hook(lambda m, inputs: (inputs[0] * 2,))

    monkeypatch.setattr(MarianAttention, "__init__", other)
    with pytest.raises(ModelError, match="another kind in layer 1 of a MarianModel"):
        HubTranslation.load(str(directory))
