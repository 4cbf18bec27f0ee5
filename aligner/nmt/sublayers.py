"""What any attention sublayer of a network does: all that its scores can need.

For extraction and analysis, where a layer's whole arithmetic is looked at; training and
the usual reading need `AttentionRecord` only. Shapes as in `transformer.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor, nn

from aligner.nmt.attention import AttentionRecord, MultiHeadAttention
from aligner.nmt.transformer import PAD, Residual, Transformer, source_mask

# Which attention: the encoder's own, the decoder's own, or the decoder's to the source.
Attention = Literal["encoder", "decoder", "cross"]


@dataclass(frozen=True)
class SublayerRecord:
    """What an attention sublayer did, its residual sum included.

    Attributes:
        weights: (B, H, T, S) the attention weights α.
        vectors: (B, S, H, D) the vectors f_h(x_j).
        residual: (B, T, D) the stream that comes in.
        total: (B, T, D) the stream and the attention's output, added up.
        norm: the layer normalisation that reads the sum: the sublayer's own in
            post-norm, the next sublayer's in pre-norm.
        post: whether it is the sublayer's own.
        to_itself: whether the stream attends to itself: S = T, and the residual is
            part of what position i gets from position i.
    """

    weights: Tensor
    vectors: Tensor
    residual: Tensor
    total: Tensor
    norm: nn.LayerNorm
    post: bool
    to_itself: bool

    @cached_property
    def attention(self) -> AttentionRecord:
        """The part of it that the plain scores need."""
        return AttentionRecord(
            self.weights, self.vectors @ self.vectors.transpose(-1, -2)
        )

    def of_head(self, head: int) -> "SublayerRecord":
        """Return the record with the vectors of one head only, from 0."""
        one = slice(head, head + 1)
        return replace(
            self, weights=self.weights[:, one], vectors=self.vectors[:, :, one]
        )


def sublayer_records(
    network: Transformer,
    src: Tensor,
    tgt: Tensor,
    attention: Attention = "cross",
    *,
    whole: bool = False,
    first: int = 0,
    expected: Tensor | None = None,
) -> Iterator[SublayerRecord]:
    """Yield what each layer's attention does, in order, under forced decoding.

    Nothing is computed beyond the layer that was asked for last.

    Args:
        network: the network.
        src: (B, S) sources.
        tgt: (B, T) the decoder's inputs.
        attention: which one is looked at.
        whole: let the decoder see the whole target at every position.
        first: the layer to begin with, from 0.
        expected: for cross-attention, as in `Transformer.attended`.
    """
    mask = source_mask(src)
    if attention == "encoder":
        x = network.embed(src)
        for number, encoder in enumerate(network.encoder_layers):
            frames = encoder.around_self, encoder.around_feed
            if number >= first:
                yield _record(encoder.self_attention, *frames, x, None, mask)
            x = encoder(x, mask)
        return
    memory, x = network.encode(src), network.embed_written(tgt)
    seen = tgt.ne(PAD)[:, None, None, :] if whole else None
    for number, decoder in enumerate(network.decoder_layers):
        if number < first:
            pass
        elif attention == "decoder":
            frames = decoder.around_self, decoder.around_cross
            allowed = _causal(tgt) if seen is None else seen
            yield _record(decoder.self_attention, *frames, x, None, allowed)
        else:
            frames = decoder.around_cross, decoder.around_feed
            stream = decoder.attend_self(x, seen)
            attended = decoder.cross_attention, *frames
            yield _record(*attended, stream, memory, mask, expected)
        x = decoder(x, memory, mask, seen, expected)


def _record(
    attention: MultiHeadAttention,
    around: Residual,
    following: Residual,
    x: Tensor,
    memory: Tensor | None,
    mask: Tensor | None,
    expected: Tensor | None = None,
) -> SublayerRecord:
    """Return the record of one sublayer that reads the stream x (B, T, D)."""
    h = around.enter(x)
    keys, values = attention.keys_values(h if memory is None else memory)
    weights = attention.weights(h, keys, mask, expected)
    vectors = attention.vectors(values)
    out = attention.weighted(weights, values)  # cheaper than from the vectors
    return SublayerRecord(
        weights,
        vectors,
        x,
        x + out,
        following.norm if around.pre else around.norm,
        post=not around.pre,
        to_itself=memory is None,
    )


def _causal(tgt: Tensor) -> Tensor:
    """Return a mask (1, 1, T, T), true where a position may look: not ahead."""
    length = tgt.shape[1]
    allowed = torch.ones(length, length, dtype=torch.bool, device=tgt.device)
    return allowed.tril()[None, None]
