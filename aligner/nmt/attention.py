"""Multi-head attention, and what it records for extraction."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

LEAST_EXPECTED = 0.01  # so that attention can find what was not expected


class AttentionRecord(NamedTuple):
    """What one attention layer did, as far as vector norms need it.

    With `f_h(x_j) = (x_j W_V + b_V)_h W_O^h` (Kobayashi et al. 2020), where W_O^h are
    the columns of the output projection that read head h, and no output bias.

    Attributes:
        weights: (B, H, T, S) the attention weights α.
        gram: (B, S, H, H) the inner products `<f_h(x_j), f_g(x_j)>`.
    """

    weights: Tensor
    gram: Tensor


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention over several heads (Vaswani et al. 2017)."""

    def __init__(self, dim: int, heads: int) -> None:
        """Make the four projections."""
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.output = nn.Linear(dim, dim)

    def keys_values(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return the keys and values of a (B, S, D) memory, each (B, H, S, K)."""
        return self._split(self.key(memory)), self._split(self.value(memory))

    def attend(
        self,
        x: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """Attend from x (B, T, D) to keys and values (B, H, S, K); return (B, T, D).

        `mask`, broadcast to (B, H, T, S), is true where attention may go.
        """
        mixed = functional.scaled_dot_product_attention(
            self._split(self.query(x)),
            keys,
            values,
            attn_mask=mask,
            is_causal=causal,
        )
        return self._join(mixed)

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        mask: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """Attend from x (B, T, D) to memory (B, S, D); return (B, T, D)."""
        return self.attend(x, *self.keys_values(memory), mask=mask, causal=causal)

    def record(
        self, x: Tensor, memory: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, AttentionRecord]:
        """Return what `forward` returns, and the record, by an explicit path.

        The record is float32 at least, but for Gram matrices under autocast.
        """
        keys, values = self.keys_values(memory)
        weights = self.weights(x, keys, mask)  # (B, H, T, S)
        record = AttentionRecord(weights, self.gram(values))
        return self.weighted(weights, values), record

    def weighted(self, weights: Tensor, values: Tensor) -> Tensor:
        """Return what `forward` returns, (B, T, D), given the attention weights."""
        return self._join(weights.to(values.dtype) @ values)

    def weights(
        self,
        x: Tensor,
        keys: Tensor,
        mask: Tensor | None = None,
        expected: Tensor | None = None,
    ) -> Tensor:
        """Return the attention weights α, (B, H, T, S), at least in float32.

        `expected`, (B, T - 1, S), is where all but the first position are expected to
        look, in shares of 1; their logarithms are added to the logits of every head.
        """
        queries = self._split(self.query(x)) / math.sqrt(keys.shape[-1])
        bias = None if expected is None else expectation(expected)
        return attention_weights(queries, keys, mask, bias)

    def gram(self, values: Tensor) -> Tensor:
        """Return the Gram matrices of f over heads, (B, S, H, H)."""
        f = self.vectors(values)
        return f @ f.transpose(-1, -2)

    def vectors(self, values: Tensor) -> Tensor:
        """Return the vectors f_h(x_j), (B, S, H, D), at least in float32."""
        return head_vectors(values, self.output.weight)

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)  # (B, H, T, K)

    def _join(self, x: Tensor) -> Tensor:
        joined: Tensor = self.output(x.transpose(1, 2).flatten(2))  # (B, T, D)
        return joined


def expectation(expected: Tensor) -> Tensor:
    """Return what `expected` (B, T - 1, S) adds to logits, (B, 1, T, S).

    The first position, of which nothing is expected, gets the same everywhere.
    """
    logs = (expected + LEAST_EXPECTED).log()
    return functional.pad(logs, (0, 0, 1, 0))[:, None]


def attention_weights(
    queries: Tensor, keys: Tensor, mask: Tensor | None, bias: Tensor | None = None
) -> Tensor:
    """Return the attention weights α, (B, H, T, S), at least in float32.

    Of queries (B, H, T, K), which are scaled already, to keys (B, H, S, K); `mask`,
    broadcast to (B, H, T, S), is true where attention may go; `bias`, broadcast
    likewise, is added to the logits.
    """
    scores = queries @ keys.transpose(-1, -2)  # (B, H, T, S)
    if scores.dtype in (torch.bfloat16, torch.float16):
        scores = scores.float()
    if bias is not None:
        scores = scores + bias
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.softmax(dim=-1)


def head_vectors(values: Tensor, output: Tensor) -> Tensor:
    """Return the vectors f_h(x_j), (B, S, H, D), at least in float32.

    Of values (B, H, S, K) and the output projection's weights (D, H·K).
    """
    if values.dtype in (torch.bfloat16, torch.float16):
        values = values.float()
    per_head = output.to(values.dtype).view(len(output), values.shape[1], -1)
    return torch.einsum("bhsk,dhk->bshd", values, per_head)
