"""What a training measures on held-out text."""

from typing import NamedTuple

import torch

from aligner.nmt.batching import Batches
from aligner.nmt.precision import attention_kernels, computing
from aligner.nmt.transformer import Transformer
from aligner.training.guide import Guide
from aligner.training.loss import prediction_loss, translation_loss
from aligner.training.processes import ALONE, Processes


class ValidationLosses(NamedTuple):
    """The losses on held-out text, in nats per target subword.

    Attributes:
        translation: of the next subword.
        prediction: of the subwords that should arrive in the guided layer, which is
            what aligns; None where no layer learns that.
    """

    translation: float
    prediction: float | None = None

    @property
    def deciding(self) -> float:
        """By which weights are kept, and a training ends."""
        return self.translation if self.prediction is None else self.prediction


@torch.no_grad()
def validation_losses(
    network: Transformer,
    batches: Batches,
    precision: str,
    device: torch.device,
    *,
    layer: int | None = None,
    told: Guide | None = None,
    processes: Processes = ALONE,
) -> ValidationLosses:
    """Return the losses on held-out text.

    Args:
        network: the network.
        batches: the text.
        precision: what it is computed in.
        device: where.
        layer: the decoder layer, from 0, that predicts what it is fed, if one does.
        told: where that is told beforehand to look, if it is.
        processes: who measure together, each a share.
    """
    network.eval()
    sums = torch.zeros(3, device=device)  # two losses, the subwords
    with computing(precision, device), attention_kernels(device):
        for examples in batches.in_order(processes.number, processes.of):
            batch = batches.load(examples).to(device)
            memory = network.encode(batch.src)
            sums[0] += translation_loss(network, batch, memory=memory)
            sums[2] += len(batch.places)
            if layer is not None:
                expected = None
                if told is not None:
                    expected = told.attention(examples).to(device)
                sums[1] += prediction_loss(network, batch, layer, memory, expected)
    network.train()
    translation, prediction, subwords = processes.summed(sums).tolist()
    subwords = max(subwords, 1)
    return ValidationLosses(
        translation / subwords, None if layer is None else prediction / subwords
    )
