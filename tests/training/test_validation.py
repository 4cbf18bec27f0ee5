"""The losses on held-out text, against those of one batch."""

import numpy as np
import pytest
import torch
from small_models import random_bitext, random_guide, random_network, sizes

from aligner.nmt.batching import Batches
from aligner.training.loss import prediction_loss, translation_loss
from aligner.training.processes import Processes
from aligner.training.validation import ValidationLosses, validation_losses

CPU = torch.device("cpu")
BITEXT = random_bitext(10)
EXAMPLES = np.arange(20)
BATCH = Batches(BITEXT, "both", 10_000).load(EXAMPLES)
TOLD = random_guide(BITEXT)


@pytest.mark.parametrize("budget", [1, 30, 1000])
@pytest.mark.parametrize("layer", [None, 0, 2])
@pytest.mark.parametrize("is_told", [False, True])
def test_they_are_means_however_the_text_is_cut(
    budget: int, layer: int | None, is_told: bool
) -> None:
    network = random_network(sizes(dropout=0.5)).train()
    told = TOLD if is_told else None
    found = validation_losses(
        network, Batches(BITEXT, "both", budget), "float32", CPU, layer=layer, told=told
    )
    assert network.training, "training goes on afterwards"
    network.eval()
    subwords = len(BATCH.places)
    with torch.no_grad():
        translation = float(translation_loss(network, BATCH)) / subwords
        assert found.translation == pytest.approx(translation, rel=1e-5)
        if layer is None:
            assert found.prediction is None
            return
        memory = network.encode(BATCH.src)
        rows = TOLD.attention(EXAMPLES) if is_told else None
        prediction = prediction_loss(network, BATCH, layer, memory, rows)
    assert found.prediction == pytest.approx(float(prediction) / subwords, rel=1e-5)


def test_nothing_random_is_drawn() -> None:
    """What a training draws does not depend on how often it is validated."""
    network = random_network(sizes(dropout=0.5)).train()
    before = torch.get_rng_state()
    validation_losses(network, Batches(BITEXT, "both", 30), "float32", CPU, layer=0)
    assert torch.equal(torch.get_rng_state(), before)


def test_each_process_takes_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    network = random_network(sizes())
    batches = Batches(BITEXT, "both", 30)
    whole = validation_losses(network, batches, "float32", CPU, layer=0, told=TOLD)
    sums = []

    def kept(self: Processes, value: torch.Tensor) -> torch.Tensor:
        sums.append(value)
        return value

    monkeypatch.setattr(Processes, "summed", kept)
    for number in range(2):
        validation_losses(
            network,
            batches,
            "float32",
            CPU,
            layer=0,
            told=TOLD,
            processes=Processes(number, 2),
        )
    translation, prediction, subwords = (sums[0] + sums[1]).tolist()
    assert translation / subwords == pytest.approx(whole.translation, rel=1e-5)
    assert prediction / subwords == pytest.approx(whole.prediction, rel=1e-5)


def test_what_arrives_decides_where_a_layer_learns_it() -> None:
    assert ValidationLosses(3.0).deciding == 3.0
    assert ValidationLosses(3.0, 2.0).deciding == 2.0
