"""Forward-backward for hidden Markov alignment models, a sentence pair at a time.

Vogel, Ney and Tillmann (1996): the words of one side are emitted one after the other,
each by a word of the other side (its state) or by NULL, and the probability of a state
depends on the distance from the last one; before the first word the model stands in
front of the sentence. As in Och and Ney (2003), NULL remembers the last state, so that
distances go on from there.

Shapes: I states (words that emit), J emitted words. One direction only: for the other,
exchange the sides.
"""

from typing import TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Doubles: TypeAlias = NDArray[np.float64]

MAX_JUMP = 40  # longer distances count as this one
TINY = np.float32(1e-30)
NOWHERE = np.float32(1e-7)  # states less likely than this are not left
ONE = np.float32(1)


def first_jumps() -> Doubles:
    """Return jump probabilities to start from: one word on is likeliest."""
    distances = np.arange(-MAX_JUMP, MAX_JUMP + 1)
    return normalised_jumps(100 * np.exp(-np.abs(distances - 1) / 2))


def normalised_jumps(counts: Doubles) -> Doubles:
    """Return jump probabilities from counts, one pseudo-count added to each."""
    smoothed = counts + 1
    probabilities: Doubles = smoothed / smoothed.sum()
    return probabilities


@njit(nogil=True, cache=True)
def posteriors(
    words: Floats,
    by_null: Floats,
    null: np.float32,
    jumps: Floats,
    links: Floats,
    expected: Doubles,
) -> None:
    """Write down the posterior links of a sentence pair, and count its jumps.

    Args:
        words: (J, I) probability of each word under each state.
        by_null: (J,) probability of each word under NULL.
        null: the probability that NULL emits.
        jumps: (2 · M + 1) probability of each distance, M at least I, the longest
            backwards first.
        links: (J, I) to be written: the probability that a state emitted a word; NULL
            has the rest.
        expected: (2 · M + 1) to be added to: how often each distance was jumped.
    """
    length, size = words.shape
    middle = len(jumps) // 2
    here, leaving = np.empty(size, np.float32), np.empty(size, np.float32)
    for state in range(size):
        # No jump leads out of the sentence: those that stay must sum to 1 - null.
        leaving[state] = (ONE - null) / _staying(jumps, middle - state, size)
        here[state] = jumps[middle + 1 + state] / _staying(jumps, middle + 1, size)

    visited = np.empty((length, size), np.float32)
    scales = np.empty(length, np.float32)
    arriving = np.empty(size, np.float32)
    for j in range(length):
        for state in range(size):
            arriving[state] = np.float32(0) if j else here[state] * (ONE - null)
        for state in range(size if j else 0):
            mass = here[state] * leaving[state]
            if mass > NOWHERE:
                for place in range(size):
                    arriving[place] += mass * jumps[middle - state + place]
        total = TINY
        for state in range(size):
            links[j, state] = arriving[state] * words[j, state]
            visited[j, state] = links[j, state] + here[state] * by_null[j] * null
            total += visited[j, state]
        scales[j] = ONE / total
        for state in range(size):
            links[j, state] *= scales[j]
            visited[j, state] *= scales[j]
            here[state] = visited[j, state]

    after, emitted = np.empty(size, np.float32), np.empty(size, np.float32)
    before, turned = np.empty(size, np.float32), jumps[::-1].copy()
    for state in range(size):
        after[state] = ONE
    for j in range(length - 1, -1, -1):
        for state in range(size):
            links[j, state] = min(links[j, state] * after[state], ONE)
            emitted[state] = words[j, state] * scales[j] * after[state]
        if not j:
            break
        for state in range(size):
            before[state] = 0
            mass = visited[j - 1, state] * leaving[state]
            if mass > NOWHERE:
                for place in range(size):
                    distance = middle - state + place
                    expected[distance] += mass * jumps[distance] * emitted[place]
        for place in range(size):
            # Backwards, so that the states lie in order, as vectors need it.
            for state in range(size):
                before[state] += turned[middle - place + state] * emitted[place]
        staying = by_null[j] * null * scales[j]
        for state in range(size):
            after[state] = before[state] * leaving[state] + staying * after[state]


@njit(nogil=True, cache=True)
def _staying(jumps: Floats, first: int, size: int) -> np.float32:
    """Return the probability of so many distances, the first one and those after it."""
    total = TINY
    for place in range(first, first + size):
        total += jumps[place]
    return total
