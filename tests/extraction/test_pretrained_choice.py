"""What is chosen of others' models without gold, and the file that keeps it."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from small_encoders import save_encoder
from small_marian import load_both_ways, random_pairs

from aligner.errors import ConfigError, ModelError
from aligner.extraction.pair_aligner import WordPair
from aligner.extraction.pretrained_aligner import Models, PretrainedAligner
from aligner.extraction.pretrained_choice import (
    choose,
    choose_encoder,
    choose_readings,
)
from aligner.extraction.reading import Reading
from aligner.extraction.selection import agreement
from aligner.extraction.stored_choice import (
    check_choice,
    read_choice,
    save_choice,
    stored_encoder,
)
from aligner.links.matching import row_shares
from aligner.pretrained.word_encoder import WordEncoder
from aligner.prior.prior import estimate_prior


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return load_both_ways(tmp_path_factory.mktemp("marian"))


@pytest.fixture(scope="module")
def pairs() -> list[WordPair]:
    return random_pairs()


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
    found = chosen["forward"].reading, chosen["reverse"].reading
    assert figures[found] == max(figures.values())
    for reading in readings:
        with_all = [figures[reading, other] for other in readings]
        assert chosen["forward"].figures[reading] == max(with_all)
        with_all = [figures[other, reading] for other in readings]
        assert chosen["reverse"].figures[reading] == max(with_all)


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
    assert chosen["reverse"].figures == figures
    assert figures[chosen["reverse"].reading] == max(figures.values())


def test_what_is_given_is_not_chosen(models: Models, pairs: list[WordPair]) -> None:
    chosen = choose_readings(models, pairs, layer=1, rows="awo", score="weight")
    assert {c.reading for c in chosen.values()} == {Reading(1, "awo", "weight")}
    with pytest.raises(ConfigError, match="a layer from 1 to 2, got 3"):
        choose_readings(models, pairs, layer=2)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> WordEncoder:
    folder = tmp_path_factory.mktemp("encoder")
    return WordEncoder.load(str(save_encoder("bert", folder / "bert")))


def test_a_file_keeps_what_was_chosen(
    models: Models, pairs: list[WordPair], tmp_path: Path
) -> None:
    choice, path = choose(models, pairs), tmp_path / "choice.json"
    save_choice(path, choice)
    kept = read_choice(path)
    assert (kept.pairs, kept.ways) == (choice.pairs, choice.ways)
    check_choice(kept, models, path)
    found = {way: one.reading for way, one in choose_readings(models, pairs).items()}
    assert kept.readings == found
    aligner = PretrainedAligner(models, found)
    assert kept.thresholds == aligner.thresholds(pairs)
    assert path.stat().st_size < 10_000


def test_one_way_has_no_thresholds(models: Models, pairs: list[WordPair]) -> None:
    choice = choose({"forward": models["forward"]}, pairs)
    assert choice.thresholds == {}
    assert set(choice.ways) == {"forward"}


def test_files_of_something_else_are_refused(
    models: Models, pairs: list[WordPair], tmp_path: Path
) -> None:
    path, choice = tmp_path / "choice.json", choose(models, pairs)
    save_choice(path, choice)
    whole = json.loads(path.read_text())
    one = {"forward": models["forward"]}
    with pytest.raises(ModelError, match="for forward, got one for forward and rev"):
        check_choice(choice, one, path)
    for change, expected in (
        ({"format": "aligner-model-2"}, 'expected "format": "aligner-choice-1"'),
        ({"ways": {"forward": {"layer": 0}}}, "choice.json"),
        ({"thresholds": {"precise": 2}}, "thresholds.precise"),
    ):
        path.write_text(json.dumps(whole | change))
        with pytest.raises(ModelError, match=expected):
            read_choice(path)
    path.write_text("{")
    with pytest.raises(ModelError, match="cannot be read as JSON"):
        read_choice(path)
    whole["ways"]["reverse"]["figures"].append(
        {"layer": 3, "rows": "awi", "agreement": 0.5}
    )
    path.write_text(json.dumps(whole))
    with pytest.raises(ModelError, match=r"of 2 decoder layers, got .*, of 3"):
        check_choice(read_choice(path), models, path)
    path.write_text(json.dumps(whole | {"thresholds": {"precise": 0.5}}))
    with pytest.raises(ModelError, match="a threshold for balanced"):
        check_choice(read_choice(path), models, path)


def test_an_encoder_is_joined_as_beside_a_prior(
    models: Models, pairs: list[WordPair], encoder: WordEncoder
) -> None:
    """Shares of both to the power of 3/4, naively."""
    readings = dict.fromkeys(models, Reading(0, "awi"))
    aligner = PretrainedAligner(models, readings)
    alone = aligner.word_scores(pairs)
    aligner.encoder = choose_encoder(aligner, encoder, pairs)
    of_encoder = aligner.encoder.word_scores(pairs)
    for one, other, joined in zip(
        alone, of_encoder, aligner.word_scores(pairs), strict=True
    ):
        for scores, shares, found in zip(one, other, joined, strict=True):
            assert scores is not None
            assert found is not None
            expected = (row_shares(scores) * row_shares(shares)) ** 0.75
            np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.slow
def test_a_file_keeps_how_an_encoder_is_read(
    models: Models,
    pairs: list[WordPair],
    encoder: WordEncoder,
    tmp_path: Path,
) -> None:
    choice, path = choose(models, pairs, encoder), tmp_path / "choice.json"
    save_choice(path, choice)
    kept = read_choice(path).encoder
    assert kept is not None
    aligner = PretrainedAligner(models, choice.readings)
    expected = choose_encoder(aligner, encoder, pairs)
    found = stored_encoder(kept, encoder, path)
    for one, other in zip(found.choice, expected.choice, strict=True):
        np.testing.assert_array_equal(one, other)
    another = WordEncoder.load(str(save_encoder("roberta", tmp_path / "other")))
    with pytest.raises(ModelError, match=r"encoder that .*choice.json was made"):
        stored_encoder(kept, another, path)
    one = {"forward": models["forward"]}
    with pytest.raises(ConfigError, match="models of both ways"):
        choose(one, pairs, encoder)
