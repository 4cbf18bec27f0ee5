"""The Transformer as Marian has it, made of our own layers.

Post-norm, with the decoder's self-attention or, in its place, a simple recurrent unit
(SSRU, Kim et al. 2019): `c_t = f_t c_{t-1} + (1 - f_t) W x_t` with
`f_t = σ(W_f x_t + b_f)`, of which `ReLU(c_t)` is added to the stream.

Ids are Marian's, behind our own specials: EOS stands for Marian's `</s>`, and BOS is a
zero vector, which is what Marian feeds its decoder first.
"""

import math
from collections.abc import Callable, Mapping
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aligner.errors import ModelError
from aligner.nmt.attention import MultiHeadAttention
from aligner.nmt.config import TransformerConfig
from aligner.nmt.transformer import (
    DecoderLayer,
    EncoderLayer,
    FeedForward,
    LayerCache,
    Residual,
    Transformer,
)
from aligner.pretrained.marian_file import MarianFile
from aligner.pretrained.marian_options import checked_options, sizes_of
from aligner.text.subwords import EOS, SPECIALS

NORM_EPSILON = 1e-9
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "swish": nn.SiLU}


class Ssru(nn.Module):
    """A simple recurrent unit in the place of the decoder's self-attention."""

    def __init__(self, dim: int) -> None:
        """Make its two linear maps."""
        super().__init__()
        self.candidate = nn.Linear(dim, dim, bias=False)
        self.forget = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return what is added to the stream (B, T, D)."""
        forget = self.forget(x).sigmoid()
        entering = (1 - forget) * self.candidate(x)
        cell, cells = torch.zeros_like(entering[:, 0]), []
        for place in range(x.shape[1]):
            cell = forget[:, place] * cell + entering[:, place]
            cells.append(cell)
        return torch.stack(cells, dim=1).relu()


class SsruLayer(DecoderLayer):
    """A decoder layer with a recurrent unit in the place of self-attention."""

    def __init__(self, config: TransformerConfig) -> None:
        """Make the sublayers."""
        super().__init__(config)
        del self.self_attention
        self.unit = Ssru(config.dim)

    def attend_self(self, x: Tensor, whole: Tensor | None = None) -> Tensor:
        """Return the stream (B, T, D) after the recurrent unit."""
        h = self.around_self.enter(x)
        return self.around_self.leave(x, self.unit(h))


class MarianNetwork(Transformer):
    """A model of Marian, for forced decoding.

    Attributes:
        written: the table of the target's words; the encoder's is `embedding`.
        bias: (V,) what is added to the scores of each word, -inf for specials.
    """

    def __init__(self, model: MarianFile, eos_read: int, eos_written: int) -> None:
        """Make the network of a file's arrays.

        Args:
            model: the file.
            eos_read: the number of `</s>` in the vocabulary of what is read.
            eos_written: that in the vocabulary of what is written.

        Raises:
            ModelError: an option that is not supported, or an array that is missing or
                of another shape.
        """
        options, weights = checked_options(model.options), _Weights(model.arrays)
        read = weights.table("encoder_Wemb", "Wemb")
        super().__init__(sizes_of(options), len(read) + len(SPECIALS))
        self.embedding = _embedding(read, eos_read)
        written = weights.table("decoder_Wemb", "Wemb", "encoder_Wemb")
        is_shared = written.data_ptr() == read.data_ptr()
        self.written = self.embedding if is_shared else _embedding(written, eos_written)
        self.output = weights.output(self.written, eos_written)
        self.bias = nn.Parameter(
            weights.output_bias(len(self.written.weight), eos_written),
            requires_grad=False,
        )
        activation = str(options["transformer-ffn-activation"])
        later = str(options.get("transformer-decoder-ffn-activation") or activation)
        if options.get("transformer-decoder-autoreg") == "rnn":
            layers = (SsruLayer(self.config) for _ in self.decoder_layers)
            self.decoder = nn.ModuleList(layers)
        for number, encoder in enumerate(self.encoder_layers, start=1):
            encoder.feed_forward[1] = ACTIVATIONS[activation]()
            _fill_encoder(encoder, weights, f"encoder_l{number}")
        for number, decoder in enumerate(self.decoder_layers, start=1):
            decoder.feed_forward[1] = ACTIVATIONS[later]()
            _fill_decoder(decoder, weights, f"decoder_l{number}")
        for module in self.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = NORM_EPSILON

    def embed(self, tokens: Tensor, first: int = 0) -> Tensor:
        """Return embeddings plus positions, (B, S, D), of what the encoder reads."""
        return self._embedded(self.embedding, tokens, first)

    def embed_written(self, tokens: Tensor, first: int = 0) -> Tensor:
        """Return embeddings plus positions, (B, T, D), of what the decoder is fed."""
        return self._embedded(self.written, tokens, first)

    def logits(self, states: Tensor) -> Tensor:
        """Return the scores of every word, (..., V), for states (..., D)."""
        return nn.functional.linear(states, self.output, self.bias)

    def start(self, memory: Tensor) -> list[LayerCache]:
        """Refuse: such a model is read, by forced decoding, and does not translate."""
        raise NotImplementedError("models of Marian are read by forced decoding only")

    def _embedded(self, table: nn.Embedding, tokens: Tensor, first: int) -> Tensor:
        dim, length = self.config.dim, first + tokens.shape[1]
        positions = halved_sinusoids(length, dim, tokens.device)[first:]
        return cast("Tensor", table(tokens) * math.sqrt(dim) + positions)


def halved_sinusoids(length: int, dim: int, device: torch.device) -> Tensor:
    """Return Marian's position vectors, (length, D): sines, and behind them cosines."""
    rates = torch.exp(
        torch.arange(dim // 2, device=device) * (-math.log(10_000.0) / (dim // 2 - 1))
    )
    angles = torch.arange(length, device=device)[:, None] * rates  # (length, D/2)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class _Weights:
    """The arrays of a file, asked for by name and checked."""

    def __init__(self, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        self.arrays = arrays

    def get(self, name: str) -> Tensor:
        """Return an array of a name."""
        if name not in self.arrays:
            raise ModelError(f"expected an array {name} in the model of Marian")
        return torch.from_numpy(np.ascontiguousarray(self.arrays[name]))

    def table(self, *names: str) -> Tensor:
        """Return the embeddings of one side: of the first name that is there."""
        return self.get(next((n for n in names if n in self.arrays), names[0]))

    def output(self, written: nn.Embedding, eos: int) -> Tensor:
        """Return the table that scores words; by default the target's embeddings."""
        own = "decoder_ff_logit_out_W"
        if own not in self.arrays:
            return written.weight
        table = _with_specials(self.get(own).T, eos)
        return nn.Parameter(table, requires_grad=False)

    def output_bias(self, size: int, eos: int) -> Tensor:
        """Return the words' biases, (V,)."""
        bias = torch.full((size,), -math.inf)
        of_words = self.get("decoder_ff_logit_out_b").flatten()
        bias[len(SPECIALS) :] = of_words
        bias[EOS], bias[len(SPECIALS) + eos] = of_words[eos], -math.inf
        return bias

    def fill(self, linear: nn.Linear, matrix: str, bias: str | None) -> None:
        """Give a linear map its weights."""
        self._copy(linear.weight, self.get(matrix).T, matrix)
        if bias:
            self._copy(linear.bias, self.get(bias).flatten(), bias)

    def fill_norm(self, norm: nn.LayerNorm, name: str) -> None:
        """Give a layer normalisation its weights."""
        self._copy(norm.weight, self.get(f"{name}_ln_scale").flatten(), name)
        self._copy(norm.bias, self.get(f"{name}_ln_bias").flatten(), name)

    def _copy(self, parameter: Tensor, values: Tensor, name: str) -> None:
        if parameter.shape != values.shape:
            raise ModelError(
                f"expected {name} of the model of Marian to be "
                f"{tuple(parameter.shape[::-1])}, got {tuple(values.shape[::-1])}"
            )
        parameter.detach().copy_(values)


def _fill_encoder(layer: EncoderLayer, weights: _Weights, name: str) -> None:
    _fill_attention(layer.self_attention, layer.around_self, weights, f"{name}_self")
    _fill_feed_forward(layer.feed_forward, layer.around_feed, weights, f"{name}_ffn")


def _fill_decoder(layer: DecoderLayer, weights: _Weights, name: str) -> None:
    if isinstance(layer, SsruLayer):
        weights.fill(layer.unit.candidate, f"{name}_rnn_W", None)
        weights.fill(layer.unit.forget, f"{name}_rnn_Wf", f"{name}_rnn_bf")
        weights.fill_norm(layer.around_self.norm, f"{name}_rnn_ffn")
    else:
        own = layer.self_attention
        _fill_attention(own, layer.around_self, weights, f"{name}_self")
    cross = f"{name}_context"
    _fill_attention(layer.cross_attention, layer.around_cross, weights, cross)
    _fill_feed_forward(layer.feed_forward, layer.around_feed, weights, f"{name}_ffn")


def _fill_attention(
    attention: MultiHeadAttention, around: Residual, weights: _Weights, name: str
) -> None:
    linears = attention.query, attention.key, attention.value, attention.output
    for letter, linear in zip("qkvo", linears, strict=True):
        weights.fill(linear, f"{name}_W{letter}", f"{name}_b{letter}")
    weights.fill_norm(around.norm, f"{name}_Wo")


def _fill_feed_forward(
    feed_forward: FeedForward, around: Residual, weights: _Weights, name: str
) -> None:
    for number, place in ((1, 0), (2, 2)):
        linear = feed_forward[place]
        assert isinstance(linear, nn.Linear)
        weights.fill(linear, f"{name}_W{number}", f"{name}_b{number}")
    weights.fill_norm(around.norm, f"{name}_ffn")


def _embedding(table: Tensor, eos: int) -> nn.Embedding:
    weight = _with_specials(table, eos)
    rows, dim = weight.shape
    return nn.Embedding(rows, dim, _weight=weight, _freeze=True)


def _with_specials(table: Tensor, eos: int) -> Tensor:
    """Return a table with our specials in front: zeros, but for EOS."""
    specials = table.new_zeros(len(SPECIALS), table.shape[1])
    specials[EOS] = table[eos]
    return torch.cat([specials, table])
