"""Vector norms of attention, exactly, without ever building a (T, S, D) tensor.

Attention adds up vectors, `y_i = Σ_h Σ_j α^h_ij f_h(x_j)`, so what reaches position i
from j is `α f(x)`, and its norm says how much (Kobayashi et al. 2020). Per head,
`‖α f‖ = α ‖f‖`. Over heads the vectors are summed before the norm is taken, and with
the Gram matrix `G_j[h, g] = <f_h(x_j), f_g(x_j)>` that norm is `√(aᵀ G_j a)`, where a
holds the heads' α_ij: memory O(S·H² + H·T·S) instead of O(H·T·S·D).
"""

from torch import Tensor

from aligner.nmt.attention import AttentionRecord


def head_norms(record: AttentionRecord) -> Tensor:
    """Return `‖α^h_ij f_h(x_j)‖` for every head, (B, H, T, S)."""
    return record.weights * vector_norms(record).transpose(1, 2)[:, :, None, :]


def vector_norms(record: AttentionRecord) -> Tensor:
    """Return `‖f_h(x_j)‖`, (B, S, H)."""
    return record.gram.diagonal(dim1=-2, dim2=-1).clamp_min(0).sqrt()


def layer_norms(record: AttentionRecord) -> Tensor:
    """Return `‖Σ_h α^h_ij f_h(x_j)‖`, (B, T, S)."""
    return squared_layer_norms(record).sqrt()


def squared_layer_norms(record: AttentionRecord) -> Tensor:
    """Return the squares of `layer_norms`, (B, T, S), whose slope is finite at 0."""
    a = record.weights.permute(0, 3, 2, 1)  # (B, S, T, H)
    squares = ((a @ record.gram) * a).sum(dim=-1)  # (B, S, T)
    # Rounding may leave a square of nothing just below zero.
    return squares.clamp_min(0).transpose(1, 2)
