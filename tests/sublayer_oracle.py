"""What attention sublayers do, in float64: every vector, and what the network adds up.

The network's own modules run, hooks see what they read, and every vector is built.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from aligner.nmt.attention import MultiHeadAttention
from aligner.nmt.sublayers import Attention
from aligner.nmt.transformer import PAD, Transformer


class Naive(NamedTuple):
    """One sublayer as the oracle sees it: all that goes into the sum, and what it is.

    Attributes:
        vectors: (B, H, T, S, D) every α f, before normalisation.
        x: (B, T, D) the residual.
        total: (B, T, D) the sum, as the network itself has it.
        norm: the normalisation that reads the sum.
    """

    vectors: Tensor
    x: Tensor
    total: Tensor
    norm: nn.LayerNorm
    post: bool
    to_itself: bool


def sublayers(
    network: Transformer, attention: Attention
) -> list[tuple[nn.Module, ...]]:
    """Return (attention, normalisation that reads the sum) of each layer."""
    pre = network.config.norm == "pre"
    found = []
    for layer in (
        network.encoder_layers if attention == "encoder" else network.decoder_layers
    ):
        if attention == "cross":
            module, own, after = (
                layer.cross_attention,
                layer.around_cross.norm,
                layer.around_feed.norm,
            )
        else:
            module, own = layer.self_attention, layer.around_self.norm
            after = (
                layer.around_cross if attention == "decoder" else layer.around_feed
            ).norm
        found.append((module, after if pre else own))
    return found


def naive_sublayers(
    network: Transformer, src: Tensor, tgt: Tensor, attention: Attention
) -> list[Naive]:
    """Return each layer's sublayer from a plain run of the network, in float64."""
    network = network.double()
    places = sublayers(network, attention)
    read: dict[nn.Module, tuple[Tensor, Tensor]] = {}
    put_out: dict[nn.Module, Tensor] = {}
    summed: dict[nn.Module, Tensor] = {}
    handles = []
    for module, norm in places:
        handles += [
            module.register_forward_pre_hook(
                lambda m, args: read.__setitem__(m, (args[0], args[1]))
            ),
            module.register_forward_hook(
                lambda m, args, out: put_out.__setitem__(m, out)
            ),
            norm.register_forward_pre_hook(
                lambda m, args: summed.__setitem__(m, args[0])
            ),
        ]
    network(src, tgt)
    for handle in handles:
        handle.remove()
    results = []
    for module, norm in places:
        h, memory = read[module]
        hidden = (tgt if attention == "decoder" else src).eq(PAD)[:, None, None, :]
        if attention == "decoder":
            t = tgt.shape[1]
            ahead = torch.ones(t, t).triu(1).bool()[None, None]
            hidden = hidden | ahead
        results.append(
            Naive(
                naive_vectors(module, h, memory, hidden),
                summed[norm] - put_out[module],
                summed[norm],
                norm,
                network.config.norm == "post",
                attention != "cross",
            )
        )
    return results


def naive_vectors(
    module: MultiHeadAttention, h: Tensor, memory: Tensor, hidden: Tensor
) -> Tensor:
    """Return every `α^h_ij f_h(x_j)`, (B, H, T, S, D)."""
    per_head = []
    for rows in torch.arange(len(module.value.bias)).chunk(module.heads):
        q = h @ module.query.weight[rows].T + module.query.bias[rows]
        k = memory @ module.key.weight[rows].T + module.key.bias[rows]
        v = memory @ module.value.weight[rows].T + module.value.bias[rows]
        scores = q @ k.transpose(1, 2) / len(rows) ** 0.5
        alpha = scores.masked_fill(hidden[:, 0], -torch.inf).softmax(-1)
        f = v @ module.output.weight[:, rows].T
        per_head.append(alpha[..., None] * f[:, None])
    return torch.stack(per_head, 1)
