"""The translation loss of a batch, and the guided attention's."""

import torch
from torch import Tensor

from aligner.nmt.batching import Batch, Batches
from aligner.nmt.norms import squared_layer_norms
from aligner.nmt.precision import attention_kernels, computing
from aligner.nmt.transformer import Transformer, source_mask
from aligner.training.cross_entropy import cross_entropy
from aligner.training.processes import ALONE, Processes

LEAST_SHARE = 1e-6  # bounds what a single missed link costs
TINY = 1e-12  # keeps the root's slope finite where nothing arrives


def translation_loss(
    network: Transformer, batch: Batch, smoothing: float = 0.0
) -> Tensor:
    """Return the summed cross-entropy of a batch's real target subwords, in nats."""
    return prediction_loss(network, network(batch.src, batch.tgt), batch, smoothing)


def guided_loss(
    network: Transformer, batch: Batch, guide: Tensor, layer: int, smoothing: float
) -> tuple[Tensor, Tensor]:
    """Return the translation loss, and the guided attention's, both summed, in nats.

    The latter is a cross-entropy against the guide (B, T - 1, S). What is guided is
    the very thing that is extracted: the norms of one layer's summed vectors, where
    target subwords are fed in, as shares of their row. To align a word, what follows
    it helps too, so the layer is guided in a second pass that sees the whole target
    (Garg et al. 2019); translation is learnt in the first, which does not.
    """
    memory = network.encode(batch.src)
    states = network.decode(batch.tgt, memory, source_mask(batch.src))
    record = next(
        network.records(batch.src, batch.tgt, first=layer, whole=True, memory=memory)
    )
    norms = (squared_layer_norms(record)[:, 1:] + TINY).sqrt()  # (B, T - 1, S)
    shares = norms / norms.sum(dim=2, keepdim=True)
    missed = -(guide * (shares + LEAST_SHARE).log()).sum()
    return prediction_loss(network, states, batch, smoothing), missed


def prediction_loss(
    network: Transformer, states: Tensor, batch: Batch, smoothing: float
) -> Tensor:
    """Return the summed cross-entropy that the decoder's states (B, T, D) give."""
    # The vocabulary's scores are the largest tensor by far: real subwords only.
    return cross_entropy(
        states.flatten(0, 1)[batch.places],
        network.embedding.weight,
        batch.predicted.flatten()[batch.places],
        smoothing,
    )


@torch.no_grad()
def validation_loss(
    network: Transformer,
    batches: Batches,
    precision: str,
    device: torch.device,
    processes: Processes = ALONE,
) -> float:
    """Return the mean cross-entropy on held-out text, in nats per target subword."""
    network.eval()
    sums = torch.zeros(2, device=device)  # the loss, the subwords
    with computing(precision, device), attention_kernels(device):
        for batch in batches.in_order(processes.number, processes.of):
            sums[0] += translation_loss(network, batch.to(device))
            sums[1] += len(batch.places)
    network.train()
    total, subwords = processes.summed(sums).tolist()
    return float(total / max(subwords, 1))
