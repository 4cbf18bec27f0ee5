"""The translation loss, against a loop over single subwords."""

from typing import Any

import numpy as np
import pytest
import torch
from small_models import random_bitext, random_guide, random_network, sizes
from torch import Tensor
from torch.func import functional_call

import aligner.training.loss as loss_module
from aligner.nmt.batching import Batch, Batches
from aligner.nmt.precision import computing
from aligner.nmt.transformer import PAD, Transformer
from aligner.text.subwords import UNK
from aligner.training.cross_entropy import cross_entropy
from aligner.training.loss import (
    LEAST_SHARE,
    guided_losses,
    hidden,
    prediction_loss,
    translation_loss,
    unsaid,
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


# The guided layer

BITEXT = random_bitext(6)
EXAMPLES = np.arange(12)
GUIDE = random_guide(BITEXT).attention(EXAMPLES)
TOLD = random_guide(BITEXT, seed=2).attention(EXAMPLES)
BATCH = Batches(BITEXT, "both", 500).load(EXAMPLES)


def naive_guided(
    network: Transformer, layer: int, expected: Tensor | None
) -> tuple[float, dict[tuple[int, int], tuple[int, Tensor]]]:
    """Return the sum of -q log p over fed target subwords, and what arrives there.

    p comes from vectors that are added up one by one. The attention is that of a
    decoder which sees the whole target; what arrives is by example and row, with the
    subword that is fed in.
    """
    total, arrived = 0.0, {}
    attention = network.decoder_layers[layer].cross_attention
    for number, (src, tgt, rows) in enumerate(zip(*BATCH[:2], GUIDE, strict=True)):
        s, t = int(src.ne(PAD).sum()), int(tgt.ne(PAD).sum())
        src, tgt = src[None, :s], tgt[None, :t]
        told = None if expected is None else expected[number, None, : t - 1, :s]
        weights = next(
            network.records(src, tgt, first=layer, whole=True, expected=told)
        ).weights[0]  # (H, T, S)
        values = attention.value(network.encode(src))[0].view(s, attention.heads, -1)
        w_o = attention.output.weight.view(
            len(attention.output.weight), *values[0].shape
        )
        for row in range(1, t):
            vectors = [
                torch.einsum("h,hk,dhk->d", weights[:, row, j], values[j], w_o)
                for j in range(s)
            ]
            norms = [vector.norm() for vector in vectors]
            for j in range(s):
                share = norms[j] / sum(norms)
                total -= float(rows[row - 1, j] * (share + LEAST_SHARE).log())
            summed = torch.stack(vectors).sum(0) + attention.output.bias
            arrived[number, row] = int(tgt[0, row]), summed
    return total, arrived


@pytest.mark.parametrize("layer", [0, 2])
@pytest.mark.parametrize("expected", [None, TOLD])
@torch.no_grad()
def test_the_guided_losses_equal_the_loop(layer: int, expected: Tensor | None) -> None:
    network = random_network(sizes())
    for side in (BATCH.src, BATCH.tgt):
        assert bool((side == PAD).any()), "the test would see what padding does"
    missed, unsaid = guided_losses(network, BATCH, GUIDE, layer, expected=expected)
    total, arrived = naive_guided(network, layer, expected)
    assert float(missed) == pytest.approx(total, rel=1e-4)
    # Of 20 subwords, all are drawn: every one but PAD competes.
    naive = naive_unsaid(network, arrived, range(PAD + 1, 20))
    assert float(unsaid) == pytest.approx(naive, rel=1e-4)


def naive_unsaid(
    network: Transformer,
    arrived: dict[tuple[int, int], tuple[int, Tensor]],
    known: range,
) -> float:
    """Return the sum of -log p over what should have arrived, among some subwords."""
    total = 0.0
    for subword, vector in arrived.values():
        scores = (network.embedding.weight[known] @ vector).double()
        total -= float(scores.log_softmax(0)[known.index(subword)])
    return total


@pytest.mark.parametrize("layer", [0, 2])
@pytest.mark.parametrize("expected", [None, TOLD])
@torch.no_grad()
def test_prediction_is_among_all_subwords(layer: int, expected: Tensor | None) -> None:
    network = random_network(sizes(), vocab_size=5000)
    memory = network.encode(BATCH.src)
    found = prediction_loss(network, BATCH, layer, memory, expected)
    _, arrived = naive_guided(network, layer, expected)
    naive = naive_unsaid(network, arrived, range(5000))
    assert float(found) == pytest.approx(naive, rel=1e-4)


@torch.no_grad()
def test_what_is_hidden_is_fed_as_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """And has to be said all the same; the tag in front is always shown."""
    network = random_network(sizes())
    shown = [True, False, True, True, False]
    tgt = BATCH.tgt.clone()
    drawn = torch.ones(tgt.shape)
    for column, is_shown in enumerate(shown):
        if not is_shown:
            tgt[:, column][tgt[:, column] != PAD] = UNK
            drawn[:, column] = 0.0
    drawn[:, 0] = 0.0
    monkeypatch.setattr(torch, "rand", lambda *_, **__: drawn)
    found = guided_losses(network, BATCH, GUIDE, 0, expected=TOLD, hide=0.5)
    fed = BATCH._replace(tgt=tgt)
    missed = guided_losses(network, fed, GUIDE, 0, expected=TOLD).missed
    assert float(found.missed) == pytest.approx(float(missed))
    (attended,) = network.attended(BATCH.src, tgt, count=1, whole=True, expected=TOLD)
    said = unsaid(network, attended.arrived()[:, 1:], BATCH)
    assert float(found.unsaid) == pytest.approx(float(said), rel=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_so_many_subwords_are_hidden(share: float) -> None:
    torch.manual_seed(1)
    tgt = torch.full((200, 51), 7)
    tgt[:100, 30:] = PAD
    fed = hidden(tgt, share)
    assert bool((fed[:, 0] == 7).all())
    assert torch.equal(fed == PAD, tgt == PAD)
    assert float((fed == UNK).sum()) == pytest.approx(share * 7900, rel=0.05)
    assert bool(((fed == UNK) | (fed == tgt)).all())


@torch.no_grad()
def test_only_what_was_drawn_competes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of subwords that nobody wrote; those of the batch always do."""
    network = random_network(sizes(), vocab_size=5000)
    monkeypatch.setattr(loss_module, "DRAWN", 3)
    torch.manual_seed(3)
    drawn = set(torch.randint(PAD + 1, 5000, (3,)).tolist())
    torch.manual_seed(3)
    vectors = torch.randn(*BATCH.tgt[:, 1:].shape, 16)
    torch.manual_seed(3)
    found = unsaid(network, vectors, BATCH)
    fed = BATCH.tgt[:, 1:]
    known = sorted(set(fed[fed.ne(PAD)].tolist()) | drawn)
    assert len(known) < 30
    naive = 0.0
    for example, row in fed.ne(PAD).nonzero().tolist():
        scores = network.embedding.weight[known] @ vectors[example, row]
        naive -= float(scores.log_softmax(0)[known.index(int(fed[example, row]))])
    assert float(found) == pytest.approx(naive, rel=1e-5)


def test_gradients_of_the_guided_losses_are_right() -> None:
    """Against differences, in float64."""
    network = random_network(sizes(), sharpness=1.0).double()
    told = TOLD.double()

    def loss(values: Tensor, embedding: Tensor) -> Tensor:
        weights = {
            "decoder.0.cross_attention.value.weight": values,
            "embedding.weight": embedding,
        }
        given = BATCH, GUIDE.double(), 0
        found = functional_call(
            _Guided(network),
            {f"network.{name}": weight for name, weight in weights.items()},
            given,
            {"expected": told},
        )
        return found[0] + found[1]

    values = network.decoder_layers[0].cross_attention.value.weight
    embedding = network.embedding.weight
    inputs = tuple(w.detach().clone().requires_grad_() for w in (values, embedding))
    assert torch.autograd.gradcheck(loss, inputs, fast_mode=True)


class _Guided(torch.nn.Module):
    def __init__(self, network: Transformer) -> None:
        super().__init__()
        self.network = network

    def forward(self, *given: Any, **named: Any) -> tuple[Tensor, Tensor]:
        return guided_losses(self.network, *given, **named)


def test_what_nobody_expected_can_be_found() -> None:
    """Told a wrong place, the attention learns to look at the right one."""
    network = random_network(sizes(), sharpness=1.0)
    right = torch.zeros_like(GUIDE)
    right[:, :, 0] = 1
    told = torch.zeros_like(GUIDE)
    told[:, :, 1] = 1
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    losses = []
    for _ in range(150):
        missed = guided_losses(network, BATCH, right, 0, expected=told).missed
        losses.append(float(missed.detach()))
        optimizer.zero_grad()
        missed.backward()
        optimizer.step()
    assert losses[-1] < losses[0] / 4


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("values", [1.0, 0.0])
def test_guided_gradients_are_finite(precision: str, values: float) -> None:
    """With padded sources, and even where every vector is nothing."""
    network = random_network(sizes())
    with torch.no_grad():
        network.decoder_layers[0].cross_attention.value.weight.mul_(values)
        network.decoder_layers[0].cross_attention.value.bias.mul_(values)
    with computing(precision, CPU):
        losses = guided_losses(network, BATCH, GUIDE, 0, expected=TOLD)
    for loss in losses:
        assert loss.dtype == torch.float32
    sum(losses).backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert len(gradients) > 10
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)


def test_auto_is_one_of_the_two() -> None:
    with computing("auto", CPU):
        dtype = torch.nn.Linear(2, 2)(torch.ones(1, 2)).dtype
    assert dtype in (torch.float32, torch.bfloat16)
