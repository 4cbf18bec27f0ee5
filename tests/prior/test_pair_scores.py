"""What tells translations from junk: features and odds by hand, and on known text."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import mannwhitneyu

from aligner.prior import pair_classifier
from aligner.prior.agreement import NEVER_SEEN
from aligner.prior.junk import KINDS, LONGEST, SAMPLE, junk_of, unlike
from aligner.prior.known_text import look_up
from aligner.prior.known_words import spell
from aligner.prior.pair_classifier import COLUMNS, PENALTY, PairClassifier, fit
from aligner.prior.pair_features import NULL
from aligner.prior.prior import Prior, estimate
from aligner.sample.grammar import sample_corpus
from aligner.text.numbered import NumberedBitext

Words = Sequence[str]
Pair = tuple[Words, Words]
TRAIN, HELD_OUT = 2000, 500
BACKED_OFF = 20  # links that a word's beginning counts for


@pytest.fixture(scope="module")
def corpus() -> list[Pair]:
    return [(list(p.src), list(p.tgt)) for p in sample_corpus(TRAIN + HELD_OUT)]


@pytest.fixture(scope="module")
def prior(corpus: list[Pair]) -> Prior:
    return estimate(NumberedBitext.of(corpus[:TRAIN]))[0]


def scores(prior: Prior, pairs: Sequence[Pair], threads: int = 1) -> np.ndarray:
    found = prior.pair_scores(NumberedBitext.of(pairs), threads)
    assert found is not None
    return found


# A naive oracle, by dictionaries


def probability(prior: Prior, emitted: str, by: str, *, forward: bool) -> float:
    """Return the probability of a word under another, backed off to beginnings."""
    found = 0.0
    for spelling in reversed(prior.spellings):
        own, state = (spelling.tgt, spelling.src)
        if not forward:
            own, state = state, own
        word, other = (spell(each, spelling.letters) for each in (emitted, by))
        links = total = share = 0.0
        if other in state.numbers:
            total = float(state.totals[state.numbers[other]])
        if word in own.numbers:
            whole = prior.spellings[0].tgt if forward else prior.spellings[0].src
            count = (
                whole.counts[whole.numbers[emitted]] if emitted in whole.numbers else 1
            )
            share = max(count, 1) / max(own.counts[own.numbers[word]], count, 1)
        if word in own.numbers and other in state.numbers:
            src, tgt = (other, word) if forward else (word, other)
            numbers = spelling.src.numbers[src], spelling.tgt.numbers[tgt]
            key = numbers[1] * len(spelling.src.numbers) + numbers[0]
            links = float(spelling.links[spelling.keys == key].sum()) * share
        if spelling is prior.spellings[-1]:
            found = links / max(total, 1e-3)
        else:
            found = (links + BACKED_OFF * found) / (total + BACKED_OFF)
    return min(max(found, float(NEVER_SEEN)), 1)


def gains(prior: Prior, pair: Pair, *, forward: bool) -> list[float | None]:
    """Return the gain of each word of the target, or the source; None if not known."""
    src, tgt = pair if forward else pair[::-1]
    known = prior.spellings[0].tgt if forward else prior.spellings[0].src
    found: list[float | None] = []
    for word in tgt:
        if word not in known.numbers:
            found.append(None)
            continue
        frequency = known.counts[known.numbers[word]] / known.counts.sum()
        mean = sum(probability(prior, word, by, forward=forward) for by in src)
        mean /= len(src)
        found.append(math.log(NULL + (1 - NULL) * mean / frequency))
    return found


def features(prior: Prior, pair: Pair) -> list[float]:
    src, tgt = pair
    sides = [gains(prior, pair, forward=forward) for forward in (True, False)]
    zeros = [[gain or 0.0 for gain in side] for side in sides]
    halves = []
    for side in zeros:
        size = math.ceil(len(side) / 2)
        halves += [np.mean(side[:size]), np.mean(side[-size:])]
    return [
        min(map(float, map(np.mean, zeros))),
        float(min(halves)),
        max(sum(gain is None for gain in side) / len(side) for side in sides),
        min(
            sum(word in tgt for word in src) / len(src),
            sum(word in src for word in tgt) / len(tgt),
        ),
        math.log(len(tgt) / len(src)),
        math.log(len("".join(tgt)) / len("".join(src))),
        min(len(src), len(tgt)),
    ]


STRANGE: list[Pair] = [
    (["qzx"], ["vbn"]),
    (["the", "qzx", ",", "Zorro"], ["Zorro", "der", "mm"]),
    (["königs"], ["kings", "kings"]),
]


def test_features_are_those_of_dictionaries(prior: Prior, corpus: list[Pair]) -> None:
    pairs = [*corpus[TRAIN : TRAIN + 5], *STRANGE]
    for row, pair in zip(prior_features(prior, pairs), pairs, strict=True):
        assert row.tolist() == pytest.approx(features(prior, pair), rel=1e-4, abs=1e-5)


def prior_features(
    prior: Prior, pairs: Sequence[Pair], learnt: int | None = None
) -> np.ndarray:
    """Return the features of new pairs, or of so many that were learnt."""
    return look_up(prior.learnt, NumberedBitext.of(pairs)).features(1, learnt)


def test_the_probability_is_that_of_the_odds_to_each_kind(
    prior: Prior, corpus: list[Pair]
) -> None:
    classifier = prior.classifier
    assert classifier is not None
    pairs = [*corpus[TRAIN : TRAIN + 5], *STRANGE]
    for score, row in zip(
        scores(prior, pairs), prior_features(prior, pairs), strict=True
    ):
        *values, words, letters, n = row.tolist()
        usual = classifier.lengths.tolist()
        once = [1, *values, abs(words - usual[0]), abs(letters - usual[1])]
        columns = once + [math.sqrt(n) * value for value in once]
        assert len(columns) == COLUMNS
        odds = [
            math.exp(-sum(w * c for w, c in zip(weights, columns, strict=True)))
            for weights in classifier.weights.tolist()
        ]
        assert score == pytest.approx(1 / (1 + sum(odds) / len(odds)), rel=1e-9)


def test_coefficients_are_those_that_an_optimiser_finds() -> None:
    """Of a kind with half as many pairs, which counts as much nevertheless."""
    random = np.random.default_rng(1)
    true, junk = random.random((60, 7)), random.random((30, 7)) + 0.2
    found = fit(true, [junk])
    rows = pair_classifier.columns(np.concatenate([true, junk]), found.lengths)
    right = np.arange(90) < 60

    def loss(weights: np.ndarray) -> float:
        logits = rows @ weights
        wrong = np.log1p(np.exp(np.where(right, -logits, logits)))
        return float(
            (np.where(right, 1, 2) * wrong).sum() + PENALTY / 2 * weights @ weights
        )

    best = minimize(loss, np.zeros(COLUMNS)).fun
    assert loss(found.weights[0]) == pytest.approx(best, rel=1e-5)
    assert found.lengths == pytest.approx(np.median(true[:, 4:6], axis=0))


def test_a_pair_is_judged_as_if_it_had_not_been_learnt(corpus: list[Pair]) -> None:
    """Words seen in this pair alone are new to it; the others remain known."""
    pairs = [(["unique", "king"], ["einzigartig", "König"]), *corpus[:50]]
    pairs += [(["king"], ["König"])] * 3
    text = NumberedBitext.of(pairs)
    prior = estimate(text)[0]
    as_new = prior_features(prior, pairs)[0]
    as_learnt = prior_features(prior, pairs, learnt=len(pairs))[0]
    assert as_new[2] == 0
    assert as_learnt[2] == 0.5
    assert (as_learnt[:2] != as_new[:2]).all()
    assert as_learnt[3:].tolist() == as_new[3:].tolist()


# Junk


def test_junk_is_what_its_name_says(corpus: list[Pair]) -> None:
    random = np.random.default_rng(3)
    some = corpus[:50]
    made = {name: make(some, random) for name, make in KINDS.items()}
    assert all(len(kind) == len(some) for kind in made.values())
    assert sorted(tgt for _, tgt in made["shuffled"]) == sorted(t for _, t in some)
    assert not [pair for pair in made["shuffled"] if pair in some]
    assert made["swapped"] == [(tgt, src) for src, tgt in some]
    src_copies = tgt_copies = 0
    for pair, copy, letters, half in zip(
        some, made["copied"], made["random letters"], made["half missing"], strict=True
    ):
        assert copy[0] == copy[1]
        src_copies, tgt_copies = (
            src_copies + (copy[0] == pair[0]),
            tgt_copies + (copy[0] == pair[1]),
        )
        kept = [one == other for one, other in zip(letters, pair, strict=True)]
        assert sum(kept) < 2
        short = [i for i in (0, 1) if half[i] != pair[i]]
        assert len(short) == 1
        whole, rest = pair[short[0]], half[short[0]]
        assert len(rest) == math.ceil(len(whole) / 2)
        assert rest in (whole[: len(rest)], whole[-len(rest) :])
    assert min(src_copies, tgt_copies) > 10


def test_no_junk_is_a_pair_that_it_was_made_of() -> None:
    """Nothing is left of copies and of exchanged sides where both sides are alike."""
    pairs: list[Pair] = [(["a", "b"], ["a", "b"]), (["c"], ["c"]), ([], ["c"])]
    true, kinds = junk_of(NumberedBitext.of(pairs))
    assert true == pairs[:2]
    assert len(kinds) == 3
    assert not [pair for kind in kinds for pair in kind if pair in true]


def test_the_same_text_gives_the_same_classifier(corpus: list[Pair]) -> None:
    text = NumberedBitext.of(corpus[:100])
    one, other = (estimate(text, threads=n)[0].classifier for n in (1, 3))
    assert one is not None
    assert other is not None
    np.testing.assert_array_equal(one.weights, other.weights)
    np.testing.assert_array_equal(one.lengths, other.lengths)


# Scores


def junk_scores(prior: Prior, held_out: Sequence[Pair], kind: str) -> np.ndarray:
    junk = unlike(held_out, KINDS[kind](held_out, np.random.default_rng(4)))
    return scores(prior, junk)


def area(true: np.ndarray, other: np.ndarray) -> float:
    """Return how often a translation scores higher than junk."""
    return float(mannwhitneyu(true, other).statistic / (len(true) * len(other)))


@pytest.mark.parametrize("kind", KINDS)
def test_scores_tell_junk_from_translations(
    prior: Prior, corpus: list[Pair], kind: str
) -> None:
    held_out = corpus[TRAIN:]
    true, other = scores(prior, held_out), junk_scores(prior, held_out, kind)
    assert area(true, other) >= 0.98
    assert np.mean(true > 0.5) > 0.95
    assert np.mean(other > 0.5) < 0.1


def test_another_language_and_unknown_words_score_low(prior: Prior) -> None:
    pairs = [
        (["She", "is", "not", "dancing", "."], ["Elle", "ne", "danse", "pas", "."]),
        (["qzx"], ["vbn"]),
        (["qzx", "pvw", "ttr"], ["vbn", "mmm", "rrs"]),
    ]
    assert (scores(prior, pairs) < 0.2).all()


def test_scores_depend_on_the_pair_alone(prior: Prior, corpus: list[Pair]) -> None:
    pairs = [*corpus[TRAIN : TRAIN + 30], *STRANGE, ([], ["leer"]), ([], [])]
    together = scores(prior, pairs)
    assert together.tolist() == scores(prior, pairs, threads=3).tolist()
    alone = [scores(prior, [pair]).item() for pair in pairs]
    assert together.tolist() == alone
    assert alone[-2:] == [0, 0]
    links = prior.soft_links(NumberedBitext.of(pairs))
    assert links.scores is not None
    assert links.scores.tolist() == alone
    assert [pair.score for pair in prior.align(pairs)] == alone


def test_what_is_known_beside_the_text_leaves_scores_good(corpus: list[Pair]) -> None:
    """An earlier text, and entries; a classifier is of the text that came last."""
    earlier = estimate(NumberedBitext.of(corpus[: TRAIN - SAMPLE]))[0]
    text = NumberedBitext.of(corpus[TRAIN - SAMPLE : TRAIN])
    entries = NumberedBitext.of([(["king"], ["König"]), (["qzx"], ["vbn"])])
    prior = estimate(text, earlier=earlier, dictionary=entries)[0]
    assert prior.classifier is not None
    assert earlier.classifier is not None
    assert (prior.classifier.weights != earlier.classifier.weights).all()
    held_out = corpus[TRAIN:]
    true = scores(prior, held_out)
    for kind in KINDS:
        assert area(true, junk_scores(prior, held_out, kind)) >= 0.98


def test_a_short_text_goes_on_with_the_earlier_classifier(
    prior: Prior, corpus: list[Pair]
) -> None:
    some = NumberedBitext.of(corpus[TRAIN : TRAIN + SAMPLE // 10])
    assert estimate(some, earlier=prior)[0].classifier is prior.classifier
    without = replace(prior, classifier=None)
    assert estimate(some, earlier=without)[0].classifier is not None


def test_a_classifier_with_sure_coefficients_gives_0_and_1() -> None:
    weights = np.zeros((2, COLUMNS))
    weights[:, 0] = 2000
    rows = np.ones((1, 7))
    assert PairClassifier(weights, np.zeros(2)).probabilities(rows).tolist() == [1]
    assert PairClassifier(-weights, np.zeros(2)).probabilities(rows).tolist() == [0]


def test_without_pairs_of_usual_length_scores_are_those_of_links() -> None:
    long = [str(number) for number in range(LONGEST + 1)]
    prior = estimate(NumberedBitext.of([(long, long)]))[0]
    assert prior.classifier is None
    assert prior.pair_scores(NumberedBitext.of([(["1"], ["1"])])) is None
    [pair] = prior.align([(["1"], ["1"])])
    assert pair.score == pytest.approx(max(pair.scores.values()))


def test_known_words_are_counted_by_side(prior: Prior, corpus: list[Pair]) -> None:
    """The naive oracle's own premise: counts are those of the text."""
    counts = Counter(chain.from_iterable(src for src, _ in corpus[:TRAIN]))
    known = prior.spellings[0].src
    assert counts == {word: known.counts[n] for word, n in known.numbers.items()}
