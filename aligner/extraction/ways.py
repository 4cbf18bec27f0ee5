"""The directions of any translation model: a network, and pairs cut for it.

What looks at layers and rows for their own sake, to show or to measure them, knows a
model by these alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from aligner.extraction.forced_decoding import SubwordPair
from aligner.extraction.reading import Reading
from aligner.nmt.cross_attention import CrossAttention
from aligner.nmt.transformer import Transformer
from aligner.terms import OneWay, Rows
from aligner.text.numbered import WordPair

CAUSAL: tuple[Rows, ...] = ("awi", "awo")  # rows that any decoder has


@dataclass(frozen=True)
class Way:
    """One direction of a translation model.

    Attributes:
        network: what is read.
        tag: what its decoder is fed first.
        cut: cuts a pair, source and target, into pieces, where `src` is the side that
            is read.
        guided_layer: the layer, from 0, that a guide trained with the whole target in
            view, and which is read so, too.
        transformer: the network where it is ours: all its sublayers can be looked at.
    """

    network: CrossAttention
    tag: int
    cut: Callable[[WordPair], SubwordPair]
    guided_layer: int | None = None
    transformer: Transformer | None = None

    def readings(self) -> list[Reading]:
        """Return all layers and rows: AWI and AWO of each; a guided layer's, too."""
        layers = range(self.network.depth)
        found = [Reading(layer, rows) for layer in layers for rows in CAUSAL]
        if self.guided_layer is not None:
            found.append(Reading(self.guided_layer, "full"))
        return found


Ways: TypeAlias = Mapping[OneWay, Way]
