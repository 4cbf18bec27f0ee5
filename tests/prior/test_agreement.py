"""The prior, against dictionaries and loops, by hand, and on text of known links."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from aligner.errors import ConfigError
from aligner.links.alignment import Alignment
from aligner.links.evaluation import score
from aligner.links.matching import covered, joint_scores
from aligner.prior import agreement, cooccurrence, estimation
from aligner.prior import prior as prior_module
from aligner.prior.agreement import BACKED_OFF, DIAGONAL, FERTILE, Model, Side
from aligner.prior.cooccurrence import gather_word_pairs
from aligner.prior.estimation import NULL
from aligner.prior.hmm import first_jumps
from aligner.prior.known_words import spell
from aligner.prior.prior import Prior
from aligner.prior.soft_links import LEAST_PROBABILITY, SoftLinks, TextLinks
from aligner.sample.grammar import SamplePair, sample_corpus
from aligner.terms import PRESETS, Cover, Preset
from aligner.text.numbered import NumberedBitext

Pair = tuple[Sequence[str], Sequence[str]]
Estimated = tuple[Prior, TextLinks]
Table = dict[tuple[str, str], float]

SMALL: list[Pair] = [
    (["the", "house"], ["la", "maison"]),
    (["the", "blue", "house", "."], ["la", "maison", "bleue", "."]),
    (["a", "flower", "."], ["une", "fleur", "."]),
    (["the", "blue", "flower"], ["la", "fleur", "bleue"]),
    (["yes"], ["oui", "."]),
]


def estimate(pairs: list[Pair], *listeners: Any) -> tuple[Prior, TextLinks]:
    return prior_module.estimate(NumberedBitext.of(pairs), *listeners)


def align(prior: Prior, pairs: list[Pair]) -> TextLinks:
    return prior.soft_links(NumberedBitext.of(pairs))


# A naive IBM model 1 with agreement


def naive_posteriors(
    states: list[str], emitted: list[str], table: Table, null: dict[str, float]
) -> dict[tuple[int, int], float]:
    """Return the probability that state i emitted word j, by (i, j)."""
    posterior = {}
    for j, word in enumerate(emitted):
        pull = [
            math.exp(-DIAGONAL * abs(i / len(states) - j / len(emitted)))
            for i in range(len(states))
        ]
        joint = [
            (1 - NULL) * pull[i] / sum(pull) * table[state, word]
            for i, state in enumerate(states)
        ]
        total = sum(joint) + NULL * null[word]
        posterior.update({(i, j): p / total for i, p in enumerate(joint)})
    return posterior


def naive_iterations(
    pairs: list[Pair], iterations: int
) -> tuple[Table, list[dict[str, float]]]:
    """Return the expected links of all word pairs, and both directions' NULL."""
    directions = [pairs, [(tgt, src) for src, tgt in pairs]]
    tables, nulls = [], []
    for text in directions:
        counts = Counter(word for _, emitted in text for word in emitted)
        met = {(s, e) for states, emitted in text for s in states for e in emitted}
        tables.append({pair: 1 / len(counts) for pair in met})
        nulls.append({word: n / counts.total() for word, n in counts.items()})
    for _ in range(iterations):
        links: Table = defaultdict(float)
        by_null: list[dict[str, float]] = [defaultdict(float), defaultdict(float)]
        for src, tgt in pairs:
            both = [
                naive_posteriors(src, tgt, tables[0], nulls[0]),
                naive_posteriors(tgt, src, tables[1], nulls[1]),
            ]
            unlike = 1 - min(len(src), len(tgt)) / max(len(src), len(tgt))
            weight = FERTILE * unlike**2
            for i, j in both[0]:
                longer = both[0][i, j] if len(tgt) >= len(src) else both[1][j, i]
                product = both[0][i, j] * both[1][j, i]
                links[src[i], tgt[j]] += (1 - weight) * product + weight * longer
            for side, emitted in enumerate((tgt, src)):
                for place, word in enumerate(emitted):
                    linked = sum(p for (_, j), p in both[side].items() if j == place)
                    by_null[side][word] += 1 - linked
        turned = {(t, s): n for (s, t), n in links.items()}
        for side, counted in enumerate((links, turned)):
            totals: dict[str, float] = defaultdict(float)
            for (state, _), n in counted.items():
                totals[state] += n
            tables[side] = {(s, w): n / totals[s] for (s, w), n in counted.items()}
            whole = sum(by_null[side].values())
            nulls[side] = {
                word: (by_null[side][word] / whole + old) / 2
                for word, old in nulls[side].items()
            }
    return links, nulls


@pytest.mark.parametrize("iterations", [1, 3])
def test_lexical_iterations_equal_the_loops(
    iterations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of whole words only."""
    monkeypatch.setattr(estimation, "LEXICAL_ITERATIONS", iterations)
    monkeypatch.setattr(estimation, "HMM_ITERATIONS", 0)
    monkeypatch.setattr(prior_module, "LETTERS", (0,))
    prior, _ = estimate(SMALL)
    (known,) = prior.spellings
    links, nulls = naive_iterations(SMALL, iterations)
    assert len(known.links) == len(links)
    assert expected_links(prior) == pytest.approx(links, rel=1e-3, abs=1e-5)
    for by_null, words, null in (
        (prior.tgt_by_null, known.tgt.numbers, nulls[0]),
        (prior.src_by_null, known.src.numbers, nulls[1]),
    ):
        found = dict(zip(words, by_null.tolist(), strict=True))
        assert found == pytest.approx(null, rel=1e-4)
    for words, side in ((known.src, 0), (known.tgt, 1)):
        totals: dict[str, float] = defaultdict(float)
        for pair, n in links.items():
            totals[pair[side]] += n
        found = dict(zip(words.numbers, words.totals.tolist(), strict=True))
        assert found == pytest.approx(totals, rel=1e-3)


def expected_links(prior: Prior, spelling: int = 0) -> Table:
    known = prior.spellings[spelling]
    src, tgt = list(known.src.numbers), list(known.tgt.numbers)
    places = (divmod(key, len(src)) for key in known.keys.tolist())
    return {
        (src[s], tgt[t]): n
        for (t, s), n in zip(places, known.links.tolist(), strict=True)
    }


def test_links_of_beginnings_are_those_of_their_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of rare pairs of frequent words, too, which only beginnings tell apart."""
    monkeypatch.setattr(cooccurrence, "FREQUENT", 2**40)
    prior, _ = estimate([(pair.src, pair.tgt) for pair in sample_corpus(60)])
    words = expected_links(prior)
    for spelling, known in enumerate(prior.spellings[1:], start=1):
        sums: Table = defaultdict(float)
        for pair, n in words.items():
            src, tgt = (spell(word, known.letters) for word in pair)
            sums[src, tgt] += n
        assert expected_links(prior, spelling) == pytest.approx(sums, rel=1e-3)
        assert max(map(len, known.src.numbers)) == known.letters


def test_rare_pairs_of_frequent_words_are_known_by_their_beginnings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What words are linked with in all stays: only who with is forgotten."""
    pairs = [(pair.src, pair.tgt) for pair in sample_corpus(300)]
    monkeypatch.setattr(estimation, "LEXICAL_ITERATIONS", 1)
    monkeypatch.setattr(estimation, "HMM_ITERATIONS", 0)
    pruned, _ = estimate(pairs)
    monkeypatch.setattr(cooccurrence, "FREQUENT", 2**40)
    whole, _ = estimate(pairs)
    for spelling, (some, every) in enumerate(
        zip(pruned.spellings, whole.spellings, strict=True)
    ):
        left, links = expected_links(pruned, spelling), expected_links(whole, spelling)
        assert left.keys() <= links.keys()
        assert left == pytest.approx({pair: links[pair] for pair in left}, rel=1e-3)
        for one, other in ((some.src, every.src), (some.tgt, every.tgt)):
            assert one.numbers == other.numbers
            np.testing.assert_allclose(one.totals, other.totals, rtol=1e-3)
    first, *_, last = (
        (len(some.keys), len(every.keys))
        for some, every in zip(pruned.spellings, whole.spellings, strict=True)
    )
    assert first[0] < first[1]
    assert last[0] == last[1], "the last beginnings tell all apart"


# What is known of words, and of their beginnings


def emissions(
    links: Sequence[float],
    totals: Sequence[float],
    shares: Sequence[float],
    own: float | None = None,
) -> float:
    """Return the probability of one word under another, the only ones of a text.

    Given the expected links of both by each spelling, the emitting word's links in all,
    and the emitted word's shares among those that are spelt alike.
    """
    _, cells, *_ = gather_word_pairs(NumberedBitext.of([(["a"], ["A"])]))
    row = [np.array([values], np.float32) for values in (links, totals, shares)]
    one = np.ones(1, np.float32)
    src, tgt = Side(row[1], row[2], one), Side(row[1], row[2], one)
    jumps = np.stack([first_jumps()] * 2)
    model = Model(row[0], src, tgt, np.full(2, NULL, np.float32), jumps)
    left_out = np.full((1, 1), own or 0, np.float32)
    forward, _ = agreement.emissions(model, cells, 0, left_out, own is not None)
    return float(forward[0, 0])


def test_what_meets_once_is_no_evidence_for_itself() -> None:
    assert emissions([0.9], [0.9], [1]) == pytest.approx(1)
    assert emissions([0.9], [0.9], [1], own=0.9) <= agreement.NEVER_SEEN


def test_evidence_from_elsewhere_stays() -> None:
    """Of 3 links of 4, 0.5 are the place's own: left are 2.5 of 3.5."""
    assert emissions([3], [4], [1], own=0.5) == pytest.approx(2.5 / 3.5)


def test_words_are_backed_off_to_their_beginnings() -> None:
    """The longer spelling is worth more, the more often it was linked."""
    short = 30 / 60 * 0.1
    middle = (6 * 0.5 + BACKED_OFF * short) / (8 + BACKED_OFF)
    whole = (3 + BACKED_OFF * middle) / (4 + BACKED_OFF)
    found = emissions([3, 6, 30], [4, 8, 60], [1, 0.5, 0.1])
    assert found == pytest.approx(whole)


def test_what_is_own_is_left_out_of_every_spelling() -> None:
    short = (30 - 0.5) / (60 - 0.5) * 0.1
    whole = (3 - 0.5 + BACKED_OFF * short) / (4 - 0.5 + BACKED_OFF)
    assert emissions([3, 30], [4, 60], [1, 0.1], own=0.5) == pytest.approx(whole)


def test_shares_are_of_all_that_is_spelt_alike() -> None:
    """Of words seen 3 times and once; one never seen counts as seen once."""
    counts = np.array([[3.0, 4.0], [1.0, 4.0], [0.0, 4.0], [0.0, 0.0]])
    assert estimation.shares(counts).tolist() == [
        [1, 0.75],
        [1, 0.25],
        [1, 0.25],
        [1, 1],
    ]


def test_the_iterations_leave_out_what_is_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """With word order, each is given what the one before counted; the first nothing."""
    given: list[tuple[np.ndarray, bool]] = []
    counted: list[np.ndarray] = []

    def watched(*arguments: Any) -> None:
        own, known = arguments[4:6]
        given.append((own.copy(), known))
        expect(*arguments)
        counted.append(own.copy())

    expect = estimation.expect
    monkeypatch.setattr(estimation, "expect", watched)
    monkeypatch.setattr(estimation, "HMM_ITERATIONS", 4)
    estimate(SMALL)
    lexical = estimation.LEXICAL_ITERATIONS
    assert [known for _, known in given] == [False] * (lexical + 1) + [True] * 3
    for iteration in range(lexical + 1, lexical + 4):
        np.testing.assert_array_equal(given[iteration][0], counted[iteration - 1])


def test_beginnings_are_in_lower_case() -> None:
    prior, _ = estimate([(["Voting", "votes"], ["ABSTIMMUNG", "ab"])] * 2)
    words, four, three = prior.spellings
    assert set(words.tgt.numbers) == {"ABSTIMMUNG", "ab"}
    assert set(four.src.numbers) == {"voti", "vote"}
    assert set(four.tgt.numbers) == {"abst", "ab"}
    assert set(three.src.numbers) == {"vot"}


def test_a_sentence_in_capitals_aligns_like_one_without(estimated: Estimated) -> None:
    prior, _ = estimated
    pairs = [(pair.src, pair.tgt) for pair in sample_corpus(20, seed=2)]
    small, large = (
        [pair.links for pair in prior.align([tuple(map(case, pair)) for pair in pairs])]
        for case in (
            lambda words: [word.lower() for word in words],
            lambda words: [word.upper() for word in words],
        )
    )
    apart = sum(len(one ^ other) for one, other in zip(small, large, strict=True))
    assert apart <= 0.05 * sum(map(len, small))


def test_directions_are_joined_by_the_power_mean(corpus: list[SamplePair]) -> None:
    """Place by place, from both directions' posteriors."""
    pairs = [(pair.src, pair.tgt) for pair in corpus[:60]]
    text = NumberedBitext.of(pairs)
    prior, _ = estimate(pairs)
    for found, (forward, reverse) in zip(
        prior.soft_links(text), prior.word_scores(pairs), strict=True
    ):
        expected = {}
        for i, j in np.ndindex(len(reverse), len(forward)):
            one, other = float(forward[j, i]), float(reverse[i, j])
            mean = ((one**0.75 + other**0.75) / 2) ** (4 / 3)
            if mean > 0.021:
                expected[i, j] = mean
        places = zip(found.src.tolist(), found.tgt.tolist(), strict=True)
        probable = dict(zip(places, found.probability.tolist(), strict=True))
        assert expected.keys() <= probable.keys()
        for link, probability in expected.items():
            assert probable[link] == pytest.approx(probability, abs=1e-4)


def test_endings_seen_once_are_learnt_from_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each form of the verb occurs once, among text in which nothing else is new."""
    forms = ["parler", "parlera", "parlerait", "parleront", "parlerons"]
    pairs = [([f"n{i}", "speak"], [f"m{i}", form]) for i, form in enumerate(forms)]
    for i in range(5):
        pairs += [([f"n{i}", f"n{j}"], [f"m{i}", f"m{j}"]) for j in range(5)] * 4

    def of_null() -> float:
        prior, _ = estimate(pairs)
        ((forward, _),) = prior.word_scores([(["n0", "speak"], ["m0", "parler"])])
        assert forward[1].argmax() == 1
        return float(forward[1, -1])

    of_null_with_beginnings = of_null()
    monkeypatch.setattr(prior_module, "LETTERS", (0,))
    assert of_null_with_beginnings < of_null() / 100


def test_fertile_words_keep_their_partners() -> None:
    """Five words that are always three of the other side, among others that are one."""
    rng = np.random.default_rng(1)
    pairs: list[Pair] = []
    for _ in range(200):
        first, second = rng.integers(0, 8, 2)
        x = "vwxyz"[rng.integers(0, 5)]
        src = [f"{first}a", f"{x}lmlk", f"{second}a"]
        fertile = [f"{x}and", f"{x}{x}to", f"{x}king"]
        pairs.append((src, [f"{first}b", *fertile, f"{second}b"]))
    _, links = estimate(pairs)
    found = links[0]
    linked = found.probability > 0.4
    places = zip(found.src[linked].tolist(), found.tgt[linked].tolist(), strict=True)
    assert set(places) == {(0, 0), (1, 1), (1, 2), (1, 3), (2, 4)}


@pytest.mark.parametrize("threads", [2, 5])
def test_any_number_of_threads_finds_the_same(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cooccurrence, "CHUNK_CELLS", 300)
    text = NumberedBitext.of((pair.src, pair.tgt) for pair in sample_corpus(100))
    _, alone = prior_module.estimate(text, threads=1)
    _, together = prior_module.estimate(text, threads=threads)
    for one, other in zip(alone.links, together.links, strict=True):
        np.testing.assert_array_equal(one, other)


# Whole estimates

TRAIN, TEST = 1500, 300


@pytest.fixture(scope="module")
def corpus() -> list[SamplePair]:
    return sample_corpus(TRAIN + TEST)


@pytest.fixture(scope="module")
def estimated(corpus: list[SamplePair]) -> Estimated:
    return estimate([(pair.src, pair.tgt) for pair in corpus[:TRAIN]])


def likely(links: SoftLinks) -> Alignment:
    chosen = links.probability > 0.5
    return frozenset(
        zip(links.src[chosen].tolist(), links.tgt[chosen].tolist(), strict=True)
    )


def test_it_aligns_the_text_that_it_comes_from(
    corpus: list[SamplePair], estimated: Estimated
) -> None:
    _, links = estimated
    gold = [pair.gold for pair in corpus[:TRAIN]]
    assert score(gold, [likely(pair) for pair in links]).aer < 0.1


def test_it_aligns_new_text(corpus: list[SamplePair], estimated: Estimated) -> None:
    prior, _ = estimated
    links = align(prior, [(pair.src, pair.tgt) for pair in corpus[TRAIN:]])
    gold = [pair.gold for pair in corpus[TRAIN:]]
    assert score(gold, [likely(pair) for pair in links]).aer < 0.1


@pytest.mark.parametrize("preset", PRESETS)
def test_pairs_are_aligned_by_the_threshold_of_a_preset(
    preset: Preset, estimated: Estimated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Empty sides too, and more pairs than are read at once."""
    prior, _ = estimated
    pairs: list[Pair] = [(pair.src, pair.tgt) for pair in sample_corpus(20, seed=2)]
    pairs += [([], ["la"]), ([], []), *pairs[:3]]
    text = NumberedBitext.of(pairs)
    threshold = prior.thresholds[list(PRESETS).index(preset)]
    expected = [
        {(s, t): p for s, t, p in zip(*map(np.ndarray.tolist, soft), strict=True)}
        for soft in prior.soft_links(text)
    ]
    monkeypatch.setattr(prior_module, "PART", 7)
    found = list(prior.align(iter(pairs), preset))
    for pair, soft in zip(found, expected, strict=True):
        assert pair.links == {link for link, p in soft.items() if p > threshold}
        assert pair.scores == {link: soft[link] for link in pair.links}
    assert [bool(pair.problem) for pair in found] == [not all(pair) for pair in pairs]


@pytest.mark.parametrize("cover", ["src", "tgt", "both"])
def test_covered_sides_have_each_words_likeliest_link(
    cover: Cover, estimated: Estimated
) -> None:
    prior, _ = estimated
    pairs: list[Pair] = [(pair.src, pair.tgt) for pair in sample_corpus(20, seed=2)]
    pairs += [([], ["la"]), (["xyz", "uvw"], ["qqq"]), (["a"] * 9, ["b"] * 30)]
    plain, found = prior.align(pairs), prior.align(pairs, cover=cover)
    for (src, tgt), few, pair in zip(pairs, plain, found, strict=True):
        assert pair.score == pytest.approx(few.score)
        if not src:
            assert pair.problem
            continue
        [(forward, reverse)] = prior.word_scores([(src, tgt)])
        probable = joint_scores(forward, reverse)
        assert pair.links == covered(few.links, probable, cover)
        assert pair.scores == pytest.approx(
            {link: probable[link] for link in pair.links}, abs=1e-5
        )


def test_an_unknown_side_to_cover_is_refused(estimated: Estimated) -> None:
    with pytest.raises(ConfigError, match="cover: expected one of src, tgt, both"):
        estimated[0].align([], cover="none")  # type: ignore[arg-type]


def test_what_cannot_be_aligned_is_refused(
    estimated: Estimated, monkeypatch: pytest.MonkeyPatch
) -> None:
    prior, _ = estimated
    with pytest.raises(ConfigError, match="preset: expected one of precise"):
        prior.align([], "best")  # type: ignore[arg-type]
    monkeypatch.setattr(prior_module, "PART", 2)
    pairs: list[Pair] = [(["the"], ["la"])] * 2
    with pytest.raises(TypeError, match="pair 3, source side"):
        list(prior.align([*pairs, ("the house", ["la"])]))


def test_links_are_probabilities_within_their_sentences(
    corpus: list[SamplePair], estimated: Estimated
) -> None:
    _, links = estimated
    assert len(links) == TRAIN
    for pair, found in zip(corpus, links, strict=False):
        assert len(found.src) == len(found.tgt) == len(found.probability) > 0
        places = set(zip(found.src.tolist(), found.tgt.tolist(), strict=True))
        assert len(places) == len(found.src)
        assert (found.src >= 0).all()
        assert (found.src < len(pair.src)).all()
        assert (found.tgt >= 0).all()
        assert (found.tgt < len(pair.tgt)).all()
        assert (found.probability > LEAST_PROBABILITY).all()
        assert (found.probability <= 1 + 1e-5).all()


def test_the_same_text_gives_the_same_links(estimated: Estimated) -> None:
    pairs = [(pair.src, pair.tgt) for pair in sample_corpus(100)]
    for one, other in zip(estimate(pairs)[1], estimate(pairs)[1], strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_aligning_the_text_again_gives_the_same_links() -> None:
    pairs = [(pair.src, pair.tgt) for pair in sample_corpus(100)]
    prior, links = estimate(pairs)
    for one, other in zip(links, align(prior, pairs), strict=True):
        np.testing.assert_array_equal(one.src, other.src)
        np.testing.assert_array_equal(one.tgt, other.tgt)
        np.testing.assert_allclose(one.probability, other.probability, rtol=1e-4)


def test_the_two_sides_are_alike() -> None:
    """Exchanging the sides exchanges the links."""
    pairs = [(pair.src, pair.tgt) for pair in sample_corpus(60)]
    _, links = estimate(pairs)
    _, turned = estimate([(tgt, src) for src, tgt in pairs])
    for one, other in zip(links, turned, strict=True):
        assert likely(one) == {(s, t) for t, s in likely(other)}


def test_empty_sides_have_no_links() -> None:
    pairs: list[Pair] = [([], ["la"]), *SMALL, (["the"], []), ([], [])]
    prior, links = estimate(pairs)
    assert len(links) == len(pairs)
    for found in (links, align(prior, pairs)):
        counts = [len(of_pair.src) for of_pair in found]
        assert counts[0] == counts[-2] == counts[-1] == 0
        assert any(counts[1:-2])
    assert len(align(prior, [])) == 0


@pytest.mark.parametrize("pairs", [[], [([], ["A"]), (["a"], [])]])
def test_text_without_a_usable_pair_has_no_links(pairs: list[Pair]) -> None:
    prior, links = estimate(pairs)
    assert links.ends.tolist() == [0] * (len(pairs) + 1)
    assert len(links) == len(pairs)
    (new,) = align(prior, [(["a"], ["A"])])
    assert np.isfinite(new.probability).all()


def test_words_never_seen_still_get_probabilities(estimated: Estimated) -> None:
    prior, _ = estimated
    (links,) = align(prior, [(["xyzzy", "plugh"], ["xyzzy", "plugh", "fie"])])
    assert np.isfinite(links.probability).all()


def test_a_language_of_one_word() -> None:
    prior, links = estimate([(["a"], ["A"]), (["a"], ["A", "A"])])
    assert len(links) == 2
    (new,) = align(prior, [(["a", "b"], ["A", "B"])])
    assert (0, 0) in zip(new.src, new.tgt, strict=True)


def test_the_listener_is_told_of_every_pass() -> None:
    told: list[tuple[int, int]] = []
    estimate(SMALL, lambda done, of: told.append((done, of)))
    assert told == [(n, len(told)) for n in range(1, len(told) + 1)]


def test_parts_of_a_large_text_have_the_links_of_the_whole(
    estimated: Estimated, monkeypatch: pytest.MonkeyPatch
) -> None:
    prior, _ = estimated
    pairs = [(pair.src, pair.tgt) for pair in sample_corpus(50, seed=2)]
    whole = align(prior, pairs)
    monkeypatch.setattr(prior_module, "PART", 7)
    parts = align(prior, pairs)
    assert parts.ends.tolist() == whole.ends.tolist()
    for one, other in zip(parts.links, whole.links, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4)
