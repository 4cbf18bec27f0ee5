"""A text, which may be new, and what is known of its words."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from aligner.prior.agreement import Model
from aligner.prior.cooccurrence import Cells, Doubles, WordPairs, gather_word_pairs
from aligner.prior.known_words import KnownWords, Learnt, model_of, of_each
from aligner.prior.pair_features import SideWords, Words, text_features
from aligner.text.numbered import NumberedBitext
from aligner.text.words import canonical


class KnownText(NamedTuple):
    """A text, and what is known of its words.

    Attributes:
        learnt: all that is known.
        pairs: the pairs of words of the text.
        cells: where they stand.
        model: what is known of them.
    """

    learnt: Learnt
    pairs: WordPairs
    cells: Cells
    model: Model

    def features(self, threads: int, learnt: int | None = None) -> Doubles:
        """Return (N, 7) the features of the sentence pairs, see `text_features`."""
        seen = self.learnt.spellings[0]
        words = Words(
            _side_words(self.pairs.src_words, seen.src),
            _side_words(self.pairs.tgt_words, seen.tgt),
            self.pairs.twins(),
        )
        return text_features(self.model, self.cells, words, threads, learnt)


def look_up(learnt: Learnt, text: NumberedBitext, threads: int = 1) -> KnownText:
    """Look the words of a text up, and the pairs of them that occur together."""
    pairs, cells, *_ = gather_word_pairs(text.renamed(canonical), threads=threads)
    return KnownText(learnt, pairs, cells, model_of(learnt, pairs))


def _side_words(words: Iterable[str], seen: KnownWords) -> SideWords:
    letters = np.array([max(len(word), 1) for word in words], np.int32)
    total = float(seen.counts.sum(dtype=np.float64))
    return SideWords(of_each(seen.numbered(words), seen.counts), total, letters)
