"""Which layer and rows to read, and which links to keep, chosen without gold."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from aligner.extraction.forced_decoding import SubwordPair, forced_batches, unpadded
from aligner.extraction.link_rule import SOFT_THRESHOLD
from aligner.extraction.reading import Reading, records_of
from aligner.links.alignment import Alignment, flip
from aligner.links.matching import (
    Scores,
    best_threshold,
    combine,
    forward_links,
    joint_scores,
    link_probabilities,
)
from aligner.nmt.cross_attention import CrossAttention
from aligner.nmt.model_meta import ChosenReading
from aligner.nmt.norms import layer_norms
from aligner.nmt.transformer import PAD
from aligner.ranges import Range
from aligner.terms import Preset
from aligner.text.subwords import tag

# How much recall counts beside precision, the β of F_β.
BETA = Range(0, 1000, above=True)


@dataclass(frozen=True)
class ReadingChoice:
    """The reading that was chosen, and the figures that decided.

    Attributes:
        reading: the layer and rows to read.
        criterion: what was compared, such as agreement, or mean norm; `guided` if
            nothing was.
        figures: the criterion for every reading that was tried.
    """

    reading: Reading
    criterion: str
    figures: dict[Reading, float]

    def to_meta(
        self,
        thresholds: Mapping[Preset, float],
        alone: Mapping[Preset, float],
        prior_weight: float,
    ) -> ChosenReading:
        """Return the choice for a model's meta.json, layers counted from 1.

        Args:
            thresholds: of each preset, beside the prior.
            alone: likewise, without it.
            prior_weight: of the prior, that the former were chosen with.
        """
        return ChosenReading(
            layer=self.reading.layer + 1,
            rows=self.reading.rows,
            criterion=self.criterion,
            figures=[
                {"layer": r.layer + 1, "rows": r.rows, "value": round(value, 4)}
                for r, value in self.figures.items()
            ],
            thresholds=dict(thresholds),
            prior_weight=prior_weight,
            thresholds_alone=dict(alone),
        )


def choose_by_agreement(
    network: CrossAttention,
    pairs: Sequence[SubwordPair],
    guided_layer: int | None = None,
) -> ReadingChoice:
    """Choose the layer and rows by which both directions agree best.

    Agreement is 2|A ∩ B| / (|A| + |B|) over the links of all pairs, where A are the
    links that the target words choose and B those that the source words choose. A
    layer that was guided is also read as it was guided, with the whole target in view.
    """
    readings = [
        Reading(layer, rows)
        for layer in range(network.depth)
        for rows in ("awi", "awo")
    ]
    if guided_layer is not None:
        readings.append(Reading(guided_layer, "full"))
    forward = links_by_reading(network, pairs, tag("tgt"), readings)
    turned = [pair.turned() for pair in pairs]
    reverse = links_by_reading(network, turned, tag("src"), readings)
    figures = {
        reading: agreement(forward[reading], map(flip, reverse[reading]))
        for reading in readings
    }
    return ReadingChoice(max(figures, key=lambda r: figures[r]), "agreement", figures)


@torch.inference_mode()
def choose_by_norm(
    network: CrossAttention, pairs: Sequence[SubwordPair]
) -> ReadingChoice:
    """Choose the layer with the highest mean norm, read by AWI.

    For models of one direction. In Kobayashi et al. (2020) this finds the best layer
    for AWI in five seeds of five.
    """
    device = network.device
    totals = [0.0] * network.depth
    positions = 0
    for batch in forced_batches(pairs, tag("tgt", both=False), device):
        real = (batch.tgt_words >= 0).float()
        lengths = batch.src.ne(PAD).sum(1, keepdim=True)  # (B, 1)
        positions += int(real.sum())
        for layer, record in enumerate(network.records(batch.src, batch.tgt)):
            # The mean over the source without its padding, whose norms are 0.
            norms = layer_norms(record)[:, 1:].sum(-1) / lengths  # (B, T - 1)
            totals[layer] += float((norms * real).sum())
    figures = {
        Reading(layer, "awi"): total / max(positions, 1)
        for layer, total in enumerate(totals)
    }
    return ReadingChoice(max(figures, key=lambda r: figures[r]), "mean norm", figures)


def agreement(forward: Iterable[Alignment], reverse: Iterable[Alignment]) -> float:
    """Return 2|A ∩ B| / (|A| + |B|) over corresponding alignments; 0 without links."""
    common = total = 0
    for a, b in zip(forward, reverse, strict=True):
        common += len(a & b)
        total += len(a) + len(b)
    return 2 * common / total if total else 0.0


def choose_threshold(pairs: Sequence[tuple[Scores, Scores]], beta: float) -> float:
    """Choose the threshold on joint scores for which F_β is expected to be highest.

    Nothing has to be known of the truth: see `best_threshold`.

    Args:
        pairs: each pair's word scores, forward and reverse; see `links.matching`.
        beta: how much recall counts beside precision.

    Raises:
        ConfigError: beta is not a number above 0.
    """
    BETA.check("beta", beta)
    if not pairs:
        return SOFT_THRESHOLD
    joint = np.concatenate([combine(*scores).ravel() for scores in pairs])
    right = np.concatenate([link_probabilities(*scores).ravel() for scores in pairs])
    if joint.max() <= 0:
        return SOFT_THRESHOLD
    return best_threshold(joint, right, beta)


def threshold_like(
    pairs: Sequence[tuple[Scores, Scores]],
    others: Sequence[tuple[Scores, Scores]],
    threshold: float,
) -> float:
    """Return the threshold that keeps as many links as a prior's keeps.

    A network's shares come closer to 0 and 1 than a prior's, so that what they foretell
    of their own errors says less; how many links a text has, the prior knows well.

    Args:
        pairs: each pair's word scores, forward and reverse.
        others: of the same pairs, the prior's.
        threshold: what the latter must exceed.
    """
    kept = sum(int((joint_scores(*both) > threshold).sum()) for both in others)
    if not pairs:
        return threshold
    joint = [joint_scores(*both).ravel() for both in pairs]
    scores = np.concatenate(joint)
    last = np.sort(np.append(scores, [0, 0]))[::-1][max(kept, 1) - 1 :][:2]
    # Between the last score that is kept and the first that is not.
    return round(float(last.mean()), 4)


@torch.inference_mode()
def links_by_reading(
    network: CrossAttention,
    pairs: Sequence[SubwordPair],
    first: int,
    readings: Sequence[Reading],
) -> dict[Reading, list[Alignment]]:
    """Return the links by each reading, as (read word, written word)."""
    device = network.device
    results: dict[Reading, list[Alignment]] = {
        reading: [frozenset()] * len(pairs) for reading in readings
    }
    for batch in forced_batches(pairs, first, device):
        for reading, record in records_of(network, batch, readings):
            scores = reading.word_scores(record, batch)
            for index, matrix in unpadded(scores.cpu().numpy(), batch, pairs):
                results[reading][index] = forward_links(matrix)
    return results
