"""What every layer and head of one translation model says of gold-aligned text.

Kobayashi et al. (2020), section 5: forced decoding, links by argmax over the source
words and NULL, one direction, and the alignment error rate of each layer and head by
each score.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from aligner.analysis.tokens.groups import Doubles, to_float64
from aligner.extraction.forced_decoding import (
    ForcedBatch,
    SubwordPair,
    forced_batches,
    unpadded,
)
from aligner.extraction.reading import (
    PLAIN,
    attention_scores,
    sublayer_scores,
    target_rows,
    word_scores,
)
from aligner.extraction.selection import agreement, links_by_reading
from aligner.extraction.ways import CAUSAL, Way, Ways
from aligner.links.alignment import Alignment, GoldAlignment, flip
from aligner.links.evaluation import score as score_links
from aligner.links.matching import forward_links
from aligner.nmt.attention import AttentionRecord
from aligner.nmt.norms import head_norms, layer_norms
from aligner.nmt.sublayers import SublayerRecord, sublayer_records
from aligner.nmt.transformer import PAD
from aligner.terms import OneWay, Rows, Score
from aligner.text.numbered import WordPair

Step: TypeAlias = Callable[[int], None]  # told that so many more pairs are done
# Weights first, as the baseline.
SCORES: tuple[Score, ...] = ("weight", "norm", "resln", "alti-l1", "alti-l2")


class Place(NamedTuple):
    """What is read: a layer from 0, a head or None for all, rows, and the score."""

    layer: int
    head: int | None
    rows: Rows
    score: Score


@dataclass(frozen=True)
class ModelMeasures:
    """The figures of one model.

    Attributes:
        name: of the model.
        links: for each place, the links of each sentence pair.
        aer: for each place, the alignment error rate in percent.
        layer_norms: by rows, (layers,) mean over target positions of the mean over
            source positions of `‖Σ_h α_h f_h‖`.
        head_norms: by rows, (layers, heads) the same of `‖α f‖`.
        agreement: for each layer and rows, how far both directions agree by norm, each
            with the best of the other's where they are two networks; empty where one
            direction only is known.
    """

    name: str
    links: dict[Place, list[Alignment]]
    aer: dict[Place, float]
    layer_norms: dict[Rows, Doubles]
    head_norms: dict[Rows, Doubles]
    agreement: dict[tuple[int, Rows], float]

    @property
    def rows(self) -> list[Rows]:
        """The rows that were read."""
        return list(self.head_norms)

    @property
    def scores(self) -> list[Score]:
        """The scores that were read: plain ones only, of a model of others."""
        return [s for s in SCORES if Place(0, None, self.rows[0], s) in self.aer]

    @property
    def sizes(self) -> tuple[int, int]:
        """The number of decoder layers, and of heads of each."""
        layers, heads = next(iter(self.head_norms.values())).shape
        return layers, heads

    def by_layer(self, rows: Rows, score: Score) -> Doubles:
        """Return the error rate of each layer with all heads together, (layers,)."""
        layers = range(self.sizes[0])
        return np.array([self.aer[Place(i, None, rows, score)] for i in layers])

    def by_head(self, rows: Rows, score: Score) -> Doubles:
        """Return the error rate of each head, (layers, heads)."""
        layers, heads = self.sizes
        return np.array(
            [
                [self.aer[Place(i, h, rows, score)] for h in range(heads)]
                for i in range(layers)
            ]
        )


def measure_model(
    name: str,
    ways: Ways,
    pairs: Sequence[WordPair | None],
    gold: Sequence[GoldAlignment],
    direction: OneWay = "forward",
    step: Step = lambda pairs: None,
) -> ModelMeasures:
    """Measure one model on sentence pairs; None for pairs that have no links.

    It must know the direction.
    """
    good = [pair for pair in pairs if pair is not None]
    way = ways[direction]
    cut = [way.cut(pair) for pair in good]
    measuring = _Measuring(way, len(cut))
    for batch in forced_batches(cut, way.tag, way.network.device):
        measuring.add(batch, cut)
        step(len(batch.indices))
    places = {
        place: _with_gaps(links, pairs, turned=direction == "reverse")
        for place, links in measuring.links.items()
    }
    return ModelMeasures(
        name,
        places,
        {place: 100 * score_links(gold, links).aer for place, links in places.items()},
        measuring.means(measuring.layer_totals),
        measuring.means(measuring.head_totals),
        _agreement(ways, good, direction),
    )


def _agreement(
    ways: Ways, pairs: Sequence[WordPair], direction: OneWay
) -> dict[tuple[int, Rows], float]:
    """Return how far each layer and rows of a direction agree with the other one."""
    if len(ways) < 2:
        return {}
    links = {
        name: links_by_reading(
            way.network, [way.cut(pair) for pair in pairs], way.tag, way.readings()
        )
        for name, way in ways.items()
    }
    found = links.pop(direction)
    [other] = links.values()
    turned = {reading: list(map(flip, those)) for reading, those in other.items()}
    is_one = ways["forward"].network is ways["reverse"].network
    return {
        (reading.layer, reading.rows): max(
            agreement(those, turned[one]) for one in ([reading] if is_one else turned)
        )
        for reading, those in found.items()
    }


class _Measuring:
    """Links and sums over batches."""

    def __init__(self, way: Way, pairs: int) -> None:
        self.way = way
        self.passes: dict[bool, tuple[Rows, ...]] = {False: CAUSAL}
        if way.guided_layer is not None:
            self.passes[True] = ("full",)
        self.links: dict[Place, list[Alignment]] = {}
        self.pairs = pairs
        self.positions = 0
        layers, heads = way.network.depth, way.network.heads
        self.layer_totals = {whole: np.zeros(layers) for whole in self.passes}
        self.head_totals = {whole: np.zeros((layers, heads)) for whole in self.passes}

    def means(self, totals: dict[bool, Doubles]) -> dict[Rows, Doubles]:
        """Return means over target positions, by the rows of each pass."""
        return {
            one: totals[whole] / max(self.positions, 1)
            for whole, rows in self.passes.items()
            for one in rows
        }

    @torch.inference_mode()
    def add(self, batch: ForcedBatch, pairs: Sequence[SubwordPair]) -> None:
        """Count one batch in."""
        self.positions += int((batch.tgt_words >= 0).sum())
        for whole, rows in self.passes.items():
            for layer, record in enumerate(_records(self.way, batch, whole)):
                self._add_norms(whole, layer, _plain(record), batch)
                for place, scores in _scores(layer, record):
                    for one in rows:
                        self._add_links(place._replace(rows=one), scores, batch, pairs)

    def _add_norms(
        self, whole: bool, layer: int, plain: AttentionRecord, batch: ForcedBatch
    ) -> None:
        real, lengths = batch.tgt_words >= 0, batch.src.ne(PAD).sum(1)
        # The mean over the source without its padding, whose norms are 0.
        shares = to_float64(real) / to_float64(lengths)[:, None]  # (B, T - 1)
        over_heads = to_float64(layer_norms(plain)[:, 1:].sum(-1))  # (B, T - 1)
        self.layer_totals[whole][layer] += (over_heads * shares).sum()
        per_head = to_float64(head_norms(plain)[:, :, 1:].sum(-1))  # (B, H, T - 1)
        self.head_totals[whole][layer] += (per_head * shares[:, None]).sum((0, 2))

    def _add_links(
        self,
        place: Place,
        scores: Tensor,
        batch: ForcedBatch,
        pairs: Sequence[SubwordPair],
    ) -> None:
        of_words = word_scores(
            target_rows(scores, place.rows), batch.src_words, batch.tgt_words
        )
        found = self.links.setdefault(place, [frozenset()] * self.pairs)
        for index, matrix in unpadded(of_words.cpu().numpy(), batch, pairs):
            found[index] = forward_links(matrix)


def _records(
    way: Way, batch: ForcedBatch, whole: bool
) -> Iterator[AttentionRecord | SublayerRecord]:
    """Yield each layer's record: of our own network, with all of the sublayer."""
    text = batch.src, batch.tgt
    if way.transformer is not None:
        expected = batch.expected if whole else None
        yield from sublayer_records(
            way.transformer, *text, whole=whole, expected=expected
        )
    else:
        yield from way.network.records(*text, whole=whole)


def _plain(record: AttentionRecord | SublayerRecord) -> AttentionRecord:
    return record.attention if isinstance(record, SublayerRecord) else record


def _scores(
    layer: int, record: AttentionRecord | SublayerRecord
) -> Iterator[tuple[Place, Tensor]]:
    """Yield every score (B, T, S) of a layer, and each head's plain ones."""
    plain = _plain(record)
    for score in SCORES:
        place = Place(layer, None, "awi", score)
        if isinstance(record, SublayerRecord):
            yield place, sublayer_scores(record, score)
        elif score in PLAIN:
            yield place, attention_scores(record, score)
    # All heads at once, (B, H, T, S): each by itself would compute all of them.
    of_heads: dict[Score, Tensor] = {"norm": head_norms(plain), "weight": plain.weights}
    for score, per_head in of_heads.items():
        for head, scores in enumerate(per_head.unbind(1)):
            yield Place(layer, head, "awi", score), scores


def _with_gaps(
    found: Sequence[Alignment], pairs: Sequence[WordPair | None], *, turned: bool
) -> list[Alignment]:
    """Return (src, tgt) links of the pairs that were read, and none for the others."""
    given = map(flip, found) if turned else iter(found)
    return [frozenset() if pair is None else next(given) for pair in pairs]
