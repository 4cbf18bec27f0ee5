"""The objective in either precision, against the losses in float32."""

import numpy as np
import pytest
import torch
from small_models import random_bitext, random_guide, random_network, sizes
from torch import Tensor

from aligner.nmt.batching import Batches
from aligner.nmt.config import TrainingConfig
from aligner.nmt.precision import attention_kernels
from aligner.nmt.transformer import Transformer
from aligner.text.ragged import EncodedBitext, RaggedArray
from aligner.training.loss import guided_losses, translation_loss
from aligner.training.objective import Objective

BITEXT = random_bitext(6)
BATCH = Batches(BITEXT, "both", 500).load(np.arange(12))
GUIDE = random_guide(BITEXT).attention(np.arange(12))
TOLD = random_guide(BITEXT, seed=2).attention(np.arange(12))


def gradient(network: Transformer) -> Tensor:
    """Return it whole; 0 where nothing was learnt."""
    gradients = [(p, p.grad) for p in network.parameters()]
    return torch.cat(
        [(torch.zeros_like(p) if g is None else g).flatten() for p, g in gradients]
    )


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("translates", [True, False])
def test_gradients_come_in_float32(precision: str, translates: bool) -> None:
    network = random_network(sizes())
    config = TrainingConfig(
        precision=precision, guide_weight=0.5, prediction_weight=2.0, hide_target=0.3
    )
    torch.manual_seed(1)
    loss, guided = Objective(network, config)(BATCH, GUIDE, TOLD, translates)
    (loss + guided).backward()
    torch.manual_seed(1)
    missed, unsaid = guided_losses(
        network, BATCH, GUIDE, 0, expected=TOLD, hide=config.hide_target
    )
    expected = (
        translation_loss(network, BATCH, config.label_smoothing, constant=0)
        * translates,
        0.5 * missed + 2.0 * unsaid,
    )
    tolerance = 1e-6 if precision == "float32" else 0.02
    for found, right in zip((loss, guided), expected, strict=True):
        assert found.dtype == torch.float32
        assert float(found.detach()) == pytest.approx(float(right.detach()), tolerance)
    found = gradient(network)
    network.zero_grad()
    sum(expected).backward()
    right = gradient(network)
    assert found.dtype == torch.float32
    assert float((found - right).norm()) < 3 * tolerance * float(right.norm())


def test_without_a_guide_it_is_translation_alone() -> None:
    network = random_network(sizes())
    config = TrainingConfig(precision="float32", label_smoothing=0.0)
    loss, missed = Objective(network, config)(BATCH, None)
    assert float(missed) == 0
    with attention_kernels(torch.device("cpu")):  # others round otherwise
        assert torch.equal(loss, translation_loss(network, BATCH))


def test_a_frequent_subwords_gradient_adds_up_in_bfloat16_too() -> None:
    """Of 3,000 equal parts: bfloat16 itself could count to 256."""
    network = random_network(sizes(dropout=0.0))
    frequent = RaggedArray.gather([np.full(100, 7, np.int32)] * 30)
    batch = Batches(EncodedBitext(frequent, frequent), "forward", 4000).load(
        np.arange(30)
    )
    rows = []
    for precision in ("float32", "bfloat16"):
        network.zero_grad()
        config = TrainingConfig(precision=precision, label_smoothing=0.0)
        Objective(network, config)(batch, None)[0].backward()
        rows.append(network.embedding.weight.grad[7].clone())
    assert float((rows[0] - rows[1]).norm()) < 0.05 * float(rows[0].norm())
