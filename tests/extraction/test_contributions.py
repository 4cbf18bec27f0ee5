"""Scores behind residual and layer normalisation, against naive float64 forms.

The oracle builds every vector T_ij of (T, S, D) by itself.
"""

from typing import get_args

import pytest
import torch
from conftest import Run
from small_models import never, random_batch, random_network, sizes
from sublayer_oracle import Naive, naive_sublayers
from torch import Tensor

from aligner.extraction.reading import sublayer_scores
from aligner.nmt.sublayers import Attention, SublayerRecord, sublayer_records
from aligner.nmt.transformer import PAD
from aligner.terms import Score

LENGTHS = [(9, 6), (4, 8), (2, 1), (12, 5)]
ATTENTIONS: list[Attention] = ["encoder", "decoder", "cross"]
BEHIND: list[Score] = ["resln", "alti-l1", "alti-l2"]


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


LONG = """
import resource, sys, torch
from small_models import random_batch, random_network, sizes
from aligner.extraction.reading import sublayer_scores
from aligner.nmt.sublayers import sublayer_records

network = random_network(sizes(dim=256, heads=4, decoder_layers=1, norm="post"))
src, tgt = random_batch([(400, 400), (400, 400)])
with torch.inference_mode():
    record = next(sublayer_records(network, src, tgt))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sublayer_scores(record, sys.argv[1])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


@pytest.mark.parametrize("score", ["norm", *BEHIND])
def test_memory_is_far_below_every_vector(run: Run, score: str) -> None:
    """Every vector of the batch, (B, T, S, D), would be 328 MB."""
    result = run(score, program=LONG)
    assert int(result.out) < 80, result.err


@torch.no_grad()
def test_the_residual_counts_where_attention_does_not_look_at_itself() -> None:
    network = random_network(sizes(norm="post", decoder_layers=1), sharpness=500.0)
    src, tgt = random_batch([(5, 12)])
    (record,) = sublayer_records(network.double(), src, tgt, "decoder")
    (naive,) = naive_sublayers(network, src, tgt, "decoder")
    unseen = record.weights.diagonal(dim1=-2, dim2=-1).sum(1) == 0
    assert unseen.any()
    for score in BEHIND:
        found = sublayer_scores(record, score)
        torch.testing.assert_close(found, naive_score(naive, score, None))
        assert (found.diagonal(dim1=-2, dim2=-1)[unseen] > 0).any()


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

    monkeypatch.setattr(network.decoder[1], "forward", never)
    records = sublayer_records(network, src, tgt)
    next(records)
    assert isinstance(next(records), SublayerRecord)


@torch.no_grad()
def test_with_the_whole_target_it_is_the_reading_of_a_guided_layer() -> None:
    network = random_network(sizes()).double()
    src, tgt = random_batch(LENGTHS)
    for layer, record in enumerate(sublayer_records(network, src, tgt, whole=True)):
        expected = next(network.records(src, tgt, first=layer, whole=True))
        torch.testing.assert_close(record.weights, expected.weights)
        torch.testing.assert_close(record.attention.gram, expected.gram)
