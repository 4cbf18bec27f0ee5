"""Cross-entropy and its gradients, against torch's own in float64."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import aligner.training.cross_entropy as module
from aligner.training.cross_entropy import cross_entropy


def example(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    states = torch.randn(23, 16, dtype=dtype, requires_grad=True)
    vocabulary = torch.randn(50, 16, dtype=dtype, requires_grad=True)
    return states, vocabulary, torch.randint(0, 50, (23,))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("rows", [23, 7, 1])
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 2e-2)],
)
def test_equals_torch(
    monkeypatch: pytest.MonkeyPatch,
    dtype: torch.dtype,
    tolerance: float,
    rows: int,
    smoothing: float,
) -> None:
    monkeypatch.setattr(module, "CHUNK_SCORES", rows * 50)
    states, vocabulary, targets = example(dtype)
    found = cross_entropy(states, vocabulary, targets, smoothing)
    slopes = torch.autograd.grad(0.5 * found, [states, vocabulary])
    wide = [x.detach().double().requires_grad_() for x in (states, vocabulary)]
    expected = functional.cross_entropy(
        wide[0] @ wide[1].T, targets, reduction="sum", label_smoothing=smoothing
    )
    assert float(found.detach()) == pytest.approx(float(expected.detach()), tolerance)
    for slope, right in zip(
        slopes, torch.autograd.grad(0.5 * expected, wide), strict=True
    ):
        assert slope.dtype == dtype
        assert float((slope - right).abs().max()) < 2 * tolerance


def test_the_loss_alone_is_the_same() -> None:
    states, vocabulary, targets = example(torch.float32)
    learning = cross_entropy(states, vocabulary, targets, 0.1)
    with torch.no_grad():
        assert torch.equal(cross_entropy(states, vocabulary, targets, 0.1), learning)


def test_scores_far_below_the_best_give_a_finite_loss() -> None:
    states = torch.tensor([[1.0]])
    vocabulary = torch.tensor([[0.0], [1000.0]], requires_grad=True)
    loss = cross_entropy(states, vocabulary, torch.tensor([0]))
    (slope,) = torch.autograd.grad(loss, vocabulary)
    assert 80 < float(loss.detach()) < 1001
    assert slope.flatten().tolist() == [-1, 1]


def test_no_number_stays_no_number() -> None:
    states = torch.tensor([[float("nan")]])
    assert cross_entropy(states, torch.ones(3, 1), torch.tensor([0])).isnan()
