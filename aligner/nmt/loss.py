"""The translation objective, and the precision that it is computed in."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from aligner.nmt.batching import Batch, Batches
from aligner.nmt.norms import squared_layer_norms
from aligner.nmt.transformer import PAD, Transformer, source_mask

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
    memory, mask = network.encode(batch.src), source_mask(batch.src)
    states = network.decode(batch.tgt, memory, mask)
    record = network.read(batch.tgt, memory, mask, layer, whole=True)
    norms = (squared_layer_norms(record)[:, 1:] + TINY).sqrt()  # (B, T - 1, S)
    shares = norms / norms.sum(dim=2, keepdim=True)
    missed = -(guide * (shares + LEAST_SHARE).log()).sum()
    return prediction_loss(network, states, batch, smoothing), missed


def prediction_loss(
    network: Transformer, states: Tensor, batch: Batch, smoothing: float
) -> Tensor:
    """Return the summed cross-entropy that the decoder's states (B, T, D) give."""
    real = batch.predicted != PAD
    # The vocabulary's scores are the largest tensor by far: real subwords only.
    logits = network.logits(states[real]).float()
    return nn.functional.cross_entropy(
        logits, batch.predicted[real], reduction="sum", label_smoothing=smoothing
    )


@torch.no_grad()
def validation_loss(
    network: Transformer, batches: Batches, precision: str, device: torch.device
) -> float:
    """Return the mean cross-entropy on held-out text, in nats per target subword."""
    network.eval()
    total, subwords = 0.0, 0
    with computing(precision, device):
        for batch in batches.in_order():
            total += translation_loss(network, batch.to(device)).item()
            subwords += int((batch.predicted != PAD).sum())
    network.train()
    return total / max(subwords, 1)


@contextmanager
def computing(precision: str, device: torch.device) -> Iterator[None]:
    """Set how forward passes compute on a device.

    Precision `auto` is bfloat16 where the processor multiplies it in hardware.
    """
    if precision == "auto":
        precision = "bfloat16" if _has_bfloat16(device) else "float32"
    # At sentence lengths on a CPU, plain matrix products beat torch's fused attention.
    attention = [SDPBackend.MATH]
    if device.type != "cpu":
        attention += [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION]
    with (
        torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"),
        sdpa_kernel(attention),
    ):
        yield


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(
        torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    )
