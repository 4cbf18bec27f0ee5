"""Attention to groups of tokens: by weight, by norm, and how the two go together.

Kobayashi et al. (2020), section 4. Every token belongs to one group. For each sequence,
layer and head, α and `‖αf(x)‖` of a group are summed over its tokens as keys and
averaged over the queries; `‖f(x)‖` is averaged over its tokens.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from aligner.analysis.tokens.correlation import spearman

Doubles: TypeAlias = NDArray[np.float64]
Groups: TypeAlias = NDArray[np.int64]  # the group of each token of a sequence


class GroupMeans:
    """Attention to groups, gathered batch by batch.

    N sequences, L layers, H heads, G groups; B sequences and S tokens in a batch.

    Attributes:
        names: of the groups.
        counts: (N, G) the tokens of each group in each sequence.
        weights: (N, L, H, G) α of each group.
        weighted_norms: (N, L, H, G) the same of `‖αf(x)‖`.
        norms: (N, L, H, G) mean `‖f(x)‖` of the group's tokens; 0 where it has none.
        token_weights: for each sequence, α that each token gets: mean over queries,
            heads and layers.
        token_norms: for each sequence, `‖f(x)‖` of each token: mean over heads and
            layers.
    """

    def __init__(
        self, names: Sequence[str], groups: Sequence[Groups], layers: int, heads: int
    ) -> None:
        """Start from the group of each token of each sequence."""
        self.names = tuple(names)
        self._groups = groups
        self.counts = np.stack([np.bincount(g, minlength=len(names)) for g in groups])
        shape = len(groups), layers, heads, len(names)
        self.weights, self.weighted_norms, self.norms = np.zeros((3, *shape))
        self.token_weights = [np.zeros(len(of_sequence)) for of_sequence in groups]
        self.token_norms = [np.zeros(len(of_sequence)) for of_sequence in groups]

    def add(
        self, layer: int, sequences: Sequence[int], weights: Doubles, norms: Doubles
    ) -> None:
        """Take in a layer's figures for some sequences, each once.

        Args:
            layer: the layer, from 0.
            sequences: which sequences these are.
            weights: (B, H, S) α that each token gets, mean over queries.
            norms: (B, H, S) `‖f(x)‖`.
        """
        member = np.zeros((len(sequences), weights.shape[-1], len(self.names)))
        for row, index in enumerate(sequences):
            groups = self._groups[index]
            member[row, np.arange(len(groups)), groups] = 1  # none for padding
            for totals, values in (
                (self.token_weights, weights),
                (self.token_norms, norms),
            ):
                of_tokens = values[row, :, : len(groups)].mean(0)
                totals[index] += of_tokens / self.weights.shape[1]
        self.weights[sequences, layer] = weights @ member  # (B, H, G)
        self.weighted_norms[sequences, layer] = (weights * norms) @ member
        counts = np.maximum(self.counts[sequences], 1)[:, None, :]
        self.norms[sequences, layer] = (norms @ member) / counts

    @property
    def present(self) -> list[int]:
        """The groups that have tokens."""
        return [group for group, n in enumerate(self.counts.sum(axis=0)) if n]

    @property
    def absent(self) -> list[str]:
        """The names of the groups that have none."""
        return [name for i, name in enumerate(self.names) if i not in self.present]

    def means(self) -> Doubles:
        """Return α, `‖αf(x)‖` and `‖f(x)‖` of each head and group, (L, H, G, 3).

        The first two are means over all sequences, so that the groups' α add up to 1;
        the last over those that have the group.
        """
        having = np.maximum(np.count_nonzero(self.counts, axis=0), 1)  # (G,)
        weights, weighted = self.weights.mean(0), self.weighted_norms.mean(0)
        return np.stack([weights, weighted, self.norms.sum(0) / having], axis=-1)

    def points(self, group: int) -> tuple[Doubles, Doubles]:
        """Return α and `‖f(x)‖` of each sequence that has a group, layer and head."""
        there = self.counts[:, group] > 0
        of_group = (array[there, ..., group] for array in (self.weights, self.norms))
        weights, norms = (array.ravel() for array in of_group)
        return weights, norms

    def correlation(self, group: int) -> float | None:
        """Return Spearman's correlation of these points, if there is any."""
        return spearman(*self.points(group))


def received_weights(weights: Tensor, real: Tensor) -> Tensor:
    """Return α that each key gets, mean over the queries, (B, H, S).

    Args:
        weights: (B, H, T, S) the attention weights.
        real: (B, T) which queries are no padding.
    """
    shares = real.to(weights) / real.sum(dim=1, keepdim=True)  # (B, T)
    return (shares[:, None, None, :] @ weights)[:, :, 0]


def to_float64(tensor: Tensor) -> Doubles:
    """Return a tensor as an array in float64, which not every device knows."""
    array: Doubles = tensor.cpu().double().numpy()
    return array
