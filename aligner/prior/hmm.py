"""Forward-backward for hidden Markov alignment models, many sentence pairs at once.

Vogel, Ney and Tillmann (1996): the words of one side are emitted one after the other,
each by a word of the other side (its state) or by NULL, and the probability of a state
depends on the distance from the last one. As in Och and Ney (2003), NULL remembers the
last state, so that distances go on from there.

Shapes: B sentence pairs, I states (words that emit), J emitted words. One direction
only: for the other, exchange the sides.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]

MAX_JUMP = 40  # longer distances count as this one
TINY = np.float32(1e-30)


class Emissions(NamedTuple):
    """What is emitted in a batch, and how likely by whom.

    Attributes:
        words: (B, J, I) probability of each word under each state; 0 where either is
            padding.
        null: (B, J) probability of each word under NULL; 0 for padding.
        states: (B, I) 1 for real states, 0 for padding.
    """

    words: Floats
    null: Floats
    states: Floats


class Posteriors(NamedTuple):
    """What the model believes of a batch.

    Attributes:
        links: (B, J, I) probability that a state emitted a word; NULL has the rest.
        jumps: (2 · MAX_JUMP + 1) expected number of each distance, longest backwards
            first.
    """

    links: Floats
    jumps: NDArray[np.float64]


def first_jumps() -> NDArray[np.float64]:
    """Return jump probabilities to start from: one word on is likeliest."""
    distances = np.arange(-MAX_JUMP, MAX_JUMP + 1)
    return normalised_jumps(100 * np.exp(-np.abs(distances - 1) / 2))


def normalised_jumps(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return jump probabilities from counts, one pseudo-count added to each."""
    smoothed = counts + 1
    probabilities: NDArray[np.float64] = smoothed / smoothed.sum()
    return probabilities


def posteriors(
    emissions: Emissions,
    jumps: NDArray[np.float64],
    null: float,
    *,
    counting: bool = True,
) -> Posteriors:
    """Return the posterior links of a batch, and its expected jumps.

    Args:
        emissions: the batch.
        jumps: the probability of each distance.
        null: the probability that a word is emitted by NULL.
        counting: whether to expect jumps, as estimation needs; else they are 0.
    """
    states = emissions.states
    distances = _distances(states.shape[1])
    kernel = jumps[distances].astype(np.float32)  # (I from, I to)
    # No jump leads out of the sentence: those that stay inside must sum to 1 - null.
    share = states * np.float32(1 - null) / np.maximum(states @ kernel.T, TINY)
    words = emissions.words.transpose(1, 0, 2).copy()  # (J, B, I)
    nothing = emissions.null.T[:, :, None] * np.float32(null)  # (J, B, 1)

    by_state, anyhow, scales = _forward(words, nothing, kernel, share, states, null)
    words /= scales
    nothing /= scales
    visited = anyhow if counting else None
    links, steps = _backward(words, nothing, kernel, share, by_state, visited)
    expected = np.zeros(2 * MAX_JUMP + 1)
    np.add.at(expected, distances, steps * kernel)
    return Posteriors(links.transpose(1, 0, 2), expected)


def _distances(size: int) -> NDArray[np.int64]:
    """Return, (I, I), the index in `jumps` of going from one state to another."""
    states = np.arange(size)
    jump = np.clip(states[None, :] - states[:, None], -MAX_JUMP, MAX_JUMP)
    indices: NDArray[np.int64] = jump + MAX_JUMP
    return indices


def _forward(
    words: Floats,
    nothing: Floats,
    kernel: Floats,
    share: Floats,
    states: Floats,
    null: float,
) -> tuple[Floats, Floats, Floats]:
    """Return forward probabilities, scaled to sum to 1 at every word.

    Returns:
        (J, B, I) of being in a state that emitted the word; (J, B, I) of being in a
        state, whether it or NULL emitted the word; (J, B, 1) what they were divided by.
    """
    by_state, anyhow = np.empty_like(words), np.empty_like(words)
    scales = np.empty((*words.shape[:2], 1), np.float32)
    here = states / np.maximum(states.sum(1, keepdims=True), 1)  # anywhere at first
    arriving = here * np.float32(1 - null)
    for j in range(len(words)):
        if j:
            here = anyhow[j - 1]
            arriving = (here * share) @ kernel
        by_state[j] = arriving * words[j]
        anyhow[j] = by_state[j] + here * nothing[j]
        scales[j] = anyhow[j].sum(1, keepdims=True) + TINY
        by_state[j] /= scales[j]
        anyhow[j] /= scales[j]
    return by_state, anyhow, scales


def _backward(
    words: Floats,
    nothing: Floats,
    kernel: Floats,
    share: Floats,
    by_state: Floats,
    anyhow: Floats | None,
) -> tuple[Floats, NDArray[np.float64]]:
    """Return the posterior links (J, B, I), and expected steps (I, I) over `kernel`.

    `words` and `nothing` are divided by the forward scales here. Without `anyhow`, no
    steps are expected.
    """
    links = np.empty_like(words)
    steps = np.zeros(kernel.shape)
    after = np.ones_like(share)  # (B, I) what follows, by state
    for j in range(len(words) - 1, -1, -1):
        # Padding stands at the end, emits with probability 0, and is passed over.
        real = nothing[j] > 0  # (B, 1)
        links[j] = by_state[j] * after * real
        if j:
            emitted = words[j] * after  # (B, I), 0 for padding
            if anyhow is not None:
                steps += ((anyhow[j - 1] * share).T @ emitted).astype(np.float64)
            before = (emitted @ kernel.T) * share + nothing[j] * after
            after = np.where(real, before, after)
    return links, steps
