"""The translation loss of a batch, and the guided layer's losses."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from aligner.nmt.batching import Batch
from aligner.nmt.norms import squared_layer_norms
from aligner.nmt.transformer import PAD, Attended, Transformer, source_mask
from aligner.text.subwords import UNK
from aligner.training.cross_entropy import cross_entropy

DRAWN = 500  # subwords that a target subword competes with, besides the batch's own
LEAST_SHARE = 1e-6  # bounds what a single missed link costs
TINY = 1e-12  # keeps the root's slope finite where nothing arrives


def translation_loss(
    network: Transformer,
    batch: Batch,
    smoothing: float = 0.0,
    memory: Tensor | None = None,
    constant: int | None = None,
) -> Tensor:
    """Return the summed cross-entropy of a batch's real target subwords, in nats.

    Args:
        network: the network.
        batch: what it reads and writes.
        smoothing: the probability that is spread over all subwords.
        memory: the encoder's states (B, S, D), if they are known already.
        constant: a decoder layer, from 0, whose attention learns nothing from it.
    """
    memory = network.encode(batch.src) if memory is None else memory
    mask = source_mask(batch.src)
    states = network.decode(batch.tgt, memory, mask, constant)
    # The vocabulary's scores are the largest tensor by far: real subwords only.
    return cross_entropy(
        states.flatten(0, 1)[batch.places],
        network.embedding.weight,
        batch.predicted.flatten()[batch.places],
        smoothing,
    )


class GuidedLosses(NamedTuple):
    """The losses of a guided layer, each summed over a batch, in nats.

    Attributes:
        missed: the cross-entropy of the norms' shares of their row against the guide.
        unsaid: the cross-entropy of the target subwords under what arrives where they
            are fed in.
    """

    missed: Tensor
    unsaid: Tensor


def guided_losses(
    network: Transformer,
    batch: Batch,
    guide: Tensor,
    layer: int,
    *,
    memory: Tensor | None = None,
    expected: Tensor | None = None,
    hide: float = 0.0,
) -> GuidedLosses:
    """Return the losses of the guided layer, in a pass that sees the whole target.

    To align a word, what follows it helps too (Garg et al. 2019). What is guided is the
    very thing that is extracted: the norms of the layer's summed vectors, where target
    subwords are fed in. The vectors themselves have to say which subword that is: they
    are made of the source alone, so attention learns to look where the translation is.

    Args:
        network: the network.
        batch: what it reads.
        guide: (B, T - 1, S) where each target subword is to look.
        layer: the guided one, from 0.
        memory: the encoder's states, if they are known already.
        expected: (B, T - 1, S) what a prior adds to the attention's logits, see
            `MultiHeadAttention.weights`.
        hide: the share of target subwords that are fed in as unknown ones, so that
            what stands around them has to say where they come from; the losses of all
            count (Chen et al. 2021 hide each from itself).
    """
    fed = hidden(batch.tgt, hide) if hide else batch.tgt
    attended = _attended(network, batch.src, fed, layer, memory, expected)
    norms = (squared_layer_norms(attended.record())[:, 1:] + TINY).sqrt()
    shares = norms / norms.sum(dim=2, keepdim=True)  # (B, T - 1, S)
    missed = -(guide * (shares + LEAST_SHARE).log()).sum()
    return GuidedLosses(missed, unsaid(network, attended.arrived()[:, 1:], batch))


def _attended(
    network: Transformer,
    src: Tensor,
    fed: Tensor,
    layer: int,
    memory: Tensor | None,
    expected: Tensor | None,
) -> Attended:
    """Return what the guided layer does in a pass that sees all that is fed in."""
    found = network.attended(
        src, fed, first=layer, count=1, whole=True, memory=memory, expected=expected
    )
    return next(found)


def hidden(tgt: Tensor, share: float) -> Tensor:
    """Return decoder inputs (B, T), a random share of whose subwords are unknown.

    What they begin with, and padding, stay.
    """
    drawn = torch.rand(tgt.shape, device=tgt.device) < share
    drawn[:, 0] = False
    return tgt.masked_fill(drawn & tgt.ne(PAD), UNK)


def unsaid(network: Transformer, arrived: Tensor, batch: Batch) -> Tensor:
    """Return the summed cross-entropy of the target subwords under some vectors.

    A subword's score is its embedding's product with the vector, as in the output; it
    competes with the batch's other target subwords and with some that are drawn.

    Args:
        network: whose embeddings are compared with.
        arrived: (B, T - 1, D), where the target subwords are fed in.
        batch: what they are; padding does not count.
    """
    fed = batch.tgt[:, 1:]
    real = fed.ne(PAD)
    known, target = torch.unique(fed[real], return_inverse=True)
    drawn = torch.randint(
        PAD + 1, network.embedding.num_embeddings, (DRAWN,), device=known.device
    )
    others = torch.unique(drawn[~torch.isin(drawn, known)])
    candidates = network.embedding.weight[torch.cat([known, others])]
    scores = arrived[real].to(candidates.dtype) @ candidates.t()
    return functional.cross_entropy(scores, target, reduction="sum")


def prediction_loss(
    network: Transformer,
    batch: Batch,
    layer: int,
    memory: Tensor,
    expected: Tensor | None = None,
) -> Tensor:
    """Return the summed `unsaid` of a layer as it aligns: no part of it is random.

    Nothing is hidden, and a subword competes with all others. Arguments as for
    `guided_losses`.
    """
    attended = _attended(network, batch.src, batch.tgt, layer, memory, expected)
    fed = batch.tgt[:, 1:]
    real = fed.ne(PAD)
    arrived = attended.arrived()[:, 1:][real]
    return cross_entropy(arrived, network.embedding.weight, fed[real])
