"""Forward-backward, against the sum over every single path of states."""

import itertools

import numpy as np
import pytest

from aligner.prior import agreement, hmm
from aligner.prior.hmm import first_jumps, normalised_jumps

NULL = 0.2
SIZES = [(1, 1), (1, 3), (3, 1), (2, 4), (3, 4), (4, 2)]  # states, emitted words

Found = tuple[np.ndarray, np.ndarray]


def random_jumps(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return normalised_jumps(10 * rng.random(2 * hmm.MAX_JUMP + 1))


def random_emissions(size: tuple[int, int], seed: int) -> Found:
    """Return the emissions of a sentence pair of a given size, (J, I), and NULL's."""
    rng = np.random.default_rng(seed)
    states, words = size
    emissions = rng.random((words, states)).astype(np.float32) ** 3
    return emissions, rng.random(words).astype(np.float32)


def posteriors(words: np.ndarray, by_null: np.ndarray, jumps: np.ndarray) -> Found:
    """Return the posterior links (J, I), and how often each distance is jumped."""
    links, expected = np.empty_like(words), np.zeros(len(jumps))
    agreement._by_order(words, by_null, np.float32(NULL), jumps, links, expected)
    return links, expected


def naive_posteriors(words: np.ndarray, null: np.ndarray, jumps: np.ndarray) -> tuple:
    """Sum over all paths of one sentence pair: links (J, I), and jumps.

    A path says of every word where the model stands, and whether NULL emits it; then
    it stands where it stood. Before the first word it stood in front of them all.
    """
    size, length = words.shape[1], len(words)

    def index(start: int, end: int) -> int:
        return max(-hmm.MAX_JUMP, min(hmm.MAX_JUMP, end - start)) + hmm.MAX_JUMP

    links, expected = np.zeros(words.shape), np.zeros(len(jumps))
    total = 0.0
    steps = itertools.product(range(size), (False, True))
    for path in itertools.product(list(steps), repeat=length):
        probability = jumps[index(-1, path[0][0])]
        probability /= sum(jumps[index(-1, end)] for end in range(size))
        for j, (state, by_null) in enumerate(path):
            if by_null:
                stays = not j or state == path[j - 1][0]
                probability *= NULL * null[j] * stays
                continue
            probability *= (1 - NULL) * words[j, state]
            if j:
                start = path[j - 1][0]
                inside = sum(jumps[index(start, end)] for end in range(size))
                probability *= jumps[index(start, state)] / inside
        total += probability
        for j, (state, by_null) in enumerate(path):
            if not by_null:
                links[j, state] += probability
                if j:
                    expected[index(path[j - 1][0], state)] += probability
    return links / total, expected / total


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("seed", [1, 2])
def test_equals_the_sum_over_all_paths(size: tuple[int, int], seed: int) -> None:
    (words, by_null), jumps = random_emissions(size, seed), random_jumps(seed)
    found_links, found_jumps = posteriors(words, by_null, jumps)
    links, expected = naive_posteriors(words, by_null, jumps)
    np.testing.assert_allclose(found_links, links, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found_jumps, expected, rtol=1e-4, atol=1e-6)


def test_longer_jumps_count_as_the_longest() -> None:
    """From the first of 100 words on to the last, and the other way."""
    size = 100
    for first, last, jump in ((0, size - 1, 1), (size - 1, 0, -1)):
        words = np.zeros((2, size), np.float32)
        words[0, first] = words[1, last] = 1
        _, jumps = posteriors(words, np.full(2, 1e-6, np.float32), first_jumps())
        longest = hmm.MAX_JUMP + jump * hmm.MAX_JUMP
        assert jumps.argmax() == longest
        assert jumps[longest] == pytest.approx(1, abs=1e-2)


def test_after_null_the_distance_counts_from_before() -> None:
    """State 0 emits word 0, NULL word 1, and word 2 is a jump by one, to state 1."""
    words = np.zeros((3, 3), np.float32)
    words[0, 0] = words[2, 1] = 1
    by_null = np.array([1e-6, 1, 1e-6], np.float32)
    links, jumps = posteriors(words, by_null, first_jumps())
    np.testing.assert_allclose(links, words, atol=1e-4)
    assert jumps[hmm.MAX_JUMP + 1] == pytest.approx(1, abs=1e-4)
    assert jumps.sum() == pytest.approx(1, abs=1e-4)


def test_long_sentences_of_unlikely_words_stay_in_range() -> None:
    words = np.full((200, 120), 1e-6, np.float32)
    links, jumps = posteriors(words, np.full(200, 1e-6, np.float32), first_jumps())
    np.testing.assert_allclose(links.sum(axis=1), 1 - NULL, rtol=1e-3)
    assert jumps.sum() == pytest.approx(199 * (1 - NULL), rel=1e-3)


def test_jump_probabilities() -> None:
    jumps = first_jumps()
    assert jumps.sum() == pytest.approx(1)
    assert jumps.argmax() == hmm.MAX_JUMP + 1
    assert normalised_jumps(np.array([0.0, 4, 1])) == pytest.approx(
        [1 / 8, 5 / 8, 1 / 4]
    )
