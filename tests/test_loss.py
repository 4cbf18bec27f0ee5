"""The translation loss, against a loop over single subwords."""

import numpy as np
import pytest
import torch
from small_models import random_bitext, random_network, sizes
from torch import Tensor

from aligner.nmt.batching import Batch, Batches
from aligner.nmt.loss import computing, translation_loss, validation_loss
from aligner.nmt.transformer import PAD, Transformer

CPU = torch.device("cpu")


def naive_loss(network: Transformer, batch: Batch, smoothing: float) -> float:
    """Sum over real subwords: -((1 - e) log p(y) + e · the mean log p(v))."""
    total = 0.0
    for src, tgt, predicted in zip(*batch, strict=True):
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

    def logits(states: Tensor) -> Tensor:
        seen.append(len(states))
        return Transformer.logits(network, states)

    monkeypatch.setattr(network, "logits", logits)
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


def test_auto_is_one_of_the_two() -> None:
    with computing("auto", CPU):
        dtype = torch.nn.Linear(2, 2)(torch.ones(1, 2)).dtype
    assert dtype in (torch.float32, torch.bfloat16)
