"""Models of others align as a pair of ways: whole words, both joined, or one alone."""

import numpy as np
import pytest
from small_marian import load_both_ways, random_pairs

from aligner.errors import ConfigError
from aligner.extraction.link_rule import LinkRule
from aligner.extraction.pair_aligner import WordPair
from aligner.extraction.pretrained_aligner import (
    Models,
    PretrainedAligner,
    cut_pairs,
)
from aligner.extraction.reading import Reading
from aligner.prior.prior import estimate_prior

READING = Reading(0, "awi")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return load_both_ways(tmp_path_factory.mktemp("marian"))


@pytest.fixture(scope="module")
def pairs() -> list[WordPair]:
    return random_pairs()


def both(reading: Reading) -> dict[str, Reading]:
    return {"forward": reading, "reverse": reading}


def test_scores_have_a_row_for_each_word(models: Models, pairs: list[WordPair]) -> None:
    aligner = PretrainedAligner(models, both(READING))
    for (src, tgt), scores in zip(pairs, aligner.word_scores(pairs), strict=True):
        assert scores.forward is not None
        assert scores.reverse is not None
        assert scores.forward.shape == (len(tgt), len(src) + 1)
        assert scores.reverse.shape == (len(src), len(tgt) + 1)


def test_each_way_is_that_of_its_model_alone(
    models: Models, pairs: list[WordPair]
) -> None:
    joined = PretrainedAligner(models, both(READING)).word_scores(pairs)
    for way, model in models.items():
        alone = PretrainedAligner({way: model}, {way: READING})
        assert alone.rule.direction == way
        for one, two in zip(alone.word_scores(pairs), joined, strict=True):
            np.testing.assert_array_equal(getattr(one, way), getattr(two, way))


def test_a_prior_is_mixed_in_by_its_weight(
    models: Models, pairs: list[WordPair]
) -> None:
    prior = estimate_prior(pairs)
    alone = PretrainedAligner(models, both(READING), prior=prior, prior_weight=1.0)
    for scores, (forward, _) in zip(
        alone.word_scores(pairs), prior.word_scores(pairs), strict=True
    ):
        assert scores.forward is not None
        total = scores.forward.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(scores.forward / total, forward, atol=1e-5)
    thresholds = PretrainedAligner(models, both(READING), prior=prior).thresholds(pairs)
    assert 0 < thresholds["recall"] <= thresholds["precise"] < 1


def test_every_pair_has_an_answer(models: Models) -> None:
    aligner = PretrainedAligner(models, both(READING), max_length=9)
    found = list(aligner.align([(["the"], ["la"]), ([], ["la"]), (["x"] * 40, ["."])]))
    assert [bool(pair.problem) for pair in found] == [False, True, True]
    assert "40" not in found[1].problem
    assert "more than 9" in found[2].problem


def test_what_a_model_has_not_is_refused(models: Models) -> None:
    for reading, expected in (
        (Reading(2, "awi"), "a layer from 1 to 2, got 3"),
        (Reading(0, "awi", head=2), "a head from 1 to 2, got 3"),
        (Reading(0, "full"), "awi or awo, got full"),
        (Reading(0, "awi", "resln"), "norm or weight, got resln"),
    ):
        with pytest.raises(ConfigError, match=expected):
            PretrainedAligner(models, both(reading))
    one = {"forward": models["forward"]}
    with pytest.raises(ConfigError, match="none for reverse"):
        PretrainedAligner(one, {"forward": READING}, LinkRule("both"))
    alone = PretrainedAligner(one, {"forward": READING})
    with pytest.raises(ConfigError, match="none for reverse"):
        alone.with_rule(LinkRule("reverse"))


def test_reverse_models_read_the_target(models: Models) -> None:
    [pair] = cut_pairs(models["reverse"], "reverse", [(["the", "house"], ["la"])])
    assert pair.size == (2, 1)
