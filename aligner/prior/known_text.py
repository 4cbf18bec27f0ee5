"""A text, which may be new, and what is known of its words."""

from typing import NamedTuple

from aligner.prior.agreement import Model
from aligner.prior.cooccurrence import Cells, Doubles, WordPairs, gather_word_pairs
from aligner.prior.known_words import Learnt, model_of
from aligner.prior.pair_features import text_features, words_of
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
        words = words_of(self.learnt.spellings[0], self.pairs)
        return text_features(self.model, self.cells, words, threads, learnt)


def look_up(learnt: Learnt, text: NumberedBitext, threads: int = 1) -> KnownText:
    """Look the words of a text up, and the pairs of them that occur together."""
    pairs, cells, *_ = gather_word_pairs(text.renamed(canonical), threads=threads)
    return KnownText(learnt, pairs, cells, model_of(learnt, pairs))
