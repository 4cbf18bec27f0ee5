"""Translate by beam search; a beam of one is greedy search."""

from collections.abc import Sequence

import torch
from torch import Tensor

from aligner.nmt.batching import pad
from aligner.nmt.checkpoint import TranslationModel, check_finite
from aligner.nmt.transformer import PAD, LayerCache, Transformer, source_mask
from aligner.ranges import BEAM, LENGTH_PENALTY
from aligner.terms import Side
from aligner.text.subwords import BOS, EOS, TO_SRC, TO_TGT, tag
from aligner.text.words import check_words

BATCH_SENTENCES = 64
NEVER_WRITTEN = [BOS, TO_SRC, TO_TGT]


def translate(
    model: TranslationModel,
    sentences: Sequence[Sequence[str]],
    into: Side = "tgt",
    beam: int = 4,
    length_penalty: float = 1.0,
) -> list[list[str]]:
    """Return the translations of sentences, each a list of words, in order.

    Args:
        model: the model; one trained forward only translates into `tgt` alone.
        sentences: the sentences, as words; an empty one gives an empty translation.
        into: the language to translate into.
        beam: hypotheses kept; 1 is greedy search.
        length_penalty: the power of the length that a hypothesis's log-probability
            is divided by.

    Raises:
        ConfigError: a number is out of its range.
        ModelError: the network's states are not finite.
        TypeError: a sentence is no sequence of words.
    """
    BEAM.check("beam", beam)
    LENGTH_PENALTY.check("length_penalty", length_penalty)
    for number, words in enumerate(sentences, start=1):
        check_words(words, f"sentence {number}")
    both = model.config.training.direction == "both"
    first_fed = tag(into, both=both)
    side: Side = "src" if into == "tgt" else "tgt"
    ids = [model.subwords.encode(words, side)[0] for words in sentences]
    device = next(model.network.parameters()).device
    order = sorted(
        (i for i in range(len(ids)) if len(ids[i])), key=lambda i: len(ids[i])
    )
    results: list[list[str]] = [[] for _ in ids]
    for first in range(0, len(order), BATCH_SENTENCES):
        chosen = order[first : first + BATCH_SENTENCES]
        src = pad([(ids[i], ids[i][:0], first_fed) for i in chosen]).src.to(device)
        found = beam_search(model.network, src, first_fed, beam, length_penalty)
        for index, written in zip(chosen, found, strict=True):
            results[index] = model.subwords.decode(written)
    return results


@torch.inference_mode()
def beam_search(
    network: Transformer, src: Tensor, first_fed: int, beam: int, length_penalty: float
) -> list[list[int]]:
    """Return the best hypothesis, without EOS, for each source of a batch (B, S).

    Hypotheses are compared by their mean log-probability (to the power of the length
    penalty), finished ones beside growing ones; the search ends when all kept ones
    are finished, or at twice the source's length.
    """
    rows, limit = src.shape[0], 2 * src.shape[1] + 10
    memory = network.encode(src).repeat_interleave(beam, 0)
    mask = source_mask(src.repeat_interleave(beam, 0))
    cache = network.start(memory)
    written = src.new_full((rows, beam, 1), first_fed)
    # All beams start equal: only the first may count in the first step.
    sums = torch.zeros(rows, beam, device=src.device)
    sums[:, 1:] = -torch.inf
    lengths = torch.zeros_like(sums)
    for _ in range(limit):
        states, cache = network.step(written[:, :, -1].flatten(), cache, mask)
        check_finite(states, "the decoder's states")
        gains = _log_probabilities(network, states).view(rows, beam, -1)
        done = written[:, :, -1].eq(EOS) | written[:, :, -1].eq(PAD)
        gains = _only_padding_after_end(gains, done)
        totals = sums[:, :, None] + gains  # (B, beam, V)
        grown = lengths + (~done).float()
        merit = totals / grown[:, :, None] ** length_penalty
        best = merit.flatten(1).topk(beam).indices  # (B, beam)
        parents, tokens = best // gains.shape[2], best % gains.shape[2]
        sums = totals.flatten(1).gather(1, best)
        lengths = grown.gather(1, parents)
        written = torch.cat(
            [
                written.gather(1, parents[:, :, None].expand_as(written)),
                tokens[:, :, None],
            ],
            dim=2,
        )
        if bool((tokens.eq(EOS) | tokens.eq(PAD)).all()):
            break
        cache = _reorder(cache, parents)
    winners = (sums / lengths**length_penalty).argmax(1)
    chosen = written[torch.arange(rows), winners, 1:].tolist()
    return [[i for i in hypothesis if i not in (EOS, PAD)] for hypothesis in chosen]


def _log_probabilities(network: Transformer, states: Tensor) -> Tensor:
    logits = network.logits(states).float()
    logits[:, [PAD, *NEVER_WRITTEN]] = -torch.inf
    return logits.log_softmax(-1)


def _only_padding_after_end(gains: Tensor, done: Tensor) -> Tensor:
    """Let finished hypotheses grow by padding alone, which costs nothing."""
    padding = torch.full_like(gains[0, 0], -torch.inf)
    padding[PAD] = 0
    return torch.where(done[:, :, None], padding, gains)


def _reorder(cache: list[LayerCache], parents: Tensor) -> list[LayerCache]:
    """Let each row of the cache follow the hypothesis that it now belongs to."""
    rows, beam = parents.shape
    offsets = torch.arange(rows, device=parents.device)[:, None] * beam
    flat = (parents + offsets).flatten()
    return [
        layer._replace(
            self_keys=layer.self_keys[flat], self_values=layer.self_values[flat]
        )
        for layer in cache
    ]
