"""Attention: torch's own function and a spelled-out sum are the oracles."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from aligner.nmt.attention import LEAST_EXPECTED, MultiHeadAttention

B, T, S, D, H = 3, 5, 7, 12, 3
CLOSE = {"rtol": 1e-10, "atol": 1e-12}


@pytest.fixture
def attention() -> MultiHeadAttention:
    torch.manual_seed(1)
    module = MultiHeadAttention(D, H).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return module


@pytest.fixture
def streams() -> tuple[Tensor, Tensor]:
    torch.manual_seed(2)
    return torch.randn(B, T, D).double(), torch.randn(B, S, D).double()


def torchs_own(
    attention: MultiHeadAttention, x: Tensor, memory: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return torch's output (B, T, D) and weights (B, H, T, S)."""
    inner = [attention.query, attention.key, attention.value]
    if mask is not None:  # torch wants True where attention may not go
        length = mask.shape[-2] if mask.shape[-2] > 1 else x.shape[1]
        mask = ~mask.expand(x.shape[0], H, length, memory.shape[1]).flatten(0, 1)
    out, weights = functional.multi_head_attention_forward(
        x.transpose(0, 1),
        memory.transpose(0, 1),
        memory.transpose(0, 1),
        D,
        H,
        torch.cat([linear.weight for linear in inner]),
        torch.cat([linear.bias for linear in inner]),
        None,
        None,
        False,
        0.0,
        attention.output.weight,
        attention.output.bias,
        attn_mask=mask,
        average_attn_weights=False,
    )
    assert weights is not None
    return out.transpose(0, 1), weights


def padding_mask(lengths: list[int]) -> Tensor:
    return (torch.arange(S) < torch.tensor(lengths)[:, None])[:, None, None, :]


@pytest.mark.parametrize("mask", [None, padding_mask([7, 1, 4])], ids=["all", "padded"])
def test_both_paths_equal_torchs(
    attention: MultiHeadAttention, streams: tuple[Tensor, Tensor], mask: Tensor | None
) -> None:
    expected, weights = torchs_own(attention, *streams, mask)
    out, record = attention.record(*streams, mask)
    torch.testing.assert_close(attention(*streams, mask), expected, **CLOSE)
    torch.testing.assert_close(out, expected, **CLOSE)
    torch.testing.assert_close(record.weights, weights, **CLOSE)


def test_causal_attention_equals_torchs(
    attention: MultiHeadAttention, streams: tuple[Tensor, Tensor]
) -> None:
    x, mask = streams[0], torch.ones(T, T).tril().bool()[None, None]
    expected, weights = torchs_own(attention, x, x, mask)
    out, record = attention.record(x, x, mask)
    torch.testing.assert_close(attention(x, x, causal=True), expected, **CLOSE)
    torch.testing.assert_close(out, expected, **CLOSE)
    torch.testing.assert_close(record.weights, weights, **CLOSE)


def test_weights_sum_to_one_and_are_nothing_on_padding(
    attention: MultiHeadAttention, streams: tuple[Tensor, Tensor]
) -> None:
    mask = padding_mask([7, 1, 4])
    _, record = attention.record(*streams, mask)
    torch.testing.assert_close(record.weights.sum(-1), torch.ones(B, H, T).double())
    assert not record.weights.masked_select(~mask).any()


def test_what_stands_on_padding_changes_nothing(
    attention: MultiHeadAttention, streams: tuple[Tensor, Tensor]
) -> None:
    x, memory = streams
    mask = padding_mask([3, 3, 3])
    changed = memory.clone()
    changed[:, 3:] = 1e3
    assert torch.equal(attention(x, memory, mask), attention(x, changed, mask))
    alone = attention(x, memory[:, :3])
    torch.testing.assert_close(attention(x, memory, mask), alone, **CLOSE)


def test_gram_holds_the_inner_products_of_f(
    attention: MultiHeadAttention, streams: tuple[Tensor, Tensor]
) -> None:
    """f_h(x) = (x W_V + b_V)_h W_O^h, by loops over sentences, positions and heads."""
    x, memory = streams
    gram = attention.record(x, memory)[1].gram
    w_v, b_v = attention.value.weight, attention.value.bias
    w_o, size = attention.output.weight, D // H
    for b in range(B):
        for s in range(S):
            value = w_v @ memory[b, s] + b_v
            f = [
                w_o[:, h * size : (h + 1) * size] @ value[h * size : (h + 1) * size]
                for h in range(H)
            ]
            expected = torch.stack([torch.stack([p @ q for q in f]) for p in f])
            torch.testing.assert_close(gram[b, s], expected, **CLOSE)


def test_keys_and_values_may_be_kept(
    attention: MultiHeadAttention, streams: tuple[Tensor, Tensor]
) -> None:
    x, memory = streams
    kept = attention.keys_values(memory)
    assert torch.equal(attention.attend(x, *kept), attention(x, memory))


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_the_record_is_float32_at_least(precision: torch.dtype) -> None:
    torch.manual_seed(1)
    attention = MultiHeadAttention(D, H).to(precision)
    x, memory = torch.randn(B, T, D).to(precision), torch.randn(B, S, D).to(precision)
    out, record = attention.record(x, memory)
    assert out.dtype == precision
    assert record.weights.dtype == record.gram.dtype == torch.float32
    torch.testing.assert_close(record.weights.sum(-1), torch.ones(B, H, T))


def test_what_is_expected_multiplies_the_weights(
    attention: MultiHeadAttention, streams: tuple[Tensor, Tensor]
) -> None:
    """As a prior does; but in the first row, of which nothing is expected."""
    x, memory = streams
    mask = padding_mask([S, 4, 2])
    keys, _ = attention.keys_values(memory)
    expected = torch.rand(B, T - 1, S).double()
    expected[:, 1] = 0
    found = attention.weights(x, keys, mask, expected)
    plain = attention.weights(x, keys, mask)
    for b in range(B):
        for h in range(H):
            torch.testing.assert_close(found[b, h, 0], plain[b, h, 0], **CLOSE)
            for t in range(1, T):
                row = plain[b, h, t] * (expected[b, t - 1] + LEAST_EXPECTED)
                torch.testing.assert_close(found[b, h, t], row / row.sum(), **CLOSE)
    torch.testing.assert_close(found[:, :, 2], plain[:, :, 2], **CLOSE)
