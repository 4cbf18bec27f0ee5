"""What is measured of a translation model, against alignment as users run it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_models import WORDS, random_model

from aligner.analysis.nmt.measures import (
    SCORES,
    ModelMeasures,
    Place,
    measure_model,
)
from aligner.extraction.aligner import Aligner, WordPair, ways_of
from aligner.extraction.forced_decoding import SubwordPair
from aligner.extraction.link_rule import LinkRule
from aligner.extraction.reading import Reading
from aligner.links.alignment import GoldAlignment
from aligner.links.evaluation import score
from aligner.nmt.checkpoint import TranslationModel
from aligner.nmt.model_meta import ModelMeta, TrainedOn
from aligner.text.subwords import EOS, TO_TGT

PAIRS = [
    (WORDS[:5], WORDS[3:7]),
    (WORDS[2:], WORDS[:9]),
    (WORDS[:1], WORDS[4:6]),
    (WORDS[5:8], WORDS[5:8]),
]
GOLD = [
    GoldAlignment(frozenset({(0, 0), (1, 1)}), frozenset({(2, 2)})),
    GoldAlignment(frozenset({(3, 3), (7, 8)}), frozenset({(1, 0)})),
    GoldAlignment(frozenset({(0, 0)})),
    GoldAlignment(frozenset({(0, 0), (1, 1), (2, 2)})),
]


def measure(
    model: TranslationModel,
    direction: str = "forward",
    pairs: Sequence[WordPair | None] = PAIRS,
) -> ModelMeasures:
    return measure_model("m", ways_of(model), pairs, GOLD, direction)


def segmented(model: TranslationModel) -> list[SubwordPair]:
    return [SubwordPair.of(pair, model.subwords) for pair in PAIRS]


def measured(direction: str = "forward", **changes: object) -> ModelMeasures:
    return measure(random_model(**changes), direction)


@pytest.mark.parametrize("direction", ["forward", "reverse"])
@pytest.mark.parametrize("rows", ["awi", "awo"])
@pytest.mark.parametrize("score_name", SCORES)
def test_links_and_rates_are_those_of_an_aligner_with_this_reading(
    score_name: str, rows: str, direction: str
) -> None:
    model = random_model()
    found = measure(model, direction)
    for layer in range(3):
        for head in (None, 1, 3) if score_name in ("norm", "weight") else (None,):
            reading = Reading(layer, rows, score_name, head)
            aligner = Aligner(model, reading, LinkRule(direction))
            expected = [pair.links for pair in aligner.align(PAIRS)]
            place = Place(layer, head, rows, score_name)
            assert found.links[place] == expected
            assert found.aer[place] == 100 * score(GOLD, expected).aer


def test_arrays_hold_the_rates_of_layers_and_heads() -> None:
    found = measured()
    assert found.by_layer("awo", "resln").shape == (3,)
    assert found.by_layer("awi", "norm")[2] == found.aer[Place(2, None, "awi", "norm")]
    assert found.by_head("awi", "weight").shape == (3, 4)
    assert (
        found.by_head("awi", "weight")[1, 2] == found.aer[Place(1, 2, "awi", "weight")]
    )


@torch.no_grad()
def test_mean_norms_are_means_over_the_target_of_means_over_the_source() -> None:
    model = random_model()
    found = measure(model)
    network = model.network.double()
    layers: list[list[float]] = [[], [], []]
    heads: list[list[list[float]]] = [[], [], []]
    for pair in segmented(model):
        src = torch.tensor([[*pair.src, EOS]])
        tgt = torch.tensor([[TO_TGT, *pair.tgt]])
        memory = network.encode(src)[0]
        for layer, record in enumerate(network.records(src, tgt)):
            attention = network.decoder_layers[layer].cross_attention
            values = attention.value(memory)
            for row in record.weights[0].unbind(1)[1:]:  # (H, S) of each real token
                vectors = torch.stack(
                    [
                        row[h][:, None]
                        * (
                            values[:, 4 * h : 4 * h + 4]
                            @ attention.output.weight[:, 4 * h : 4 * h + 4].T
                        )
                        for h in range(4)
                    ]
                )  # (H, S, D)
                layers[layer].append(float(vectors.sum(0).norm(dim=-1).mean()))
                heads[layer].append(vectors.norm(dim=-1).mean(-1).tolist())
    for rows in ("awi", "awo"):
        of_layers, of_heads = found.layer_norms[rows], found.head_norms[rows]
        np.testing.assert_allclose(of_layers, np.mean(layers, axis=1), rtol=1e-5)
        np.testing.assert_allclose(of_heads, np.mean(heads, axis=1), rtol=1e-5)


def test_agreement_is_of_both_directions_links() -> None:
    forward, reverse = measured(), measured("reverse")
    assert forward.agreement == reverse.agreement
    for (layer, rows), value in forward.agreement.items():
        place = Place(layer, None, rows, "norm")
        common = total = 0
        for one, other in zip(forward.links[place], reverse.links[place], strict=True):
            common += len(one & other)
            total += len(one) + len(other)
        assert value == pytest.approx(2 * common / total)
    assert len(forward.agreement) == 6


def test_a_model_of_one_direction_has_no_agreement() -> None:
    model = random_model("forward")
    assert measure(model).agreement == {}


def test_pairs_that_cannot_be_read_count_as_unlinked() -> None:
    model = random_model()
    pairs = [*PAIRS[:2], None, *PAIRS[3:]]
    found = measure(model, pairs=pairs)
    whole = measure(model)
    place = Place(1, None, "awi", "norm")
    expected = list(whole.links[place])
    expected[2] = frozenset()
    assert found.links[place] == expected
    assert found.aer[place] == 100 * score(GOLD, expected).aer


def test_a_guided_model_is_read_with_the_whole_target_too() -> None:
    model = random_model()
    assert not model.is_guided
    assert measured().rows == ["awi", "awo"]
    model = replace(model, meta=ModelMeta(files=TrainedOn(guide="auto")))
    assert model.is_guided
    found = measure(model)
    assert found.rows == ["awi", "awo", "full"]
    aligner = Aligner(model, Reading(1, "full"), LinkRule("forward"))
    expected = [pair.links for pair in aligner.align(PAIRS)]
    assert found.links[Place(1, None, "full", "norm")] == expected
    # What is seen differs, and so do the norms, but where a target is one word.
    assert not np.allclose(found.head_norms["full"], found.head_norms["awi"])
    guided = model.config.training.guide_layer - 1
    assert {i for i, rows in found.agreement if rows == "full"} == {guided}
