"""Guide one layer's attention by alignments that are known beforehand.

Garg et al. (2019), "Jointly Learning to Align and Translate": beside the translation
loss, the attention of one decoder layer is trained towards given alignments by
cross-entropy. Here it is trained in the rows where a target word is fed in, in a pass
that sees the whole target. A word without links is guided to EOS, which stands for
NULL.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aligner.nmt.batching import padded_either
from aligner.prior.soft_links import SoftLinks, TextLinks
from aligner.text.numbered import NumberedBitext
from aligner.text.ragged import RaggedArray
from aligner.text.subwords import Subwords

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Guide:
    """Alignments of the training text, to be looked up by example.

    Attributes:
        src_words: for every source sentence, the word of each subword.
        tgt_words: for every target sentence, likewise.
        links: the links of every pair, between words.
    """

    src_words: RaggedArray
    tgt_words: RaggedArray
    links: TextLinks

    @classmethod
    def of(
        cls,
        text: NumberedBitext,
        links: TextLinks,
        subwords: Subwords,
    ) -> "Guide":
        """Prepare the links of sentence pairs for the subwords that they have."""
        src, tgt = text.src, text.tgt
        return cls(
            src.numbers.places(subwords.table(src.words, "src")),
            tgt.numbers.places(subwords.table(tgt.words, "tgt")),
            links,
        )

    def with_links(self, links: TextLinks) -> "Guide":
        """Return a guide with other links for the same text."""
        return replace(self, links=links)

    def save(self, path: Path) -> None:
        """Write the links to a file, whole or not at all."""
        self.links.save(path)

    def load(self, path: Path) -> "Guide":
        """Return a guide with the links that `save` wrote for the same text.

        Raises:
            ModelError: the file is damaged, or has links for another number of pairs.
        """
        return self.with_links(TextLinks.load(path, len(self.links)))

    def attention(self, examples: Ints) -> Tensor:
        """Return where each target subword should look, (B, T - 1, S), float32.

        Examples are numbered as in `Batches`. Each row sums to 1, the part that no
        link takes going to EOS; rows of padding are 0.
        """
        forward, pairs = examples < len(self.links), examples % len(self.links)
        row = np.repeat(np.arange(len(pairs)), self.links.counts(pairs))
        src, tgt, probability = self.links.flat(pairs)
        there = forward[row]
        return _spread(
            padded_either(forward, pairs, self.src_words, self.tgt_words, -1),
            padded_either(forward, pairs, self.tgt_words, self.src_words, -1),
            row,
            SoftLinks(
                np.where(there, src, tgt), np.where(there, tgt, src), probability
            ),
        )


def _spread(src_words: Ints, tgt_words: Ints, row: Ints, links: SoftLinks) -> Tensor:
    """Spread links between words over subwords; a word's pieces share equally."""
    rows, pieces = src_words.shape
    src_count, tgt_count = int(src_words.max()) + 1, int(tgt_words.max()) + 1
    mass = np.zeros((rows, tgt_count, src_count + 1), np.float32)  # the last: nothing
    mass[row, links.tgt, links.src] = links.probability
    mass /= np.maximum(mass.sum(axis=2, keepdims=True), 1)
    null = np.maximum(1 - mass.sum(axis=2), 0)  # (B, target words)
    # A source word's pieces share its part.
    sizes = np.zeros((rows, src_count + 1), np.float32)
    np.add.at(sizes, (np.arange(rows)[:, None], src_words), 1)
    mass /= np.maximum(sizes, 1)[:, None, :]
    mass[:, :, -1] = 0
    batch = np.arange(rows)[:, None]
    spread = np.zeros((rows, tgt_words.shape[1], pieces + 1), np.float32)
    spread[:, :, :-1] = mass[
        batch[:, :, None], tgt_words[:, :, None], src_words[:, None, :]
    ]
    ends = (src_words >= 0).sum(axis=1)  # where EOS stands
    positions = np.arange(tgt_words.shape[1])[None, :]
    spread[batch, positions, ends[:, None]] = null[batch, tgt_words]
    spread[tgt_words < 0] = 0
    return torch.from_numpy(spread)
