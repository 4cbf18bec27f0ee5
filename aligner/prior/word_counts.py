"""How often words occur, and what adds up over all that are spelt alike."""

from collections.abc import Sequence

import numpy as np

from aligner.prior.cooccurrence import Doubles, Ids, Ints
from aligner.prior.hmm import Floats


def occurrences(words: Ids, spellings: Sequence[Ids]) -> Doubles:
    """Return (W, V) how often each word occurs in each of its spellings."""
    counts = np.bincount(words, minlength=len(spellings[0])).astype(np.float64)
    return np.stack([alike(counts, spelling) for spelling in spellings], 1)


def shares(counts: Doubles) -> Floats:
    """Return (W, V) how much of all that is spelt alike each word makes up.

    Words never seen count as seen once.
    """
    own = np.maximum(counts[:, :1], 1)
    found: Floats = (own / np.maximum(counts, own)).astype(np.float32)
    return found


def added_up(values: Doubles, numbers: Ids | Ints, size: int = 0) -> Doubles:
    """Return the sum of the values of each number."""
    sums: Doubles = np.bincount(numbers, values, size).astype(np.float64)
    return sums


def alike(counts: Doubles, spelling: Ids | Ints) -> Doubles:
    """Return, for each number, the sum over all that are spelt like it."""
    return added_up(counts, spelling)[spelling]
