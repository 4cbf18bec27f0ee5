"""A pair of hidden Markov aligners, one each way, trained to agree.

Liang, Taskar and Klein (2006), "Alignment by Agreement": in the E-step both directions'
posteriors are multiplied, so that each learns from links that the other believes in
too. Where the order of words does not count yet, they are IBM models 1 (Brown et al.
1993) with a pull to the diagonal (Dyer et al. 2013); with it, those of `hmm`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from aligner.prior import hmm
from aligner.prior.cooccurrence import PADDING, CellBatch, Doubles, Ints, WordPairs
from aligner.prior.hmm import Emissions, Floats, Posteriors
from aligner.text.numbered import NumberedBitext

NULL = 0.1  # the probability that NULL emits a word
DIAGONAL = 4.0  # how strongly the first iterations pull to the diagonal
NEVER_SEEN = np.float32(1e-6)  # the least probability of any pair of words
LEAST_TOTAL = np.float32(1e-3)


@dataclass(frozen=True)
class Direction:
    """The parameters of one direction.

    Attributes:
        totals: for each emitting word, the links that it is expected to have in all.
        null: the probability of each emitted word under NULL.
        jumps: the probability of each distance between states.
    """

    totals: Floats
    null: Floats
    jumps: Doubles

    def emissions(
        self, links: Floats, states: Ints, emitted: Ints, own: Floats | None
    ) -> Emissions:
        """Return the emissions of a batch.

        Args:
            links: (B, J, I) the expected links of the words at each place.
            states: (B, I) the emitting words.
            emitted: (B, J) the emitted words.
            own: (B, J, I) what this batch itself contributed to the expected links,
                to be left out; or None.
        """
        totals = _by_word(self.totals, states)[:, None, :]
        if own is not None:
            links, totals = links - own, totals - own.sum(axis=1, keepdims=True)
        words = np.maximum(links, 0) / np.maximum(totals, LEAST_TOTAL)
        real = (emitted != PADDING)[:, :, None] & (states != PADDING)[:, None, :]
        null = _by_word(self.null, emitted)
        return Emissions(
            np.where(real, np.clip(words, NEVER_SEEN, 1), np.float32(0)),
            np.where(emitted != PADDING, np.maximum(null, NEVER_SEEN), np.float32(0)),
            (states != PADDING).astype(np.float32),
        )


def _by_word(values: Floats, words: Ints) -> Floats:
    """Return each word's value, 0 for `PADDING` and `UNKNOWN`."""
    return np.pad(values, (0, 2))[words]


@dataclass(frozen=True)
class AgreementModel:
    """Both directions, and the word pairs that they know.

    Attributes:
        pairs: the word pairs.
        links: (N,) how many links each word pair is expected to have in all.
        forward: source words emit target words.
        reverse: target words emit source words.
    """

    pairs: WordPairs
    links: Floats
    forward: Direction
    reverse: Direction

    def posteriors(
        self,
        batch: CellBatch,
        *,
        with_order: bool = True,
        own: Floats | None = None,
        counting: bool = True,
    ) -> tuple[Posteriors, Posteriors]:
        """Return both directions' posteriors, forward (B, T, S), reverse (B, S, T).

        Args:
            batch: the sentence pairs.
            with_order: whether the order of words counts (the hidden Markov models).
            own: (B, T, S) what the batch contributed to `links`, to be left out.
            counting: whether to expect jumps, as estimation needs.
        """
        links = self.links[batch.cells]
        own_turned = None if own is None else own.transpose(0, 2, 1)
        forward = self.forward.emissions(links, batch.src, batch.tgt, own)
        reverse = self.reverse.emissions(
            links.transpose(0, 2, 1), batch.tgt, batch.src, own_turned
        )
        if with_order:
            jumps = self.forward.jumps, self.reverse.jumps
            return (
                hmm.posteriors(forward, jumps[0], NULL, counting=counting),
                hmm.posteriors(reverse, jumps[1], NULL, counting=counting),
            )
        return _diagonal_posteriors(forward), _diagonal_posteriors(reverse)

    def batches(self, text: NumberedBitext) -> Iterator[CellBatch]:
        """Lay out any text; pairs with an empty side are left out."""
        return self.pairs.lay_out(self.pairs.numbered(text))


def _diagonal_posteriors(emissions: Emissions) -> Posteriors:
    """Return posteriors by words alone, with a pull to the diagonal (Dyer 2013)."""
    states = emissions.states
    real = emissions.null > 0  # (B, J)
    # Where in its sentence each word stands, from 0 to 1.
    state_places = np.arange(states.shape[1]) / states.sum(1, keepdims=True)
    word_places = np.arange(real.shape[1]) / np.maximum(real.sum(1, keepdims=True), 1)
    word_places = np.minimum(word_places, 1)  # of padding too
    gaps = np.abs(state_places[:, None, :] - word_places[:, :, None])  # (B, J, I)
    pull = np.exp(-DIAGONAL * gaps).astype(np.float32) * states[:, None, :]
    pull /= pull.sum(axis=2, keepdims=True)
    links = emissions.words * pull * np.float32(1 - NULL)
    nothing = emissions.null * np.float32(NULL)
    links /= np.maximum(links.sum(axis=2) + nothing, hmm.TINY)[:, :, None]
    return Posteriors(links, np.zeros(2 * hmm.MAX_JUMP + 1))
