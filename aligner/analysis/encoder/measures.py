"""What an encoder's attention says of a text: weights, norms, and how they vary.

Kobayashi et al. (2020), section 4. What is said of groups is in `tokens/groups.py`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from aligner.analysis.encoder.encoder import Batch, Encoder
from aligner.analysis.encoder.layers import LayerReading
from aligner.analysis.tokens.groups import (
    Doubles,
    GroupMeans,
    Groups,
    received_weights,
    to_float64,
)
from aligner.nmt.batching import cut

Progress: TypeAlias = Callable[[int, int], None]

CLS, SEP, MARK, OTHER = range(4)  # the groups
BATCH_TOKENS = 2048  # padding included


class Moments:
    """Count, sum and sum of squares, from which the coefficient of variation comes."""

    def __init__(self, *shape: int) -> None:
        """Start from nothing; `shape` is that of the result."""
        self.count = np.zeros(shape)
        self.total = np.zeros(shape)
        self.squares = np.zeros(shape)

    def add(
        self, place: int, count: int, total: Doubles | float, squares: Doubles
    ) -> None:
        """Count so many more values at a place of the first axis."""
        self.count[place] += count
        self.total[place] += total
        self.squares[place] += squares

    def variation(self) -> Doubles:
        """Return standard deviation (of the population) / mean; 0 for a mean of 0."""
        mean = self.total / self.count
        variance = self.squares / self.count - mean**2
        # Rounding may leave the variance of equal values just below zero.
        deviation = np.sqrt(np.maximum(variance, 0))
        return np.divide(deviation, mean, out=np.zeros_like(mean), where=mean != 0)


@dataclass(frozen=True)
class EncoderMeasures:
    """The figures of one encoder on one text; L layers, H heads.

    Attributes:
        groups: α and norms of the groups.
        tokens: all tokens of the text but CLS and SEP, in order.
        token_weights: for each, α that it gets: mean over queries, heads and layers.
        token_norms: for each, `‖f(x)‖`: mean over heads and layers.
        input_variation: (L,) the coefficient of variation of `‖x‖`.
        norm_variation: (L, H) of `‖f(x)‖`.
        weight_variation: (L, H) of α.
    """

    groups: GroupMeans
    tokens: NDArray[np.int64]
    token_weights: Doubles
    token_norms: Doubles
    input_variation: Doubles
    norm_variation: Doubles
    weight_variation: Doubles


def measure_encoder(
    encoder: Encoder,
    sequences: Sequence[Sequence[int]],
    batch_tokens: int = BATCH_TOKENS,
    on_progress: Progress | None = None,
) -> EncoderMeasures:
    """Measure an encoder on sequences that begin with CLS and end with SEP.

    Memory grows by 96 bytes for each layer, head and sequence. `on_progress` is told
    how many sequences are done, and of how many.
    """
    measuring = _Measuring(encoder, sequences)
    done = 0
    for indices in batches([len(ids) for ids in sequences], batch_tokens):
        measuring.add(encoder.batch([sequences[i] for i in indices]), indices)
        done += len(indices)
        if on_progress is not None:
            on_progress(done, len(sequences))
    return measuring.result()


def batches(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Yield indices of sequences of like length, so many tokens at a time or one."""
    order = np.argsort(lengths, kind="stable")
    for part in cut(np.take(lengths, order)[:, None], batch_tokens):
        yield order[part].tolist()


def is_mark(token: str) -> bool:
    """Tell whether a token is a comma or a period, whatever marks its place."""
    return token.removeprefix("##").lstrip("▁Ġ") in {",", "."}


class _Measuring:
    """Figures that fill up batch by batch."""

    def __init__(self, encoder: Encoder, sequences: Sequence[Sequence[int]]) -> None:
        layers, heads = len(encoder.layers), encoder.heads
        special = encoder.tokenizer.cls_token, encoder.tokenizer.sep_token
        names = [*special, "comma, period", "other"]
        self.encoder = encoder
        self.groups = GroupMeans(names, _groups(encoder, sequences), layers, heads)
        self.tokens = [np.asarray(ids[1:-1], np.int64) for ids in sequences]
        self.inputs = Moments(layers)
        self.vectors, self.pairs = Moments(layers, heads), Moments(layers, heads)

    def add(self, batch: Batch, indices: list[int]) -> None:
        """Run a batch, the sequences at some indices, through the model."""

        def visit(layer: int, reading: LayerReading) -> None:
            weights = to_float64(received_weights(reading.weights, batch.mask))
            norms = to_float64(reading.norms.transpose(1, 2))  # (B, H, S)
            self.groups.add(layer, indices, weights, norms)
            self._add_moments(layer, batch.mask, reading)

        self.encoder.read(batch, visit)

    def _add_moments(self, layer: int, mask: Tensor, reading: LayerReading) -> None:
        x = to_float64(reading.x.norm(dim=-1)[mask])  # (tokens,)
        norms = to_float64(reading.norms[mask])  # (tokens, H)
        # Row by row in the model's precision, then in float64; a row's sum is 1.
        lengths = reading.weights.norm(dim=-1).transpose(1, 2)  # (B, S, H)
        rows = to_float64(lengths[mask])  # (tokens, H)
        pairs = int(mask.sum(dim=1).square().sum())
        self.inputs.add(layer, len(x), x.sum(), (x**2).sum())
        self.vectors.add(layer, len(norms), norms.sum(0), (norms**2).sum(0))
        self.pairs.add(layer, pairs, len(rows), (rows**2).sum(0))

    def result(self) -> EncoderMeasures:
        """Return the figures of all batches."""
        token_weights, token_norms = (
            np.concatenate([values[1:-1] for values in of_all])
            for of_all in (self.groups.token_weights, self.groups.token_norms)
        )
        return EncoderMeasures(
            self.groups,
            np.concatenate(self.tokens),
            token_weights,
            token_norms,
            self.inputs.variation(),
            self.vectors.variation(),
            self.pairs.variation(),
        )


def _groups(encoder: Encoder, sequences: Sequence[Sequence[int]]) -> list[Groups]:
    """Return the group of each token of each sequence."""
    used = sorted({token for ids in sequences for token in ids})
    tokens = encoder.tokenizer.convert_ids_to_tokens(used)
    marks = {i for i, token in zip(used, tokens, strict=True) if is_mark(token)}
    return [
        np.array([CLS, *(MARK if i in marks else OTHER for i in ids[1:-1]), SEP])
        for ids in sequences
    ]
