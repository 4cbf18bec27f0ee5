"""What an encoder's attention does, naively and in float64.

The same model with eager attention, which returns its weights, and the vectors f(x)
built one by one from the raw projections.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from aligner.analysis.encoder.encoder import Encoder


class Naive(NamedTuple):
    """What the oracle says of one layer and one sequence."""

    x: Tensor  # (S, D)
    weights: Tensor  # (H, S, S)
    vectors: Tensor  # (S, H, D)
    output: Tensor  # (S, D) of the attention, its bias included


def naive_layers(directory: Path, ids: list[int]) -> list[Naive]:
    from transformers import AutoModel

    model = AutoModel.from_pretrained(directory, attn_implementation="eager").double()
    outputs: list[Tensor] = []
    dense = [
        module
        for name, module in model.named_modules()
        if name.endswith(("attention.output.dense", "attention.out_lin"))
    ]
    for module in dense:
        module.register_forward_hook(lambda *call: outputs.append(call[-1][0]))
    with torch.no_grad():
        run = model(
            torch.tensor([ids]), output_attentions=True, output_hidden_states=True
        )
    found = []
    for index, weights in enumerate(run.attentions):
        x = run.hidden_states[index][0]
        vectors = naive_vectors(model.state_dict(), index, x, weights.shape[1])
        found.append(Naive(x, weights[0], vectors, outputs[index] - dense[index].bias))
    return found


def naive_vectors(
    state: dict[str, Tensor], index: int, x: Tensor, heads: int
) -> Tensor:
    """Return f_h(x_j) = (x_j W_V + b_V)_h W_O^h, (S, H, D), one by one."""
    of_layer = {k: v for k, v in state.items() if f"layer.{index}.attention." in k}

    def parameter(*endings: str) -> Tensor:
        return next(v for k, v in of_layer.items() if k.endswith(endings))

    value = parameter("self.value.weight", "v_lin.weight")
    bias = parameter("self.value.bias", "v_lin.bias")
    output = parameter("attention.output.dense.weight", "out_lin.weight")
    width = len(value) // heads
    vectors = torch.zeros(len(x), heads, x.shape[-1], dtype=torch.float64)
    for j in range(len(x)):
        for h in range(heads):
            part = slice(h * width, (h + 1) * width)
            vectors[j, h] = output[:, part] @ (value[part] @ x[j] + bias[part])
    return vectors


class Sums(NamedTuple):
    """What the oracle has of one (layer, head, sequence) and group that is there."""

    weight: float
    weighted: float
    norm: float


class Oracle:
    """All figures by loops over sequences, layers, heads, queries and keys."""

    def __init__(self, directory: Path, encoder: Encoder, lines: list[str]) -> None:
        sequences = encoder.sequences(lines).ids
        self.n = len(sequences)
        # (layer, head, sequence, group) -> Sums; (layer, ...) -> values.
        self.sums: dict[tuple[int, int, int, str], Sums] = {}
        self.values: dict[tuple[Any, ...], list[float]] = {}
        self.token_values: list[tuple[int, float, float]] = []  # id, norm, weight
        for number, ids in enumerate(sequences):
            layers = naive_layers(directory, ids)
            groups = self.groups_of(encoder, ids)
            self.layers, self.heads = len(layers), len(layers[0].weights)
            for layer, naive in enumerate(layers):
                for x in naive.x:
                    self.values.setdefault(("x", layer), []).append(float(x.norm()))
                for head in range(self.heads):
                    self.add(layer, head, number, groups, naive)
            for j in range(1, len(ids) - 1):
                norms = [float(v[j].norm(dim=-1).mean()) for _, _, v, _ in layers]
                weights = [float(w[:, :, j].mean()) for _, w, _, _ in layers]
                self.token_values.append((ids[j], np.mean(norms), np.mean(weights)))

    def groups_of(self, encoder: Encoder, ids: list[int]) -> list[str]:
        texts = encoder.tokenizer.convert_ids_to_tokens(ids)
        inner = ["mark" if t.strip("Ġ") in (",", ".") else "rest" for t in texts[1:-1]]
        return [texts[0], *inner, texts[-1]]

    def add(
        self, layer: int, head: int, number: int, groups: list[str], naive: Any
    ) -> None:
        weights, vectors = naive.weights[head], naive.vectors[:, head]
        size = len(groups)
        for group in dict.fromkeys(groups):
            keys = [j for j in range(size) if groups[j] == group]
            weight = weighted = 0.0
            for i in range(size):
                for j in keys:
                    weight += float(weights[i, j]) / size
                    weighted += float((weights[i, j] * vectors[j]).norm()) / size
            norm = np.mean([float(vectors[j].norm()) for j in keys])
            self.sums[layer, head, number, group] = Sums(weight, weighted, norm)
        for name, found in (("f", vectors.norm(dim=-1)), ("a", weights.flatten())):
            self.values.setdefault((name, layer, head), []).extend(found.tolist())

    def mean(
        self, group: str, layer: int | None = None, head: int | None = None
    ) -> Any:
        """Return a group's means: [α, ‖αf‖] over all sequences, ‖f‖ where it is."""
        means = []
        for at in range(self.layers) if layer is None else [layer]:
            for h in range(self.heads) if head is None else [head]:
                found = [
                    self.sums[at, h, number, group]
                    for number in range(self.n)
                    if (at, h, number, group) in self.sums
                ]
                weight, weighted = (sum(s[k] for s in found) / self.n for k in (0, 1))
                means.append([weight, weighted, np.mean([s.norm for s in found])])
        return np.mean(means, axis=0).tolist()

    def spearman(self, group: str) -> float:
        found = [s for (*_, name), s in self.sums.items() if name == group]
        weights, norms = [s.weight for s in found], [s.norm for s in found]
        return float(stats.spearmanr(weights, norms).statistic)

    def variation(self, *place: Any) -> float:
        values = self.values[place]
        return float(np.std(values) / np.mean(values))
