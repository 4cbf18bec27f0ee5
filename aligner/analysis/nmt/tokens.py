"""What attention in a translation model makes of kinds of tokens, and of frequent ones.

The study of BERT (Kobayashi et al. 2020, section 4) on all three attentions: the
decoder's to the source, the encoder's own and the decoder's own.
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from aligner.analysis.nmt.measures import Step
from aligner.analysis.tokens.frequencies import Frequencies, frequencies_of
from aligner.analysis.tokens.groups import (
    Doubles,
    GroupMeans,
    Groups,
    received_weights,
    to_float64,
)
from aligner.extraction.forced_decoding import ForcedBatch, SubwordPair, forced_batches
from aligner.extraction.ways import Way
from aligner.nmt.attention import AttentionRecord
from aligner.nmt.norms import vector_norms
from aligner.nmt.sublayers import Attention, sublayer_records
from aligner.nmt.transformer import PAD
from aligner.terms import OneWay
from aligner.text.numbered import WordPair
from aligner.text.words import canonical

ATTENTIONS: dict[Attention, str] = {
    "cross": "cross-attention",
    "encoder": "encoder self-attention",
    "decoder": "decoder self-attention",
}
# The groups; the last is of what stands around a source besides EOS, where anything
# does: the name of its language.
SPECIAL, PUNCTUATION, OTHER, AROUND = range(4)


@dataclass(frozen=True)
class TokenMeasures:
    """What one model's attention makes of tokens.

    Attributes:
        name: of the model.
        groups: for each attention that was looked at, α and norms of the groups.
        tokens: all source subwords of the text but EOS, in order.
        token_weights: for each, α that it gets from the decoder: mean over queries,
            heads and layers.
        token_norms: for each, `‖f(x)‖` there: mean over heads and layers.
    """

    name: str
    groups: dict[Attention, GroupMeans]
    tokens: NDArray[np.int64]
    token_weights: Doubles
    token_norms: Doubles

    def frequencies(self, counts: Mapping[int, int]) -> Frequencies:
        """Set the source subwords beside how frequent they are by some counts."""
        return frequencies_of(self.tokens, self.token_weights, self.token_norms, counts)


def is_punctuation(word: str) -> bool:
    """Tell whether a word is punctuation or symbols only."""
    return all(unicodedata.category(one)[0] in "PS" for one in canonical(word))


@torch.inference_mode()
def measure_tokens(
    name: str,
    way: Way,
    pairs: Sequence[WordPair],
    direction: OneWay = "forward",
    step: Step = lambda pairs: None,
) -> TokenMeasures:
    """Measure a direction of a model on pairs, source and target, that it can read.

    Of a model of others, the attention to the source alone.
    """
    cut = [way.cut(pair) for pair in pairs]
    words = pairs if direction == "forward" else [(tgt, src) for src, tgt in pairs]
    measuring = _Measuring(way, cut, words)
    for batch in forced_batches(cut, way.tag, way.network.device):
        for attention in measuring.groups:
            measuring.add(attention, batch)
        step(len(batch.indices))
    cross = measuring.groups["cross"]
    token_weights, token_norms = (
        np.concatenate([values[:-1] for values in of_all])
        for of_all in (cross.token_weights, cross.token_norms)
    )
    return TokenMeasures(
        name,
        measuring.groups,
        np.concatenate([pair.src for pair in cut]).astype(np.int64),
        token_weights,
        token_norms,
    )


class _Measuring:
    """Figures that fill up batch by batch."""

    def __init__(
        self, way: Way, pairs: Sequence[SubwordPair], words: Sequence[WordPair]
    ) -> None:
        network = way.network
        self.way = way
        read = [_groups(w[0], p.src_words) for p, w in zip(pairs, words, strict=True)]
        source = [np.append(groups, SPECIAL) for groups in read]
        names = ["</s>", "punctuation", "other"]
        around = any((groups == AROUND).any() for groups in read)
        of_source = [*names, "other special"] if around else names
        self.groups: dict[Attention, GroupMeans] = {
            "cross": GroupMeans(of_source, source, network.depth, network.heads)
        }
        if way.transformer is None:
            return
        sizes = way.transformer.config
        written = [
            _groups(w[1], p.tgt_words) for p, w in zip(pairs, words, strict=True)
        ]
        target = [np.insert(groups, 0, SPECIAL) for groups in written]
        self.groups |= {
            "encoder": GroupMeans(names, source, sizes.encoder_layers, sizes.heads),
            "decoder": GroupMeans(
                ["start", *names[1:]], target, sizes.decoder_layers, sizes.heads
            ),
        }

    def add(self, attention: Attention, batch: ForcedBatch) -> None:
        """Count one batch in."""
        real = (batch.src if attention == "encoder" else batch.tgt).ne(PAD)
        for layer, record in enumerate(self._records(attention, batch)):
            weights = to_float64(received_weights(record.weights, real))
            norms = to_float64(vector_norms(record).transpose(1, 2))
            self.groups[attention].add(layer, batch.indices, weights, norms)

    def _records(
        self, attention: Attention, batch: ForcedBatch
    ) -> Iterator[AttentionRecord]:
        transformer = self.way.transformer
        if transformer is None:
            yield from self.way.network.records(batch.src, batch.tgt)
            return
        for record in sublayer_records(transformer, batch.src, batch.tgt, attention):
            yield record.attention


def _groups(words: Sequence[str], word_of: NDArray[np.int32]) -> Groups:
    """Return the group of each subword, by the word that it is part of."""
    of_words = [PUNCTUATION if is_punctuation(word) else OTHER for word in words]
    return np.array([*of_words, AROUND], np.int64)[word_of]  # -1 is around
