"""The prior, against dictionaries and loops, by hand, and on text of known links."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from aligner.links.alignment import Alignment
from aligner.links.evaluation import score
from aligner.links.matching import geometric_mean, mean_share
from aligner.prior import agreement, estimation
from aligner.prior import prior as prior_module
from aligner.prior.agreement import DIAGONAL, NULL, AgreementModel
from aligner.prior.cooccurrence import CellBatch, gather_word_pairs
from aligner.prior.estimation import estimate_agreement
from aligner.prior.prior import Prior
from aligner.prior.soft_links import SoftLinks, TextLinks
from aligner.sample.grammar import SamplePair, sample_corpus
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
    return prior.align(NumberedBitext.of(pairs))


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
            for i, j in both[0]:
                links[src[i], tgt[j]] += both[0][i, j] * both[1][j, i]
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
    monkeypatch.setattr(estimation, "LEXICAL_ITERATIONS", iterations)
    monkeypatch.setattr(estimation, "HMM_ITERATIONS", 0)
    model = estimate_agreement(*gather_word_pairs(NumberedBitext.of(SMALL)))
    links, nulls = naive_iterations(SMALL, iterations)
    assert len(model.links) == len(links) + 1
    assert expected_links(model) == pytest.approx(links, rel=1e-3, abs=1e-5)
    for direction, words, null in (
        (model.forward, model.pairs.tgt_words, nulls[0]),
        (model.reverse, model.pairs.src_words, nulls[1]),
    ):
        found = dict(zip(words, direction.null.tolist(), strict=True))
        assert found == pytest.approx(null, rel=1e-4)
    for direction, words, side in (
        (model.forward, model.pairs.src_words, 0),
        (model.reverse, model.pairs.tgt_words, 1),
    ):
        totals: dict[str, float] = defaultdict(float)
        for pair, n in links.items():
            totals[pair[side]] += n
        found = dict(zip(words, direction.totals.tolist(), strict=True))
        assert found == pytest.approx(totals, rel=1e-3)


def expected_links(model: AgreementModel) -> Table:
    src, tgt = list(model.pairs.src_words), list(model.pairs.tgt_words)
    return {
        (src[s], tgt[t]): float(n)
        for s, t, n in zip(
            *(words[1:] for words in model.pairs.of_words()),
            model.links[1:],
            strict=True,
        )
    }


# What a sentence pair contributed itself is left out


def judged(
    pairs: list[Pair], links: Table, own: Table
) -> tuple[CellBatch, np.ndarray, np.ndarray]:
    """Return one-batch emissions, forward, with what is own left out, and not."""
    word_pairs, (batch,) = gather_word_pairs(NumberedBitext.of(pairs))
    src, tgt = list(word_pairs.src_words), list(word_pairs.tgt_words)

    def by_cell(table: Table) -> np.ndarray:
        names = zip(*word_pairs.of_words(), strict=True)
        values = [table.get((src[s], tgt[t]), 0.0) for s, t in names]
        values[0] = 0.0
        return np.array(values, np.float32)

    counts = by_cell(links)
    totals = np.bincount(word_pairs.of_words()[0], counts, len(src)).astype(np.float32)
    null = np.full(len(tgt), 0.1, np.float32)
    direction = agreement.Direction(totals, null, agreement.hmm.first_jumps())
    left_out = by_cell(own)[batch.cells]
    of_cells = counts[batch.cells]
    return (
        batch,
        direction.emissions(of_cells, batch.src, batch.tgt, left_out).words,
        direction.emissions(of_cells, batch.src, batch.tgt, None).words,
    )


def test_what_meets_once_is_no_evidence_for_itself() -> None:
    _, left_out, taken_in = judged(
        [(["rare"], ["rar"])], {("rare", "rar"): 0.9}, {("rare", "rar"): 0.9}
    )
    assert taken_in[0, 0, 0] == pytest.approx(1)
    assert left_out[0, 0, 0] <= agreement.NEVER_SEEN


def test_evidence_from_elsewhere_stays() -> None:
    """Of 3 links with A and 1 with B, the sentence's own part is 0.5 and 0.25.

    Left are 2.5 and 0.75, of 4 - 0.5 - 0.25 in all.
    """
    links = {("a", "A"): 3.0, ("a", "B"): 1.0}
    _, left_out, taken_in = judged(
        [(["a"], ["A", "B"])], links, {("a", "A"): 0.5, ("a", "B"): 0.25}
    )
    assert taken_in[0, :, 0] == pytest.approx([3 / 4, 1 / 4])
    assert left_out[0, :, 0] == pytest.approx([2.5 / 3.25, 0.75 / 3.25])


def test_the_iterations_leave_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every later iteration with word order is given what the one before counted."""
    given: list[np.ndarray] = []
    posteriors = AgreementModel.posteriors

    def watched(self: AgreementModel, batch: CellBatch, **options: object) -> object:
        given.append(np.array(options["own"]))  # as it is before it is renewed
        found = posteriors(self, batch, **options)  # type: ignore[arg-type]
        counted.append(found[0].links * found[1].links.transpose(0, 2, 1))
        return found

    counted: list[np.ndarray] = []
    monkeypatch.setattr(AgreementModel, "posteriors", watched)
    estimate_agreement(*gather_word_pairs(NumberedBitext.of(SMALL)))
    lexical, with_order = estimation.LEXICAL_ITERATIONS, estimation.HMM_ITERATIONS
    assert len(given) == lexical + with_order
    assert not any(own.any() for own in given[: lexical + 1])
    for iteration in range(lexical + 1, lexical + with_order):
        np.testing.assert_array_equal(given[iteration], counted[iteration - 1])


# Words and their beginnings, together


def test_stems_are_beginnings_in_lower_case() -> None:
    prior, _ = estimate([(["Voting", "votes"], ["ABSTIMMUNG", "ab"])] * 2)
    assert set(prior.stems.pairs.src_words) == {"voti", "vote"}
    assert set(prior.stems.pairs.tgt_words) == {"abst", "ab"}
    assert set(prior.words.pairs.tgt_words) == {"ABSTIMMUNG", "ab"}


def test_both_are_joined_by_the_mean() -> None:
    """Cell by cell, against both models on their own; NULL has the rest."""
    prior, _ = estimate([(pair.src, pair.tgt) for pair in sample_corpus(60)])
    new = [(pair.src, pair.tgt) for pair in sample_corpus(8, seed=2)]
    for pair, scores in zip(new, prior.word_scores(new), strict=True):
        stemmed = tuple([w.lower()[:4] for w in words] for words in pair)
        (words,) = prior.words.batches(NumberedBitext.of([pair]))
        (stems,) = prior.stems.batches(NumberedBitext.of([stemmed]))
        for side in (0, 1):
            one = prior.words.posteriors(words)[side].links[0]
            other = prior.stems.posteriors(stems)[side].links[0]
            for place in range(len(one)):
                row = [
                    (a + b) / 2 for a, b in zip(one[place], other[place], strict=True)
                ]
                assert scores[side][place] == pytest.approx(
                    [*row, 1 - sum(row)], abs=1e-5
                )


def test_directions_are_joined_as_asked(corpus: list[SamplePair]) -> None:
    """By either mean, place by place, from both directions' posteriors."""
    pairs = [(pair.src, pair.tgt) for pair in corpus[:60]]
    text = NumberedBitext.of(pairs)
    prior, _ = estimate(pairs)
    naive = {
        geometric_mean: lambda f, r: math.sqrt(f * r),
        mean_share: lambda f, r: (f + r) / 2,
    }
    for join, mean in naive.items():
        for found, (forward, reverse) in zip(
            prior.align(text, join), prior.word_scores(pairs), strict=True
        ):
            expected = {
                (i, j): p
                for i in range(len(reverse))
                for j in range(len(forward))
                if (p := mean(float(forward[j, i]), float(reverse[i, j]))) > 0.021
            }
            places = zip(found.src.tolist(), found.tgt.tolist(), strict=True)
            probable = dict(zip(places, found.probability.tolist(), strict=True))
            assert expected.keys() <= probable.keys()
            for link, probability in expected.items():
                assert probable[link] == pytest.approx(probability, abs=1e-4)


def test_endings_seen_once_are_learnt_from_each_other() -> None:
    """Each form of the verb occurs once, among text in which nothing else is new."""
    forms = ["parler", "parlera", "parlerait", "parleront", "parlerons"]
    pairs = [([f"n{i}", "speak"], [f"m{i}", form]) for i, form in enumerate(forms)]
    for i in range(5):
        pairs += [([f"n{i}", f"n{j}"], [f"m{i}", f"m{j}"]) for j in range(5)] * 4
    prior, links = estimate(pairs)
    for found in map(links.__getitem__, range(len(forms))):
        places = zip(found.src.tolist(), found.tgt.tolist(), strict=True)
        assert set(places) == {(0, 0), (1, 1)}
    (batch,) = prior.words.batches(NumberedBitext.of(pairs[:1]))
    by_words_alone, _ = prior.words.posteriors(batch)
    assert by_words_alone.links[0, 1, 1] < 0.1


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
        assert (found.probability > prior_module.LEAST_PROBABILITY).all()
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


def test_of_a_large_text_a_part_is_learnt_from_and_all_is_aligned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prior_module, "MAX_PAIRS", 50)
    pairs = [(pair.src, pair.tgt) for pair in sample_corpus(99)]
    prior, links = estimate(pairs)
    part, _ = estimate(pairs[::2])  # evenly spread: 50 of 99
    assert prior.words.pairs.src_words == part.words.pairs.src_words
    assert prior.stems.pairs.src_words == part.stems.pairs.src_words
    assert len(links) == 99
    assert all(len(found.src) for found in links)


def test_parts_of_a_large_text_have_the_links_of_the_whole(
    estimated: Estimated, monkeypatch: pytest.MonkeyPatch
) -> None:
    prior, _ = estimated
    pairs = [(pair.src, pair.tgt) for pair in sample_corpus(50, seed=2)]
    whole = align(prior, pairs)
    monkeypatch.setattr(prior_module, "MAX_PAIRS", 7)
    parts = align(prior, pairs)
    assert parts.ends.tolist() == whole.ends.tolist()
    for one, other in zip(parts.links, whole.links, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4)
