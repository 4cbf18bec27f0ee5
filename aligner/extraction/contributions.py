"""Scores that look beyond attention: at the residual sum and layer normalisation.

Behind attention, position i has `y_i = LN(x_i + Σ_j Σ_h α^h_ij f_h(x_j) + b)`. Layer
normalisation subtracts the mean and scales, by γ and by the deviation σ_i of the sum,
which is one number for the row: so it can be applied to each vector by itself, and
`y_i` is a sum over j again, of `T_ij = γ (v - mean(v)) / σ_i` for `v = Σ_h α f_h(x_j)`,
of the residual's own part, and of biases, which no position is credited with.

- The norm `‖T_ij‖` (Kobayashi et al. 2021, there AttnResLn-N).
- The contribution of ALTI (Ferrando et al. 2022), for one layer: how much nearer to
  y_i than 0 is T_ij, `C_ij ∝ max(0, ‖y_i‖ - ‖y_i - T_ij‖)` in the L1 or the L2 norm,
  each row divided by its sum.

Where the stream attends to itself, its residual is part of T_ii. Where the decoder
attends to the source it belongs to no source position: ALTI's rows count it in their
sum as one more column, which is left out.

In a pre-norm network no normalisation ends the sublayer. The norm is then taken after
the one that reads the sum next; ALTI's T and y are taken without any.

None of them needs a (T, S, D) tensor: `‖T_ij‖²` is a form in the heads' Gram matrix,
`‖y - T‖² = ‖y‖² + ‖T‖² - 2 <y, T>`, and L1 takes one source position after the other.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from aligner.nmt.attention import AttentionRecord
from aligner.nmt.norms import squared_layer_norms
from aligner.nmt.sublayers import SublayerRecord


class _Parts(NamedTuple):
    """The summands of a normalised residual sum, before division by σ.

    Attributes:
        weights: (B, H, T, S) the attention weights.
        vectors: (B, S, H, D) γ (f_h - mean(f_h)).
        residual: (B, T, D) γ (x - mean(x)).
        deviation: (B, T, 1) σ.
    """

    weights: Tensor
    vectors: Tensor
    residual: Tensor
    deviation: Tensor

    def own(self) -> Tensor:
        """Return T_ii with the residual, (B, T, D), where S = T."""
        weights = self.weights.diagonal(dim1=-2, dim2=-1)  # (B, H, T)
        summed = torch.einsum("bht,bthd->btd", weights, self.vectors)
        return (summed + self.residual) / self.deviation

    def squared_norms(self) -> Tensor:
        """Return ‖T_ij‖² without the residual, (B, T, S)."""
        gram = self.vectors @ self.vectors.transpose(-1, -2)
        squares = squared_layer_norms(AttentionRecord(self.weights, gram))
        return squares / self.deviation**2


def residual_norms(record: SublayerRecord) -> Tensor:
    """Return the norms after residual sum and layer normalisation, (B, T, S)."""
    parts = _parts(record, normalised=True)
    norms = parts.squared_norms().sqrt()
    if record.to_itself:
        norms = _with_diagonal(norms, parts.own().norm(dim=-1))
    return norms


def contributions(record: SublayerRecord, order: Literal[1, 2]) -> Tensor:
    """Return ALTI's contributions in the L1 or L2 norm, (B, T, S)."""
    parts = _parts(record, normalised=record.post)
    y = record.norm(record.total) if record.post else record.total  # (B, T, D)
    distances = _distances_1(parts, y) if order == 1 else _distances_2(parts, y)
    if record.to_itself:
        own = (y - parts.own()).norm(p=order, dim=-1)
        distances = _with_diagonal(distances, own)
    length = y.norm(p=order, dim=-1, keepdim=True)  # (B, T, 1)
    # Rounding must not credit what attention does not reach, such as padding.
    reached = record.weights.ne(0).any(1)  # (B, T, S)
    if record.to_itself:  # by the residual in any case
        reached = _with_diagonal(reached, torch.ones_like(reached[..., 0]))
    nearer = (length - distances).clamp_min(0) * reached
    total = nearer.sum(-1, keepdim=True)
    if not record.to_itself:
        rest = y - parts.residual / parts.deviation
        total = total + (length - rest.norm(p=order, dim=-1, keepdim=True)).clamp_min(0)
    shares: Tensor = nearer / total.clamp_min(torch.finfo(total.dtype).tiny)
    return shares


def _distances_1(parts: _Parts, y: Tensor) -> Tensor:
    """Return ‖y_i - T_ij‖₁, (B, T, S)."""
    weights = parts.weights.transpose(1, 2) / parts.deviation[..., None]  # (B, T, H, S)
    distances = y.new_empty(*y.shape[:2], weights.shape[-1])
    # All positions at once would be (B, T, S, D).
    for j in range(weights.shape[-1]):
        arrived = weights[..., j] @ parts.vectors[:, j]  # (B, T, D)
        distances[:, :, j] = arrived.sub_(y).abs_().sum(-1)
    return distances


def _distances_2(parts: _Parts, y: Tensor) -> Tensor:
    """Return ‖y_i - T_ij‖₂, (B, T, S)."""
    along = torch.einsum("btd,bshd->bhts", y, parts.vectors)  # <y_i, f_h(x_j)>
    products = (parts.weights * along).sum(1) / parts.deviation
    squares = y.square().sum(-1, keepdim=True) + parts.squared_norms() - 2 * products
    # Rounding may leave a square of nothing just below zero.
    return squares.clamp_min(0).sqrt()


def _parts(record: SublayerRecord, *, normalised: bool) -> _Parts:
    vectors, residual = record.vectors, record.residual
    if not normalised:
        one = torch.ones_like(record.total[..., :1])
        return _Parts(record.weights, vectors, residual, one)
    norm = record.norm
    variance = record.total.var(dim=-1, correction=0, keepdim=True)
    return _Parts(
        record.weights,
        norm.weight * (vectors - vectors.mean(-1, keepdim=True)),
        norm.weight * (residual - residual.mean(-1, keepdim=True)),
        (variance + norm.eps).sqrt(),
    )


def _with_diagonal(scores: Tensor, diagonal: Tensor) -> Tensor:
    """Return scores (B, T, T) whose diagonal is (B, T)."""
    return scores.diagonal_scatter(diagonal, dim1=-2, dim2=-1)
