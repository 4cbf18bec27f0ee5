"""Vector norms, against the naive form that builds every vector, in float64."""

import pytest
import torch
from small_models import random_batch, random_network, sizes
from torch import Tensor

from aligner.extraction.reading import attention_scores
from aligner.nmt.attention import AttentionRecord, MultiHeadAttention
from aligner.nmt.norms import head_norms, layer_norms
from aligner.nmt.transformer import PAD, Transformer, source_mask

LENGTHS = [(9, 6), (4, 8), (2, 1), (12, 5)]


def naive_vectors(
    attention: MultiHeadAttention, weights: Tensor, memory: Tensor
) -> Tensor:
    """Return every `α^h_ij f_h(x_j)`, (B, H, T, S, D); b_V is in f, b_O is not."""
    b, h, _, s = weights.shape
    value = memory @ attention.value.weight.T + attention.value.bias
    value = value.view(b, s, h, -1)  # (B, S, H, K)
    w_o = attention.output.weight.view(attention.output.weight.shape[0], h, -1)
    f = torch.einsum("bshk,dhk->bhsd", value, w_o)
    return torch.einsum("bhts,bhsd->bhtsd", weights, f)


def naive_norms(
    network: Transformer, src: Tensor, tgt: Tensor
) -> list[tuple[Tensor, Tensor]]:
    """Return each decoder layer's norms per head and over heads, in float64."""
    network = network.double()
    memory = network.encode(src)
    results = []
    for layer, record in zip(
        network.decoder_layers, network.records(src, tgt), strict=True
    ):
        vectors = naive_vectors(layer.cross_attention, record.weights, memory)
        results.append((vectors.norm(dim=-1), vectors.sum(1).norm(dim=-1)))
    return results


def worst_relative_error(found: Tensor, expected: Tensor, real: Tensor) -> float:
    """Return the worst error on real positions; elsewhere both must be nothing."""
    assert not found[~real].any()
    return float(((found - expected).abs() / expected)[real].max())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("size", [(16, 1), (16, 4), (48, 3), (64, 8)], ids=str)
@torch.no_grad()
def test_float32_norms_equal_the_naive_float64_ones(
    seed: int, norm: str, size: tuple[int, int]
) -> None:
    config = sizes(norm=norm, dim=size[0], heads=size[1])
    # Sharper attention doubles the error, by float32's exponentials in the softmax.
    network = random_network(config, seed=seed, sharpness=1.0)
    src, tgt = random_batch(LENGTHS, seed=seed)
    records = list(network.records(src, tgt))
    seen = src.ne(PAD)[:, None, :].expand(-1, tgt.shape[1], -1)  # (B, T, S)
    for record, (per_head, over_heads) in zip(
        records, naive_norms(network, src, tgt), strict=True
    ):
        assert record.weights.dtype == torch.float32
        every_head = seen[:, None].expand_as(per_head)
        assert worst_relative_error(head_norms(record), per_head, every_head) < 1e-5
        assert worst_relative_error(layer_norms(record), over_heads, seen) < 1e-5


@torch.no_grad()
def test_in_float64_they_are_equal_to_rounding() -> None:
    network = random_network(sizes()).double()
    src, tgt = random_batch(LENGTHS)
    for record, (per_head, over_heads) in zip(
        network.records(src, tgt), naive_norms(network, src, tgt), strict=True
    ):
        torch.testing.assert_close(head_norms(record), per_head, rtol=1e-12, atol=0)
        torch.testing.assert_close(layer_norms(record), over_heads, rtol=1e-11, atol=0)


@torch.no_grad()
def test_the_vectors_add_up_to_what_attention_puts_out() -> None:
    """Σ_h Σ_j α f + b_O is the attention's output: the norms leave nothing out."""
    network = random_network(sizes()).double()
    src, tgt = random_batch(LENGTHS)
    memory, mask, x = network.encode(src), source_mask(src), network.embed(tgt)
    attention = network.decoder_layers[0].cross_attention
    out, record = attention.record(x, memory, mask)
    total = naive_vectors(attention, record.weights, memory).sum((1, 3))
    torch.testing.assert_close(total + attention.output.bias, out)
    torch.testing.assert_close(out, attention(x, memory, mask))


@torch.no_grad()
def test_the_value_bias_counts_and_the_output_bias_does_not() -> None:
    network = random_network(sizes())
    src, tgt = random_batch(LENGTHS)
    attention = network.decoder_layers[0].cross_attention
    before = next(network.records(src, tgt, first=0))
    attention.output.bias.add_(10)
    after = next(network.records(src, tgt, first=0))
    assert torch.equal(layer_norms(before), layer_norms(after))
    assert torch.equal(head_norms(before), head_norms(after))
    attention.value.bias.add_(1)
    assert not torch.allclose(
        layer_norms(before), layer_norms(next(network.records(src, tgt, first=0)))
    )


def test_vectors_are_added_before_the_norm_is_taken() -> None:
    """Two heads of one position: f_1 = (3, 0), f_2 = (-3, 0), then f_2 = (0, 4)."""
    weights = torch.ones(1, 2, 1, 1)
    opposite = AttentionRecord(weights, torch.tensor([[[[9.0, -9.0], [-9.0, 9.0]]]]))
    assert head_norms(opposite).flatten().tolist() == [3, 3]
    assert layer_norms(opposite).item() == 0
    square = AttentionRecord(weights, torch.tensor([[[[9.0, 0.0], [0.0, 16.0]]]]))
    assert head_norms(square).flatten().tolist() == [3, 4]
    assert layer_norms(square).item() == 5


def test_rounding_below_zero_is_no_norm() -> None:
    gram = torch.tensor([[[[1.0, -1.0000001], [-1.0000001, 1.0]]]])
    assert layer_norms(AttentionRecord(torch.ones(1, 2, 1, 1), gram)).item() == 0
    gram = torch.tensor([[[[-1e-12]]]])
    assert head_norms(AttentionRecord(torch.ones(1, 1, 1, 1), gram)).item() == 0


@torch.no_grad()
def test_scores_are_of_one_head_or_of_all() -> None:
    network = random_network(sizes())
    record = next(network.records(*random_batch(LENGTHS), first=1))
    scores = attention_scores
    assert torch.equal(scores(record), layer_norms(record))
    assert torch.equal(scores(record, "norm", 2), head_norms(record)[:, 2])
    assert torch.equal(scores(record, "weight"), record.weights.mean(1))
    assert torch.equal(scores(record, "weight", 0), record.weights[:, 0])


@pytest.mark.parametrize("score", ["norm", "weight"])
@torch.no_grad()
def test_with_one_head_it_is_the_layer(score: str) -> None:
    network = random_network(sizes(heads=1))
    record = next(network.records(*random_batch(LENGTHS), first=1))
    torch.testing.assert_close(
        attention_scores(record, score),
        attention_scores(record, score, 0),
    )
