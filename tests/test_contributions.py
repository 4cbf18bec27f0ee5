"""Scores behind residual and layer normalisation, against naive float64 forms.

The oracle runs the network's own modules, hooks what they read, and builds every vector
T_ij of (T, S, D) by itself.
"""

from typing import NamedTuple, get_args

import pytest
import torch
from small_models import random_batch, random_network, sizes
from torch import Tensor, nn

from aligner.extraction import contributions as contributions_module
from aligner.extraction.scores import Score, sublayer_scores
from aligner.nmt.attention import MultiHeadAttention
from aligner.nmt.sublayers import Attention, SublayerRecord, sublayer_records
from aligner.nmt.transformer import PAD, Transformer

LENGTHS = [(9, 6), (4, 8), (2, 1), (12, 5)]
ATTENTIONS: list[Attention] = ["encoder", "decoder", "cross"]
BEHIND: list[Score] = ["resln", "alti-l1", "alti-l2"]


class Naive(NamedTuple):
    """One sublayer as the oracle sees it: all that goes into the sum, and what it is.

    Attributes:
        vectors: (B, H, T, S, D) every α f, before normalisation.
        x: (B, T, D) the residual.
        total: (B, T, D) the sum, as the network itself has it.
        norm: the normalisation that reads the sum.
    """

    vectors: Tensor
    x: Tensor
    total: Tensor
    norm: nn.LayerNorm
    post: bool
    to_itself: bool


def sublayers(
    network: Transformer, attention: Attention
) -> list[tuple[nn.Module, ...]]:
    """Return (attention, normalisation that reads the sum) of each layer."""
    pre = network.config.norm == "pre"
    found = []
    for layer in (
        network.encoder_layers if attention == "encoder" else network.decoder_layers
    ):
        if attention == "cross":
            module, own, after = (
                layer.cross_attention,
                layer.around_cross.norm,
                layer.around_feed.norm,
            )
        else:
            module, own = layer.self_attention, layer.around_self.norm
            after = (
                layer.around_cross if attention == "decoder" else layer.around_feed
            ).norm
        found.append((module, after if pre else own))
    return found


def naive_sublayers(
    network: Transformer, src: Tensor, tgt: Tensor, attention: Attention
) -> list[Naive]:
    """Return each layer's sublayer from a plain run of the network, in float64."""
    network = network.double()
    places = sublayers(network, attention)
    read: dict[nn.Module, tuple[Tensor, Tensor]] = {}
    put_out: dict[nn.Module, Tensor] = {}
    summed: dict[nn.Module, Tensor] = {}
    handles = []
    for module, norm in places:
        handles += [
            module.register_forward_pre_hook(
                lambda m, args: read.__setitem__(m, (args[0], args[1]))
            ),
            module.register_forward_hook(
                lambda m, args, out: put_out.__setitem__(m, out)
            ),
            norm.register_forward_pre_hook(
                lambda m, args: summed.__setitem__(m, args[0])
            ),
        ]
    network(src, tgt)
    for handle in handles:
        handle.remove()
    results = []
    for module, norm in places:
        h, memory = read[module]
        hidden = (tgt if attention == "decoder" else src).eq(PAD)[:, None, None, :]
        if attention == "decoder":
            t = tgt.shape[1]
            ahead = torch.ones(t, t).triu(1).bool()[None, None]
            hidden = hidden | ahead
        results.append(
            Naive(
                naive_vectors(module, h, memory, hidden),
                summed[norm] - put_out[module],
                summed[norm],
                norm,
                network.config.norm == "post",
                attention != "cross",
            )
        )
    return results


def naive_vectors(
    module: MultiHeadAttention, h: Tensor, memory: Tensor, hidden: Tensor
) -> Tensor:
    """Return every `α^h_ij f_h(x_j)`, (B, H, T, S, D)."""
    per_head = []
    for rows in torch.arange(len(module.value.bias)).chunk(module.heads):
        q = h @ module.query.weight[rows].T + module.query.bias[rows]
        k = memory @ module.key.weight[rows].T + module.key.bias[rows]
        v = memory @ module.value.weight[rows].T + module.value.bias[rows]
        scores = q @ k.transpose(1, 2) / len(rows) ** 0.5
        alpha = scores.masked_fill(hidden[:, 0], -torch.inf).softmax(-1)
        f = v @ module.output.weight[:, rows].T
        per_head.append(alpha[..., None] * f[:, None])
    return torch.stack(per_head, 1)


def naive_score(naive: Naive, score: Score, head: int | None) -> Tensor:
    """Return (B, T, S) scores from the vectors themselves."""
    v = naive.vectors.sum(1) if head is None else naive.vectors[:, head]
    x = naive.x
    if naive.to_itself:
        v = v + torch.eye(v.shape[1]).double()[None, :, :, None] * x[:, :, None]
    y = naive.total
    if naive.post or score == "resln":
        gamma, sigma = naive.norm.weight, (y.var(-1, correction=0) + 1e-5).sqrt()
        v = gamma * (v - v.mean(-1, keepdim=True)) / sigma[:, :, None, None]
        x = gamma * (x - x.mean(-1, keepdim=True)) / sigma[:, :, None]
        y = naive.norm(y)
    if score == "resln":
        return v.norm(dim=-1)
    p = {"alti-l1": 1, "alti-l2": 2}[score]
    columns = v if naive.to_itself else torch.cat([v, x[:, :, None]], 2)
    length = y.norm(p=p, dim=-1)[:, :, None]
    nearer = (length - (y[:, :, None] - columns).norm(p=p, dim=-1)).clamp_min(0)
    shares = nearer / nearer.sum(-1, keepdim=True).clamp_min(1e-300)
    return shares[:, :, : v.shape[2]]


def real_rows(src: Tensor, tgt: Tensor, attention: Attention) -> Tensor:
    """Return which rows (B, T) are no padding; nothing is promised of the others."""
    return (src if attention == "encoder" else tgt).ne(PAD)


@pytest.mark.parametrize("head", [None, 0, 2], ids=lambda h: f"head {h}")
@pytest.mark.parametrize("score", BEHIND)
@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("attention", ATTENTIONS)
@torch.no_grad()
def test_every_score_equals_its_naive_form(
    attention: Attention, norm: str, score: Score, head: int | None
) -> None:
    network = random_network(sizes(norm=norm)).double()
    src, tgt = random_batch(LENGTHS)
    real = real_rows(src, tgt, attention)
    expected = naive_sublayers(network, src, tgt, attention)
    records = list(sublayer_records(network, src, tgt, attention))
    assert len(records) == len(expected)
    for record, naive in zip(records, expected, strict=True):
        found = sublayer_scores(record, score, head)[real]
        torch.testing.assert_close(found, naive_score(naive, score, head)[real])
        assert found.max() > 0


@pytest.mark.parametrize("score", BEHIND)
@torch.no_grad()
def test_float32_is_close_to_float64(score: Score) -> None:
    network = random_network(sizes(norm="post", dim=64, heads=8))
    src, tgt = random_batch(LENGTHS)
    found = [
        sublayer_scores(record, score) for record in sublayer_records(network, src, tgt)
    ]
    for scores, naive in zip(
        found, naive_sublayers(network, src, tgt, "cross"), strict=True
    ):
        expected = naive_score(naive, score, None)
        real = tgt.ne(PAD)
        torch.testing.assert_close(
            scores[real].double(), expected[real], atol=2e-5, rtol=1e-4
        )


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("attention", ATTENTIONS)
@torch.no_grad()
def test_a_record_is_what_the_network_really_does(
    attention: Attention, norm: str
) -> None:
    network = random_network(sizes(norm=norm)).double()
    src, tgt = random_batch(LENGTHS)
    real = real_rows(src, tgt, attention)
    for record, naive in zip(
        sublayer_records(network, src, tgt, attention),
        naive_sublayers(network, src, tgt, attention),
        strict=True,
    ):
        assert record.norm is naive.norm
        torch.testing.assert_close(record.total[real], naive.total[real])
        torch.testing.assert_close(record.residual[real], naive.x[real])
        lengths = record.attention.gram.diagonal(dim1=-2, dim2=-1).sqrt()  # (B, S, H)
        per_head = record.weights * lengths.transpose(1, 2)[:, :, None]
        rows = real[:, None, :, None].expand_as(per_head)
        torch.testing.assert_close(per_head[rows], naive.vectors.norm(dim=-1)[rows])


@pytest.mark.parametrize("attention", ATTENTIONS)
@torch.no_grad()
def test_alti_shares_a_row_out(attention: Attention) -> None:
    network = random_network(sizes(norm="post"))
    src, tgt = random_batch(LENGTHS)
    for record in sublayer_records(network, src, tgt, attention):
        for score in ("alti-l1", "alti-l2"):
            rows = sublayer_scores(record, score).sum(-1)[
                real_rows(src, tgt, attention)
            ]
            # The decoder's residual has a share too when it attends to the source.
            assert rows.max() <= 1 + 1e-5
            if attention != "cross":
                torch.testing.assert_close(rows, torch.ones_like(rows))


@torch.no_grad()
def test_l1_goes_by_rows_without_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    network = random_network(sizes(norm="post"))
    batch = random_batch(LENGTHS)
    together = [
        sublayer_scores(r, "alti-l1") for r in sublayer_records(network, *batch)
    ]
    monkeypatch.setattr(contributions_module, "CHUNK_CELLS", 1)  # one row at a time
    alone = [sublayer_scores(r, "alti-l1") for r in sublayer_records(network, *batch)]
    torch.testing.assert_close(alone, together)


@pytest.mark.parametrize("score", get_args(Score))
@torch.no_grad()
def test_padding_gets_nothing(score: Score) -> None:
    src, tgt = random_batch(LENGTHS)
    for record in sublayer_records(random_network(sizes(norm="post")), src, tgt):
        scores = sublayer_scores(record, score)
        hidden = src.eq(PAD)[:, None, :].expand_as(scores)
        assert not scores[hidden].any()
        assert scores.isfinite().all()


@torch.no_grad()
def test_nothing_is_computed_beyond_the_layer_that_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = random_network(sizes())
    src, tgt = random_batch(LENGTHS)

    def never(*args: object) -> Tensor:
        raise AssertionError("computed what nobody reads")

    monkeypatch.setattr(network.decoder[1], "forward", never)
    records = sublayer_records(network, src, tgt)
    next(records)
    assert isinstance(next(records), SublayerRecord)


@torch.no_grad()
def test_with_the_whole_target_it_is_the_reading_of_a_guided_layer() -> None:
    network = random_network(sizes()).double()
    src, tgt = random_batch(LENGTHS)
    for layer, record in enumerate(sublayer_records(network, src, tgt, whole=True)):
        expected = network.record(src, tgt, layer, whole=True)
        torch.testing.assert_close(record.weights, expected.weights)
        torch.testing.assert_close(record.attention.gram, expected.gram)
