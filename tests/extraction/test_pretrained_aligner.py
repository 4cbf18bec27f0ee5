"""Models of others align as a pair of ways: whole words, both joined, or one alone."""

from itertools import product

import numpy as np
import pytest
from small_marian import WORDS, save_marian

from aligner.errors import ConfigError
from aligner.extraction.link_rule import LinkRule
from aligner.extraction.pair_aligner import WordPair
from aligner.extraction.pretrained_aligner import (
    Models,
    PretrainedAligner,
    choose_readings,
    cut_pairs,
)
from aligner.extraction.reading import Reading
from aligner.extraction.selection import agreement
from aligner.pretrained.marian import load_marian
from aligner.prior.prior import estimate_prior

READING = Reading(0, "awi")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("marian")
    there = load_marian(save_marian(folder / "there"))
    back = load_marian(save_marian(folder / "back", seed_shift=0.3))
    return {"forward": there, "reverse": back}


@pytest.fixture(scope="module")
def pairs() -> list[WordPair]:
    random = np.random.default_rng(2)
    sizes = random.integers(1, 6, (12, 2)).tolist()
    return [
        (random.choice(WORDS, s).tolist(), random.choice(WORDS, t).tolist())
        for s, t in sizes
    ]


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


def test_the_readings_are_those_that_agree_best(
    models: Models, pairs: list[WordPair]
) -> None:
    chosen = choose_readings(models, pairs)
    readings = [Reading(layer, rows) for layer in (0, 1) for rows in ("awi", "awo")]
    links = {
        (way, reading): [
            pair.links
            for pair in PretrainedAligner(
                {way: models[way]}, {way: reading}, precision="float32"
            ).align(pairs)
        ]
        for way in models
        for reading in readings
    }
    figures = {
        (one, two): agreement(links["forward", one], links["reverse", two])
        for one, two in product(readings, readings)
    }
    found = chosen["forward"], chosen["reverse"]
    assert figures[found] == max(figures.values())


def test_one_model_is_read_as_a_prior_has_it(
    models: Models, pairs: list[WordPair]
) -> None:
    expected = [pair.links for pair in estimate_prior(pairs).align(pairs)]
    chosen = choose_readings({"reverse": models["reverse"]}, pairs)
    figures = {}
    for layer, rows in product((0, 1), ("awi", "awo")):
        reading = Reading(layer, rows)
        alone = PretrainedAligner(
            {"reverse": models["reverse"]}, {"reverse": reading}, precision="float32"
        )
        found = [pair.links for pair in alone.align(pairs)]
        figures[reading] = agreement(found, expected)
    assert figures[chosen["reverse"]] == max(figures.values())


def test_what_is_given_is_not_chosen(models: Models, pairs: list[WordPair]) -> None:
    chosen = choose_readings(models, pairs, layer=1, rows="awo", score="weight")
    assert chosen == both(Reading(1, "awo", "weight"))
    with pytest.raises(ConfigError, match="a layer from 1 to 2, got 3"):
        choose_readings(models, pairs, layer=2)


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
    chosen = PretrainedAligner(models, both(READING), prior=prior).with_threshold(pairs)
    assert 0 < chosen.rule.threshold < 1


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


def test_reverse_models_read_the_target(models: Models) -> None:
    [pair] = cut_pairs(models["reverse"], "reverse", [(["the", "house"], ["la"])])
    assert pair.size == (2, 1)
