"""Forward-backward, against the sum over every single path of states."""

import itertools

import numpy as np
import pytest

from aligner.prior import hmm
from aligner.prior.hmm import (
    Emissions,
    Posteriors,
    first_jumps,
    normalised_jumps,
    posteriors,
)

NULL = 0.2
SIZES = [(1, 1), (1, 3), (3, 1), (2, 4), (3, 4), (4, 2)]  # states, emitted words


def random_jumps(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return normalised_jumps(10 * rng.random(2 * hmm.MAX_JUMP + 1))


def random_emissions(sizes: list[tuple[int, int]], seed: int) -> Emissions:
    """Return a padded batch of sentence pairs of given sizes."""
    rng = np.random.default_rng(seed)
    longest = max(states for states, _ in sizes), max(words for _, words in sizes)
    words = np.zeros((len(sizes), longest[1], longest[0]), np.float32)
    null = np.zeros(words.shape[:2], np.float32)
    states = np.zeros((len(sizes), longest[0]), np.float32)
    for row, (i, j) in enumerate(sizes):
        words[row, :j, :i] = rng.random((j, i)) ** 3
        null[row, :j] = rng.random(j)
        states[row, :i] = 1
    return Emissions(words, null, states)


def naive_posteriors(words: np.ndarray, null: np.ndarray, jumps: np.ndarray) -> tuple:
    """Sum over all paths of one sentence pair: links (J, I), and jumps.

    A path says of every word where the model stands, and whether NULL emits it; then
    it stands where it stood. It starts anywhere with the same probability.
    """
    size, length = words.shape[1], len(words)

    def index(start: int, end: int) -> int:
        return max(-hmm.MAX_JUMP, min(hmm.MAX_JUMP, end - start)) + hmm.MAX_JUMP

    links, expected = np.zeros(words.shape), np.zeros(len(jumps))
    total = 0.0
    steps = itertools.product(range(size), (False, True))
    for path in itertools.product(list(steps), repeat=length):
        probability = 1 / size
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


def one(emissions: Emissions, row: int, size: tuple[int, int]) -> Emissions:
    """Return one sentence pair of a batch without its padding."""
    i, j = size
    return Emissions(
        emissions.words[row : row + 1, :j, :i],
        emissions.null[row : row + 1, :j],
        emissions.states[row : row + 1, :i],
    )


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("seed", [1, 2])
def test_equals_the_sum_over_all_paths(size: tuple[int, int], seed: int) -> None:
    emissions, jumps = random_emissions([size], seed), random_jumps(seed)
    found = posteriors(emissions, jumps, NULL)
    links, expected = naive_posteriors(emissions.words[0], emissions.null[0], jumps)
    np.testing.assert_allclose(found.links[0], links, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.jumps, expected, rtol=1e-4, atol=1e-6)


def test_links_are_the_same_whether_jumps_are_counted() -> None:
    emissions, jumps = random_emissions(SIZES, 4), random_jumps(4)
    found = posteriors(emissions, jumps, NULL, counting=False)
    counted = posteriors(emissions, jumps, NULL)
    np.testing.assert_array_equal(found.links, counted.links)
    assert counted.jumps.any()
    assert not found.jumps.any()


def test_padding_changes_nothing() -> None:
    emissions, jumps = random_emissions(SIZES, 3), random_jumps(3)
    found = posteriors(emissions, jumps, NULL)
    alone: list[Posteriors] = []
    for row, (i, j) in enumerate(SIZES):
        alone.append(posteriors(one(emissions, row, (i, j)), jumps, NULL))
        links = found.links[row]
        np.testing.assert_allclose(links[:j, :i], alone[row].links[0], atol=1e-6)
        assert not links[j:].any()
        assert not links[:, i:].any()
    total = np.sum([each.jumps for each in alone], axis=0)
    np.testing.assert_allclose(found.jumps, total, rtol=1e-5, atol=1e-6)


def test_longer_jumps_count_as_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    """With distances up to 1 only, -2 is a -1, and 2 is a 1."""
    monkeypatch.setattr(hmm, "MAX_JUMP", 1)
    emissions, jumps = random_emissions([(4, 3)], 4), random_jumps(4)
    assert len(jumps) == 3
    found = posteriors(emissions, jumps, NULL)
    links, expected = naive_posteriors(emissions.words[0], emissions.null[0], jumps)
    np.testing.assert_allclose(found.links[0], links, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.jumps, expected, rtol=1e-4, atol=1e-6)


def test_after_null_the_distance_counts_from_before() -> None:
    """State 0 emits word 0, NULL word 1, and word 2 is a jump by one, to state 1."""
    words = np.zeros((1, 3, 3), np.float32)
    words[0, 0, 0] = words[0, 2, 1] = 1
    null = np.full((1, 3), 1e-6, np.float32)
    null[0, 1] = 1
    emissions = Emissions(words, null, np.ones((1, 3), np.float32))
    found = posteriors(emissions, first_jumps(), NULL)
    np.testing.assert_allclose(found.links, words, atol=1e-4)
    assert found.jumps[hmm.MAX_JUMP + 1] == pytest.approx(1, abs=1e-4)
    assert found.jumps.sum() == pytest.approx(1, abs=1e-4)


def test_long_sentences_of_unlikely_words_stay_in_range() -> None:
    words = np.full((2, 200, 120), 1e-6, np.float32)
    null = np.full((2, 200), 1e-6, np.float32)
    found = posteriors(
        Emissions(words, null, np.ones((2, 120), np.float32)), first_jumps(), NULL
    )
    by_state = found.links.sum(axis=2)
    np.testing.assert_allclose(by_state, 1 - NULL, rtol=1e-3)
    assert found.jumps.sum() == pytest.approx(2 * 199 * (1 - NULL), rel=1e-3)


def test_jump_probabilities() -> None:
    jumps = first_jumps()
    assert jumps.sum() == pytest.approx(1)
    assert jumps.argmax() == hmm.MAX_JUMP + 1
    assert normalised_jumps(np.array([0.0, 4, 1])) == pytest.approx(
        [1 / 8, 5 / 8, 1 / 4]
    )
