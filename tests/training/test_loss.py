"""The translation loss, against a loop over single subwords."""

from typing import Any

import numpy as np
import pytest
import torch
from small_models import random_bitext, random_guide, random_network, sizes
from torch import Tensor

import aligner.training.loss as loss_module
from aligner.nmt.batching import Batch, Batches
from aligner.nmt.precision import computing
from aligner.nmt.transformer import PAD, Transformer
from aligner.training.cross_entropy import cross_entropy
from aligner.training.loss import (
    LEAST_SHARE,
    guided_loss,
    translation_loss,
    validation_loss,
)

CPU = torch.device("cpu")


def naive_loss(network: Transformer, batch: Batch, smoothing: float) -> float:
    """Sum over real subwords: -((1 - e) log p(y) + e · the mean log p(v))."""
    total = 0.0
    for src, tgt, predicted in zip(*batch[:3], strict=True):
        s, t = int(src.ne(PAD).sum()), int(predicted.ne(PAD).sum())
        states = network(src[None, :s], tgt[None, :t])[0]
        for state, y in zip(states, predicted[:t], strict=True):
            scores = network.embedding.weight @ state
            log_p = scores - scores.exp().sum().log()
            total -= float((1 - smoothing) * log_p[y] + smoothing * log_p.mean())
    return total


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@torch.no_grad()
def test_equals_the_loop(smoothing: float) -> None:
    network = random_network(sizes())
    batches = Batches(random_bitext(6), "both", 500)
    batch = batches.load(np.arange(12))
    found = translation_loss(network, batch, smoothing)
    assert float(found) == pytest.approx(naive_loss(network, batch, smoothing), 1e-5)


@torch.no_grad()
def test_only_real_subwords_meet_the_vocabulary(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = random_network(sizes())
    batch = Batches(random_bitext(6), "both", 500).load(np.arange(12))
    seen: list[int] = []

    def counted(states: Tensor, *rest: Any) -> Tensor:
        seen.append(len(states))
        return cross_entropy(states, *rest)

    monkeypatch.setattr(loss_module, "cross_entropy", counted)
    translation_loss(network, batch)
    assert seen == [int(batch.predicted.ne(PAD).sum())]


@pytest.mark.parametrize("budget", [1, 30, 1000])
def test_validation_is_the_mean_however_it_is_cut(budget: int) -> None:
    network = random_network(sizes(dropout=0.5)).train()
    bitext = random_bitext(10)
    found = validation_loss(network, Batches(bitext, "both", budget), "float32", CPU)
    assert network.training, "training goes on afterwards"
    whole = Batches(bitext, "both", 10_000).load(np.arange(20))
    network.eval()
    with torch.no_grad():
        expected = naive_loss(network, whole, 0.0) / int(whole.predicted.ne(PAD).sum())
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_precision_is_what_was_asked_for(precision: str, dtype: torch.dtype) -> None:
    network = random_network(sizes())
    batch = Batches(random_bitext(6), "both", 500).load(np.arange(12))
    with torch.no_grad(), computing(precision, CPU):
        assert network.decoder[0].feed_forward[0](torch.ones(1, 16)).dtype == dtype
        loss = translation_loss(network, batch)
    assert loss.dtype == torch.float32
    with torch.no_grad():
        assert float(loss) == pytest.approx(
            float(translation_loss(network, batch)), 0.05
        )


# The guided attention

BITEXT = random_bitext(6)
GUIDE = random_guide(BITEXT)


def naive_missed(
    network: Transformer, batch: Batch, guide: Tensor, layer: int
) -> float:
    """Sum -q log p over fed target subwords; p, from vectors added up one by one.

    The attention is that of a decoder which sees the whole target.
    """
    total = 0.0
    attention = network.decoder_layers[layer].cross_attention
    for src, tgt, rows in zip(batch.src, batch.tgt, guide, strict=True):
        s, t = int(src.ne(PAD).sum()), int(tgt.ne(PAD).sum())
        src, tgt = src[None, :s], tgt[None, :t]
        weights = next(network.records(src, tgt, first=layer, whole=True)).weights[
            0
        ]  # (H, T, S)
        values = attention.value(network.encode(src))[0].view(s, attention.heads, -1)
        w_o = attention.output.weight.view(
            len(attention.output.weight), *values[0].shape
        )
        for row in range(1, t):
            norms = [
                torch.einsum("h,hk,dhk->d", weights[:, row, j], values[j], w_o).norm()
                for j in range(s)
            ]
            for j in range(s):
                share = norms[j] / sum(norms)
                total -= float(rows[row - 1, j] * (share + LEAST_SHARE).log())
    return total


@pytest.mark.parametrize("layer", [0, 2])
@torch.no_grad()
def test_the_guided_loss_equals_the_loop(layer: int) -> None:
    network = random_network(sizes())
    examples = np.arange(12)
    batch = Batches(BITEXT, "both", 500).load(examples)
    for side in (batch.src, batch.tgt):
        assert bool((side == PAD).any()), "the test would see what padding does"
    guide = GUIDE.attention(examples)
    loss, missed = guided_loss(network, batch, guide, layer, 0.1)
    assert float(loss) == pytest.approx(
        float(translation_loss(network, batch, 0.1)), rel=1e-6
    )
    expected = naive_missed(network, batch, guide, layer)
    assert float(missed) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("values", [1.0, 0.0])
def test_guided_gradients_are_finite(precision: str, values: float) -> None:
    """With padded sources, and even where every vector is nothing."""
    network = random_network(sizes())
    with torch.no_grad():
        network.decoder_layers[0].cross_attention.value.weight.mul_(values)
        network.decoder_layers[0].cross_attention.value.bias.mul_(values)
    examples = np.arange(12)
    batch = Batches(BITEXT, "both", 500).load(examples)
    with computing(precision, CPU):
        _, missed = guided_loss(network, batch, GUIDE.attention(examples), 0, 0.1)
    assert missed.dtype == torch.float32
    missed.backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert len(gradients) > 10
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)


def test_auto_is_one_of_the_two() -> None:
    with computing("auto", CPU):
        dtype = torch.nn.Linear(2, 2)(torch.ones(1, 2)).dtype
    assert dtype in (torch.float32, torch.bfloat16)
