"""Which layer and rows to read: hand-worked, naive, and on a task with one answer."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_models import random_model, random_pairs

from aligner.extraction import forced_decoding
from aligner.extraction.aligner import WordPair
from aligner.extraction.forced_decoding import SubwordPair
from aligner.extraction.link_rule import SOFT_THRESHOLD
from aligner.extraction.reading import Reading, read_word_scores
from aligner.extraction.selection import (
    ReadingChoice,
    agreement,
    choose_by_agreement,
    choose_by_norm,
    choose_threshold,
    threshold_like,
)
from aligner.links.alignment import Alignment
from aligner.links.matching import forward_links, joint_scores, reverse_links
from aligner.nmt.checkpoint import TranslationModel
from aligner.nmt.norms import layer_norms
from aligner.text.subwords import BOS, EOS, TO_SRC, TO_TGT


def segmented(model: TranslationModel, pairs: list[WordPair]) -> list[SubwordPair]:
    return [SubwordPair.of(pair, model.subwords) for pair in pairs]


def test_agreement_by_hand() -> None:
    """Common 1 + 0, of 2 + 2 links in the first pair and 1 + 0 in the second."""
    forward = [frozenset({(0, 0), (1, 1)}), frozenset({(0, 0)})]
    reverse = [frozenset({(0, 0), (1, 2)}), frozenset()]
    assert agreement(forward, reverse) == 2 * 1 / 5
    assert agreement(forward, forward) == 1
    assert agreement(forward[:1], [frozenset({(5, 5)})]) == 0


def test_without_links_there_is_no_agreement() -> None:
    assert agreement([], []) == 0
    assert agreement([frozenset()], [frozenset()]) == 0


def test_agreement_needs_corresponding_alignments() -> None:
    with pytest.raises(ValueError, match="shorter"):
        agreement([frozenset(), frozenset()], [frozenset()])


links = st.frozensets(st.tuples(st.integers(0, 3), st.integers(0, 3)))


@given(st.lists(st.tuples(links, links)))
def test_agreement_is_symmetric_and_a_share(
    pairs: list[tuple[Alignment, Alignment]],
) -> None:
    one, other = [a for a, _ in pairs], [b for _, b in pairs]
    assert 0 <= agreement(one, other) == agreement(other, one) <= 1


def test_the_choice_is_the_reading_that_agrees_best() -> None:
    """Each reading by itself, one pair at a time, through the public scores."""
    model = random_model()
    pairs = segmented(model, random_pairs(12))
    figures = {}
    for layer in range(3):
        for rows in ("awi", "awo", "full"):
            if rows == "full" and layer != 1:
                continue
            reading = Reading(layer, rows)
            forward, reverse = [], []
            for pair in pairs:
                network = model.network
                (scores,) = read_word_scores(network, [pair], TO_TGT, reading)
                forward.append(forward_links(scores))
                (scores,) = read_word_scores(network, [pair.turned()], TO_SRC, reading)
                reverse.append(reverse_links(scores))
            figures[reading] = agreement(forward, reverse)
    choice = choose_by_agreement(model.network, pairs, guided_layer=1)
    assert choice.figures == pytest.approx(figures)
    causal = choose_by_agreement(model.network, pairs).figures
    assert figures.keys() - causal.keys() == {Reading(1, "full")}
    assert choice.reading == max(figures, key=lambda reading: figures[reading])
    assert len(set(figures.values())) > 3, "the test would see a mix-up"


def random_scores(seed: int, pairs: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return word scores of sentence pairs of all kinds, some words unlinked."""
    random = np.random.default_rng(seed)
    scores = []
    for _ in range(pairs):
        src, tgt = random.integers(1, 5, 2)
        forward = random.gamma(0.3, size=(tgt, src + 1)) + 1e-9
        reverse = random.gamma(0.3, size=(src, tgt + 1)) + 1e-9
        scores.append((forward, reverse))
    return scores


def naive_expectation(
    pairs: list[tuple[np.ndarray, np.ndarray]], threshold: float, beta: float
) -> float:
    """Return the F that the links above a threshold are expected to have."""
    kept = right = there = 0.0
    for forward, reverse in pairs:
        for s in range(len(reverse)):
            for t in range(len(forward)):
                one = forward[t, s] / forward[t].sum()
                other = reverse[s, t] / reverse[s].sum()
                there += (one + other) / 2
                if 2 * one * other / (one + other) > threshold:
                    kept += 1
                    right += (one + other) / 2
    if not kept:
        return 0.0
    precision, recall = right / kept, right / there
    return (1 + beta**2) * precision * recall / (beta**2 * precision + recall)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_the_threshold_has_the_highest_expected_f(seed: int, beta: float) -> None:
    """Against trying a fine grid of thresholds, one after the other."""
    pairs = random_scores(seed, pairs=12)
    chosen = choose_threshold(pairs, beta)
    best = max(naive_expectation(pairs, t, beta) for t in np.linspace(0, 0.99, 199))
    assert naive_expectation(pairs, chosen, beta) >= best - 1e-3
    assert 0 <= chosen < 1  # 0: all that have any score are worth keeping


def test_more_recall_is_a_lower_threshold() -> None:
    """One word a side: F(t) = (1 - t²) / (3/2 - t) if all scores are as likely."""
    pairs = [
        (np.array([[share, 1 - share]]), np.array([[share, 1 - share]]))
        for share in np.linspace(0, 1, 101)
    ]
    precise, balanced, recall = (
        choose_threshold(pairs, beta) for beta in (0.5, 1.0, 2.0)
    )
    assert precise > balanced > recall
    # It is highest where t² - 3t + 1 = 0.
    assert balanced == pytest.approx((3 - 5**0.5) / 2, abs=0.02)


def test_without_scores_the_threshold_is_the_usual_one() -> None:
    nothing = (np.zeros((2, 4)), np.zeros((3, 3)))
    assert choose_threshold([nothing], 1.0) == SOFT_THRESHOLD
    assert choose_threshold([], 1.0) == SOFT_THRESHOLD


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.9])
def test_as_many_links_are_kept_as_by_the_prior(seed: int, threshold: float) -> None:
    pairs = random_scores(seed, pairs=12)
    # The same sentences, other scores.
    rng = np.random.default_rng(seed)
    others = [tuple(rng.random(one.shape) for one in both) for both in pairs]
    kept = 0
    for forward, reverse in others:
        for t, s in np.ndindex(len(forward), len(reverse)):
            one = forward[t, s] / forward[t].sum()
            other = reverse[s, t] / reverse[s].sum()
            kept += ((one**0.75 + other**0.75) / 2) ** (4 / 3) > threshold
    found = threshold_like(pairs, others, threshold)
    joint = [joint_scores(*both) for both in pairs]
    count = sum(int((one > found).sum()) for one in joint)
    assert abs(count - max(kept, 1)) <= 1  # of two equal scores, one may be too many


def test_like_a_prior_without_sentences_is_its_own_threshold() -> None:
    assert threshold_like([], [], 0.4) == 0.4


@torch.no_grad()
def naive_mean_norms(model: TranslationModel, pairs: list[WordPair]) -> list[float]:
    """Mean over all target subwords of their mean norm over source subwords."""
    means: list[list[float]] = [[], [], []]
    for src, tgt in pairs:
        src_ids = [*model.subwords.encode(src, "src")[0].tolist(), EOS]
        tgt_ids = [BOS, *model.subwords.encode(tgt, "tgt")[0].tolist()]
        records = model.network.records(
            torch.tensor([src_ids]), torch.tensor([tgt_ids])
        )
        for layer, record in enumerate(records):
            means[layer] += layer_norms(record)[0, 1:].mean(-1).tolist()
    return [float(np.mean(layer)) for layer in means]


@pytest.mark.parametrize("batch_tokens", [1, 4096])
def test_a_forward_model_takes_the_layer_of_the_highest_norm(
    batch_tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = random_model("forward")
    with torch.no_grad():
        model.network.decoder_layers[1].cross_attention.output.weight.mul_(3)
    monkeypatch.setattr(forced_decoding, "BATCH_TOKENS", batch_tokens)
    pairs = random_pairs(12)
    choice = choose_by_norm(model.network, segmented(model, pairs))
    assert choice.reading == Reading(1, "awi")
    found = [choice.figures[Reading(layer, "awi")] for layer in range(3)]
    assert found == pytest.approx(naive_mean_norms(model, pairs), rel=1e-4)


def test_the_choice_as_a_model_stores_it() -> None:
    figures = {Reading(0, "awi"): 0.25, Reading(1, "awo"): 1 / 3}
    stored = ReadingChoice(Reading(1, "awo"), "agreement", figures).to_meta(
        {"recall": 0.2}, {"recall": 0.1}, 0.25
    )
    assert stored.model_dump() == {
        "layer": 2,
        "rows": "awo",
        "criterion": "agreement",
        "figures": [
            {"layer": 1, "rows": "awi", "value": 0.25},
            {"layer": 2, "rows": "awo", "value": 0.3333},
        ],
        "thresholds": {"recall": 0.2},
        "prior_weight": 0.25,
        "thresholds_alone": {"recall": 0.1},
    }
