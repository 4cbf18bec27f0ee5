"""Cross-entropy over the vocabulary, without the largest tensors of all."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

CHUNK_SCORES = 1 << 25  # of subwords under states, at a time
LEAST = torch.finfo(torch.float32).tiny


def cross_entropy(
    states: Tensor, vocabulary: Tensor, targets: Tensor, smoothing: float = 0.0
) -> Tensor:
    """Return the summed cross-entropy of targets, in nats, float32.

    With label smoothing ε (Szegedy et al. 2016), every subword of the vocabulary is
    wanted with ε / V, and the target with 1 - ε more.

    Args:
        states: (N, D), one for each target.
        vocabulary: (V, D), whose products with a state are the subwords' scores; they
            are computed in the states' precision, the gradient in its own.
        targets: (N,) the right subwords.
        smoothing: ε.
    """
    summed: Tensor = _CrossEntropy.apply(  # type: ignore[no-untyped-call]
        states, vocabulary, targets, smoothing, torch.is_grad_enabled()
    )
    return summed


class _CrossEntropy(Function):
    """The gradient is found with the loss: no scores are kept, or computed twice.

    With scores z = W s and p = softmax(z), the loss of a state is
    log Σ exp z - (1 - ε) z_y - ε · mean z, and its gradient by z is
    p - (1 - ε) [y] - ε / V. What does not depend on the state is left out of the
    (N, V) matrix, so that p is the only one there is.
    """

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        vocabulary: Tensor,
        targets: Tensor,
        smoothing: float,
        learning: bool,
    ) -> Tensor:
        wide = torch.promote_types(states.dtype, torch.float32)
        total = torch.zeros((), dtype=wide, device=states.device)
        share = smoothing / len(vocabulary)
        whole = share * vocabulary.sum(dim=0, dtype=wide)  # (D,)
        own, vocabulary = vocabulary.dtype, vocabulary.to(states.dtype)
        by_state = torch.empty_like(states)
        by_vocabulary = torch.zeros_like(vocabulary, dtype=wide)
        rows = max(1, CHUNK_SCORES // len(vocabulary))
        for some, wanted, slopes in zip(
            *(torch.split(x, rows) for x in (states, targets, by_state)), strict=True
        ):
            scores = some @ vocabulary.t()  # (rows, V)
            place = wanted[:, None]
            target_scores = scores.gather(1, place).to(wide)
            p = torch.softmax(scores, dim=1, out=scores)
            target_p = p.gather(1, place)
            # log Σ exp z = z_y - log p_y
            total += smoothing * target_scores.sum() - some.sum(0, dtype=wide) @ whole
            total -= target_p.to(wide).clamp_min(LEAST).log().sum()
            if learning:
                p.scatter_(1, place, target_p - (1 - smoothing))
                torch.sub(p @ vocabulary, whole, out=slopes)
                by_vocabulary += p.t() @ some
        if learning:
            by_vocabulary -= share * states.sum(0, dtype=wide)
            by_vocabulary = by_vocabulary.to(own)
            ctx.save_for_backward(by_state, by_vocabulary)
        return total

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        by_state, by_vocabulary = ctx.saved_tensors
        (slope,) = slopes
        return (
            by_state * slope.to(by_state.dtype),
            by_vocabulary * slope.to(by_vocabulary.dtype),
            None,
            None,
            None,
        )
