"""What was learnt of an earlier text, which the counts of a new one are added to."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from aligner.prior.agreement import Model, Side
from aligner.prior.cooccurrence import Cells, Spelling, WordPairs
from aligner.prior.hmm import Floats
from aligner.prior.known_words import KnownPairs, KnownWords, Learnt, model_of
from aligner.prior.word_counts import added_up, occurrences


class Earlier(NamedTuple):
    """What an earlier text says of the words of a new one.

    Attributes:
        model: what is known of the pairs that each spelling tells apart in the new
            text; the words' shares are those in both.
        share: (2,) of all words that are emitted, the target's and the source's, how
            much the earlier text has.
    """

    model: Model
    share: Floats

    def joined(self, new: Model) -> Model:
        """Return a model of both texts, given one of the new text's own counts."""
        of_tgt, of_src = self.share
        model, share = self.model, self.share[:, None]
        return Model(
            new.links + model.links,
            _joined_side(new.src, model.src, of_src),
            _joined_side(new.tgt, model.tgt, of_tgt),
            self.share * model.null + (1 - self.share) * new.null,
            share * model.jumps + (1 - share) * new.jumps,
        )


def earlier_of(
    learnt: Learnt, spellings: Sequence[Spelling], pairs: WordPairs, cells: Cells
) -> Earlier:
    """Return what was learnt of the words of a new text.

    Args:
        learnt: what is known.
        spellings: the words of the new text, in the spellings that are known.
        pairs: its pairs of words.
        cells: where they stand.
    """
    of_src = occurrences(cells.src, [spelling.src for spelling in spellings])
    of_tgt = occurrences(cells.tgt, [spelling.tgt for spelling in spellings])
    model = model_of(learnt, pairs, (of_src, of_tgt))
    for column, spelling in enumerate(spellings):
        model.links[len(spelling.of_pair) :, column] = 0
    words = learnt.spellings[0]
    known = np.array([words.tgt.counts.sum(), words.src.counts.sum()])
    new = np.array([len(cells.tgt), len(cells.src)])
    return Earlier(model, (known / np.maximum(known + new, 1)).astype(np.float32))


def _joined_side(new: Side, earlier: Side, share: np.float32) -> Side:
    by_null = share * earlier.by_null + (1 - share) * new.by_null
    return Side(new.totals + earlier.totals, earlier.shares, by_null)


def together(earlier: Learnt, new: Learnt) -> Learnt:
    """Return what was learnt of both texts.

    Args:
        earlier: of the one.
        new: of the other: its own counts, beside a `Model` that is joined already.
    """
    words, others = earlier.spellings[0], new.spellings[0]
    return Learnt(
        tuple(map(_added, earlier.spellings, new.spellings)),
        _by_null(words.src, others.src, earlier.src_by_null, new.src_by_null),
        _by_null(words.tgt, others.tgt, earlier.tgt_by_null, new.tgt_by_null),
        new.null,
        new.jumps,
    )


def _added(one: KnownPairs, other: KnownPairs) -> KnownPairs:
    """Return the counts of both, by the numbers of the first as far as it has any."""
    src, tgt = _added_words(one.src, other.src), _added_words(one.tgt, other.tgt)
    keys, links = [], [one.links, other.links]
    for known in (one, other):
        tgt_numbers, src_numbers = np.divmod(known.keys, max(len(known.src.numbers), 1))
        of_src = src.numbered(known.src.numbers)[src_numbers].astype(np.int64)
        of_tgt = tgt.numbered(known.tgt.numbers)[tgt_numbers].astype(np.int64)
        keys.append(of_tgt * max(len(src.numbers), 1) + of_src)
    distinct, places = np.unique(np.concatenate(keys), return_inverse=True)
    sums = added_up(np.concatenate(links).astype(np.float64), places)
    return KnownPairs(one.letters, src, tgt, distinct, sums.astype(np.float32))


def _added_words(one: KnownWords, other: KnownWords) -> KnownWords:
    numbers = dict(one.numbers)
    for word in other.numbers:
        numbers.setdefault(word, len(numbers))
    totals, counts = np.zeros((2, len(numbers)), np.float32)
    for known in (one, other):
        places = [numbers[word] for word in known.numbers]
        totals[places] += known.totals
        counts[places] += known.counts
    return KnownWords(numbers, totals, counts)


def _by_null(
    words: KnownWords, others: KnownWords, earlier: Floats, new: Floats
) -> Floats:
    """Return the probability under NULL of the words of both texts.

    What is known of those of the new text is of both; the others have what is left.
    """
    numbers = _added_words(words, others).numbers
    found = np.zeros(len(numbers), np.float32)
    found[: len(earlier)] = earlier
    places = [numbers[word] for word in others.numbers]
    rest = np.delete(found, places).sum()
    left = max(1 - float(new.sum()), 0.0)
    found *= left / max(float(rest), 1e-30)
    found[places] = new
    return found
