"""Dropout by random bytes, against what dropout is."""

import pytest
import torch

from aligner.nmt.dropout import STEPS, Dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_drops_a_share_and_scales_the_rest(share: float, dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    x = torch.full((301, 333), 2.0, dtype=dtype, requires_grad=True)
    y = Dropout(share).train()(x)
    y.sum().backward()
    kept = min(max(1 - share, 1 / STEPS), 1)
    assert y.dtype == dtype
    assert float((y.detach() != 0).float().mean()) == pytest.approx(kept, abs=0.005)
    assert float(y.detach().float().mean()) == pytest.approx(2, rel=0.15)
    assert torch.equal(x.grad, y.detach() / 2), "what was dropped learns nothing"


def test_every_place_is_dropped_alike() -> None:
    torch.manual_seed(1)
    dropout = Dropout(0.25).train()
    kept = sum((dropout(torch.ones(3, 7)) != 0).float() for _ in range(4000)) / 4000
    assert float((kept - 0.75).abs().max()) < 0.04


def test_leaves_all_as_it_is_where_nothing_is_trained() -> None:
    x = torch.ones(5, 5)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0).train()(x), x)


def test_the_generator_decides() -> None:
    x = torch.ones(50, 50)
    dropout = Dropout(0.5).train()
    torch.manual_seed(3)
    first = dropout(x)
    torch.manual_seed(3)
    assert torch.equal(dropout(x), first)
    assert not torch.equal(dropout(x), first)
