"""One layer of an encoder of BERT's family: its projections, and what they do.

Forward hooks take what the projections are given and give. Attention weights are
computed from that, whichever implementation of attention the model runs. Shapes: B
sequences, S positions, H heads, K head dimension, D model dimension.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


class Layer(NamedTuple):
    """The projections of one layer's attention."""

    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    output: nn.Linear
    heads: int


class LayerReading(NamedTuple):
    """What one layer's attention does to a batch; padding positions hold anything.

    Attributes:
        x: (B, S, D) what the layer is given.
        weights: (B, H, S, S) the attention weights α; 0 for keys that are padding.
        norms: (B, S, H) `‖f_h(x_j)‖`, f_h(x) = (x W_V + b_V)_h W_O^h. The output's bias
            belongs to no token.
    """

    x: Tensor
    weights: Tensor
    norms: Tensor


def layers_of(model: Any) -> list[Layer]:
    """Return the layers of a model, without a head on top, of a supported type."""
    if model.config.model_type == "distilbert":
        modules = (layer.attention for layer in model.transformer.layer)
        return [Layer(m.q_lin, m.k_lin, m.v_lin, m.out_lin, m.n_heads) for m in modules]
    both = [(a.self, a.output) for a in (e.attention for e in model.encoder.layer)]
    return [
        Layer(own.query, own.key, own.value, output.dense, own.num_attention_heads)
        for own, output in both
    ]


def hooks_on(
    layer: Layer, mask: Tensor, visit: Callable[[LayerReading], None]
) -> list[RemovableHandle]:
    """Register the hooks that call `visit` in each run of the model; `mask` is (B, S).

    The reading is made, and what it is made from dropped, before the layer goes on.
    """
    taken: dict[str, Tensor] = {}

    def take(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            taken[name] = output
            taken["x"] = inputs[0]

        return hook

    def finish(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        reading = LayerReading(
            taken["x"],
            attention_weights(taken.pop("q"), taken.pop("k"), mask, layer.heads),
            vector_norms(taken.pop("v"), layer.output.weight, layer.heads),
        )
        taken.clear()
        visit(reading)

    return [
        layer.query.register_forward_hook(take("q")),
        layer.key.register_forward_hook(take("k")),
        layer.value.register_forward_hook(take("v")),
        layer.output.register_forward_pre_hook(finish),
    ]


def attention_weights(q: Tensor, k: Tensor, mask: Tensor, heads: int) -> Tensor:
    """Return softmax(q·k / √K) over the keys that are no padding, (B, H, S, S).

    `q` and `k` are (B, S, H*K), `mask` is (B, S).
    """
    sequences, length, width = q.shape
    parts = (sequences, length, heads, width // heads)
    queries, keys = (p.reshape(parts).transpose(1, 2) for p in (q, k))
    scores = (queries / math.sqrt(parts[-1])) @ keys.transpose(-1, -2)
    return scores.masked_fill_(~mask[:, None, None, :], -torch.inf).softmax(dim=-1)


def vector_norms(v: Tensor, output: Tensor, heads: int) -> Tensor:
    """Return the norm of each head's part of the output, (B, S, H).

    `v` is (B, S, H*K); `output` is the output projection, (D, H*K).
    """
    parts = zip(v.chunk(heads, dim=-1), output.chunk(heads, dim=-1), strict=True)
    # Head by head, so that the vectors of one head exist at a time.
    return torch.stack([(vh @ wh.T).norm(dim=-1) for vh, wh in parts], dim=-1)
