"""Guide one layer's attention by alignments that are known beforehand.

Garg et al. (2019), "Jointly Learning to Align and Translate": beside the translation
loss, the attention of one decoder layer is trained towards given alignments by
cross-entropy. Here it is trained in the rows where a target word is fed in, in a pass
that sees the whole target. A word without links is guided to EOS, which stands for
NULL.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from aligner.extraction.expected_attention import spread
from aligner.nmt.batching import padded_either
from aligner.prior.soft_links import SoftLinks, TextLinks
from aligner.text.numbered import NumberedBitext
from aligner.text.ragged import RaggedArray
from aligner.text.subwords import Subwords

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Guide:
    """Alignments of a text, to be looked up by example.

    Attributes:
        src_words: for every source sentence, the word of each subword.
        tgt_words: for every target sentence, likewise.
        links: the links of every pair, between words.
        expected: those that the attention is told beforehand, if it is told any.
    """

    src_words: RaggedArray
    tgt_words: RaggedArray
    links: TextLinks
    expected: TextLinks | None = None

    @classmethod
    def of(
        cls,
        text: NumberedBitext,
        links: TextLinks,
        subwords: Subwords,
        expected: TextLinks | None = None,
    ) -> "Guide":
        """Prepare the links of sentence pairs for the subwords that they have."""
        src, tgt = text.src, text.tgt
        return cls(
            src.numbers.places(subwords.table(src.words, "src")),
            tgt.numbers.places(subwords.table(tgt.words, "tgt")),
            links,
            expected,
        )

    def attention(self, examples: Ints) -> Tensor:
        """Return where each target subword should look, (B, T - 1, S), float32.

        Examples are numbered as in `Batches`. Each row sums to 1, the part that no
        link takes going to EOS; rows of padding are 0.
        """
        return self._attention(examples, self.links)

    def told(self, examples: Ints) -> Tensor | None:
        """Return where the attention is told to look, as `attention`, if it is told."""
        told = self.expected
        return None if told is None else self._attention(examples, told)

    def _attention(self, examples: Ints, links: TextLinks) -> Tensor:
        forward, pairs = examples < len(links), examples % len(links)
        row = np.repeat(np.arange(len(pairs)), links.counts(pairs))
        src, tgt, probability = links.flat(pairs)
        there = forward[row]
        return spread(
            padded_either(forward, pairs, self.src_words, self.tgt_words, -1),
            padded_either(forward, pairs, self.tgt_words, self.src_words, -1),
            row,
            SoftLinks(
                np.where(there, src, tgt), np.where(there, tgt, src), probability
            ),
        )
