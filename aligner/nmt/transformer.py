"""The Transformer translation model (Vaswani et al. 2017).

Shapes, here and everywhere in this package:

    B  sentence pairs in a batch        H  attention heads
    S  source positions                 K  dimension of one head
    T  target positions                 D  dimension of the model, H · K
    V  subwords in the vocabulary

The source is `x_1 .. x_n </s>`. The decoder is fed `tag y_1 .. y_m`, where the tag
names the language to translate into, and predicts `y_1 .. y_m </s>`.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from aligner.nmt.attention import AttentionRecord, MultiHeadAttention
from aligner.nmt.config import TransformerConfig
from aligner.nmt.dropout import Dropout

PAD = 0


class Residual(nn.Module):
    """The frame of every sublayer: residual sum and layer normalisation.

    Pre-norm: `x + dropout(sublayer(norm(x)))`. Post-norm, as in the first paper:
    `norm(x + dropout(sublayer(x)))`.
    """

    def __init__(self, config: TransformerConfig) -> None:
        """Make the normalisation and the dropout."""
        super().__init__()
        self.pre = config.norm == "pre"
        self.norm = nn.LayerNorm(config.dim)
        self.dropout = Dropout(config.dropout)

    def enter(self, x: Tensor) -> Tensor:
        """Return what the sublayer reads, (B, T, D)."""
        return self.norm(x) if self.pre else x

    def leave(self, x: Tensor, out: Tensor) -> Tensor:
        """Return the stream x after the sublayer's output, (B, T, D)."""
        x = x + self.dropout(out)
        return x if self.pre else self.norm(x)


class FeedForward(nn.Sequential):
    """Two linear maps with a ReLU between them, at every position by itself."""

    def __init__(self, config: TransformerConfig) -> None:
        """Make the layers."""
        super().__init__(
            nn.Linear(config.dim, config.feed_forward_dim),
            nn.ReLU(),
            nn.Linear(config.feed_forward_dim, config.dim),
        )

    @property
    def output(self) -> nn.Linear:
        """The linear map whose output is added to the stream."""
        return cast("nn.Linear", self[-1])


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward."""

    def __init__(self, config: TransformerConfig) -> None:
        """Make the two sublayers."""
        super().__init__()
        self.self_attention = MultiHeadAttention(config.dim, config.heads)
        self.feed_forward = FeedForward(config)
        self.around_self = Residual(config)
        self.around_feed = Residual(config)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Map the stream (B, S, D) on; `mask` (B, 1, 1, S) is true on real tokens."""
        h = self.around_self.enter(x)
        x = self.around_self.leave(x, self.self_attention(h, h, mask))
        return self.around_feed.leave(x, self.feed_forward(self.around_feed.enter(x)))


class LayerCache(NamedTuple):
    """The keys and values of one decoder layer, each (B, H, T or S, K)."""

    self_keys: Tensor
    self_values: Tensor
    cross_keys: Tensor
    cross_values: Tensor


class Attended(NamedTuple):
    """What one cross-attention does with a batch.

    Attributes:
        attention: the sublayer.
        weights: (B, H, T, S) the attention weights α.
        values: (B, H, S, K).
    """

    attention: MultiHeadAttention
    weights: Tensor
    values: Tensor

    def record(self) -> AttentionRecord:
        """Return what norms are made of."""
        return AttentionRecord(self.weights, self.attention.gram(self.values))

    def arrived(self) -> Tensor:
        """Return the sums of the vectors that reach each position, (B, T, D)."""
        return self.attention.weighted(self.weights, self.values)


AFTER_ATTENTION = ("feed_forward.", "around_feed.")  # of a decoder layer's weights


class DecoderLayer(nn.Module):
    """Self-attention, causal or not, attention to the source, then feed-forward."""

    def __init__(self, config: TransformerConfig) -> None:
        """Make the three sublayers."""
        super().__init__()
        self.self_attention = MultiHeadAttention(config.dim, config.heads)
        self.cross_attention = MultiHeadAttention(config.dim, config.heads)
        self.feed_forward = FeedForward(config)
        self.around_self = Residual(config)
        self.around_cross = Residual(config)
        self.around_feed = Residual(config)

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        mask: Tensor | None,
        whole: Tensor | None = None,
        expected: Tensor | None = None,
    ) -> Tensor:
        """Map the stream (B, T, D) on; `mask` (B, 1, 1, S) is true on real tokens.

        Each position sees those before it; with `whole`, true on the target's real
        tokens (B, 1, 1, T), all of them. `expected` as for `attend_source`.
        """
        x = self.attend_self(x, whole)
        if expected is not None:
            out = self.attend_source(x, memory, mask, expected).arrived()
            return self.leave_cross(x, out)
        h = self.around_cross.enter(x)
        return self.leave_cross(x, self.cross_attention(h, memory, mask))

    def attend_source(
        self,
        x: Tensor,
        memory: Tensor,
        mask: Tensor | None,
        expected: Tensor | None = None,
    ) -> Attended:
        """Return what the cross-attention does, from the stream x (B, T, D).

        `expected` is where each target subword is expected to look, if anything is,
        see `MultiHeadAttention.weights`.
        """
        attention = self.cross_attention
        keys, values = attention.keys_values(memory)
        weights = attention.weights(self.around_cross.enter(x), keys, mask, expected)
        return Attended(attention, weights, values)

    def start(self, memory: Tensor) -> LayerCache:
        """Return the cache before the first target token is fed in."""
        keys, values = self.cross_attention.keys_values(memory)
        return LayerCache(keys[:, :, :0], values[:, :, :0], keys, values)

    def step(
        self, x: Tensor, cache: LayerCache, mask: Tensor | None
    ) -> tuple[Tensor, LayerCache]:
        """Map one new position (B, 1, D) on; the cache holds the earlier ones."""
        h = self.around_self.enter(x)
        new_keys, new_values = self.self_attention.keys_values(h)
        cache = cache._replace(
            self_keys=torch.cat([cache.self_keys, new_keys], dim=2),
            self_values=torch.cat([cache.self_values, new_values], dim=2),
        )
        out = self.self_attention.attend(h, cache.self_keys, cache.self_values)
        x = self.around_self.leave(x, out)
        h = self.around_cross.enter(x)
        out = self.cross_attention.attend(h, cache.cross_keys, cache.cross_values, mask)
        return self.leave_cross(x, out), cache

    def attend_self(self, x: Tensor, whole: Tensor | None = None) -> Tensor:
        """Return the stream (B, T, D) after self-attention, `whole` as in `forward`."""
        # Padding stands at the end, so the causal mask hides it from real tokens.
        h = self.around_self.enter(x)
        out = self.self_attention(h, h, whole, causal=whole is None)
        return self.around_self.leave(x, out)

    def leave_cross(self, x: Tensor, out: Tensor) -> Tensor:
        """Return the stream at the layer's end, given the cross-attention's output."""
        x = self.around_cross.leave(x, out)
        return self.around_feed.leave(x, self.feed_forward(self.around_feed.enter(x)))


class Transformer(nn.Module):
    """An encoder-decoder with one embedding for source, target and output."""

    def __init__(self, config: TransformerConfig, vocab_size: int) -> None:
        """Make the model with fresh weights from torch's random generator."""
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(vocab_size, config.dim, padding_idx=PAD)
        self.dropout = Dropout(config.dropout)
        self.encoder = nn.ModuleList(
            EncoderLayer(config) for _ in range(config.encoder_layers)
        )
        self.decoder = nn.ModuleList(
            DecoderLayer(config) for _ in range(config.decoder_layers)
        )
        # Post-norm layers end normalised already.
        pre = config.norm == "pre"
        self.encoder_norm = nn.LayerNorm(config.dim) if pre else nn.Identity()
        self.decoder_norm = nn.LayerNorm(config.dim) if pre else nn.Identity()
        self._initialise()

    @property
    def precision(self) -> torch.dtype:
        """The type of the layers' weights, which is that of what they compute."""
        return self.encoder_layers[0].self_attention.query.weight.dtype

    @property
    def encoder_layers(self) -> list[EncoderLayer]:
        """The encoder's layers, first layer first."""
        return cast("list[EncoderLayer]", self.encoder)

    @property
    def decoder_layers(self) -> list[DecoderLayer]:
        """The decoder's layers, first layer first."""
        return cast("list[DecoderLayer]", self.decoder)

    @property
    def depth(self) -> int:
        """The number of decoder layers."""
        return len(self.decoder)

    @property
    def heads(self) -> int:
        """The number of heads of each attention."""
        return self.config.heads

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return next(self.parameters()).device

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        """Return the decoder's states (B, T, D) for sources (B, S), inputs (B, T)."""
        return self.decode(tgt, self.encode(src), source_mask(src))

    def encode(self, src: Tensor) -> Tensor:
        """Return the encoder's states (B, S, D) for padded sources (B, S)."""
        x, mask = self.embed(src), source_mask(src)
        for layer in self.encoder:
            x = layer(x, mask)
        return self.encoder_norm(x)  # type: ignore[no-any-return]

    def decode(
        self,
        tgt: Tensor,
        memory: Tensor,
        mask: Tensor | None,
        constant: int | None = None,
    ) -> Tensor:
        """Return the decoder's states (B, T, D) for its inputs (B, T), all at once.

        The attention of a `constant` layer, from 0, learns nothing from what becomes of
        the states.
        """
        x = self.embed_written(tgt)
        for number, layer in enumerate(self.decoder_layers):
            if number == constant:
                attention = {
                    name: weight.detach()
                    for name, weight in layer.named_parameters()
                    if not name.startswith(AFTER_ATTENTION)
                }
                x = functional_call(layer, attention, (x, memory, mask))
            else:
                x = layer(x, memory, mask)
        return self.decoder_norm(x)  # type: ignore[no-any-return]

    def logits(self, states: Tensor) -> Tensor:
        """Return the scores of every subword, (..., V), for states (..., D)."""
        return nn.functional.linear(states, self.embedding.weight)

    def records(
        self,
        src: Tensor,
        tgt: Tensor,
        *,
        first: int = 0,
        count: int | None = None,
        whole: bool = False,
        expected: Tensor | None = None,
    ) -> Iterator[AttentionRecord]:
        """Yield the record of each decoder layer's cross-attention, in order.

        All arguments as for `attended`.
        """
        for one in self.attended(
            src, tgt, first=first, count=count, whole=whole, expected=expected
        ):
            yield one.record()

    def attended(
        self,
        src: Tensor,
        tgt: Tensor,
        *,
        first: int = 0,
        count: int | None = None,
        whole: bool = False,
        memory: Tensor | None = None,
        expected: Tensor | None = None,
    ) -> Iterator[Attended]:
        """Yield what each decoder layer's cross-attention does, in order.

        Forced decoding: the decoder is fed the given target. Nothing is computed after
        the cross-attention that was asked for last.

        Args:
            src: (B, S) sources.
            tgt: (B, T) the decoder's inputs.
            first: the layer to begin with, from 0.
            count: how many layers are asked for; by default all that follow.
            whole: let each position see the whole target, not only what stands before
                it: nothing is to be predicted from this.
            memory: the encoder's states, if they are known already.
            expected: (B, T - 1, S) where each target subword is expected to look, in
                every layer; see `MultiHeadAttention.weights`.
        """
        mask = source_mask(src)
        memory = self.encode(src) if memory is None else memory
        x = self.embed_written(tgt)
        seen = tgt.ne(PAD)[:, None, None, :] if whole else None
        for layer in self.decoder_layers[:first]:
            x = layer(x, memory, mask, seen, expected)
        asked = self.decoder_layers[first:][:count]
        for layer in asked:
            x = layer.attend_self(x, seen)
            attended = layer.attend_source(x, memory, mask, expected)
            yield attended
            if layer is not asked[-1]:
                x = layer.leave_cross(x, attended.arrived())

    def start(self, memory: Tensor) -> list[LayerCache]:
        """Return the decoder's cache before the first target token."""
        return [layer.start(memory) for layer in self.decoder_layers]

    def step(
        self, tokens: Tensor, cache: list[LayerCache], mask: Tensor | None
    ) -> tuple[Tensor, list[LayerCache]]:
        """Feed one token per sentence, (B,); return the states (B, D) and the cache."""
        x = self.embed_written(tokens[:, None], first=cache[0].self_keys.shape[2])
        grown = []
        for layer, layer_cache in zip(self.decoder_layers, cache, strict=True):
            x, layer_cache = layer.step(x, layer_cache, mask)
            grown.append(layer_cache)
        return self.decoder_norm(x)[:, 0], grown

    def embed(self, tokens: Tensor, first: int = 0) -> Tensor:
        """Return embeddings plus positions, (B, T, D), of tokens (B, T)."""
        dim = self.config.dim
        positions = sinusoids(first + tokens.shape[1], dim, tokens.device)[first:]
        x = self.embedding(tokens) * math.sqrt(dim) + positions
        # Trained in bfloat16, the rest has that precision, the embedding has not.
        return self.dropout(x.to(self.precision))  # type: ignore[no-any-return]

    def embed_written(self, tokens: Tensor, first: int = 0) -> Tensor:
        """Return what the decoder is fed, (B, T, D): as what the encoder reads."""
        return self.embed(tokens, first)

    def _initialise(self) -> None:
        """Set the weights.

        embedding   normal, deviation D^-0.5: of length 1, as output rows should be,
                    and scaled to deviation 1 where they come in
        matrices    Xavier uniform
        biases      0
        """
        for name, parameter in self.named_parameters():
            if name == "embedding.weight":
                nn.init.normal_(parameter, std=self.config.dim**-0.5)
                nn.init.zeros_(parameter[PAD].detach())
            elif parameter.dim() == 2:
                nn.init.xavier_uniform_(parameter)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)


def source_mask(src: Tensor) -> Tensor | None:
    """Return a mask (B, 1, 1, S), true on real tokens; None where nothing is padded."""
    real = src.ne(PAD)
    # To ask a GPU would be to wait for it.
    needless = src.device.type == "cpu" and bool(real.all())
    return None if needless else real[:, None, None, :]


def sinusoids(length: int, dim: int, device: torch.device) -> Tensor:
    """Return the sinusoidal position vectors, (length, D) (Vaswani et al. 2017)."""
    rates = torch.exp(
        torch.arange(0, dim, 2, device=device) * (-math.log(10_000.0) / dim)
    )
    angles = torch.arange(length, device=device)[:, None] * rates  # (length, D/2)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
