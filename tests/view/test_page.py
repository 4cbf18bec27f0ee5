"""What the page is told: numbers, kinds of links, and text that stays text."""

import base64
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_models import WORDS, random_model

from aligner.extraction.aligner import WordPair, ways_of
from aligner.extraction.forced_decoding import SubwordPair
from aligner.extraction.reading import Reading, read_word_scores
from aligner.links.alignment import GoldAlignment
from aligner.nmt.checkpoint import TranslationModel
from aligner.nmt.model_meta import ModelMeta, TrainedOn
from aligner.text.subwords import BOS, TO_SRC, TO_TGT
from aligner.view.page import (
    HEATMAP_WORDS,
    Heading,
    ShownPair,
    link_kinds,
    pack,
    pair_data,
    readings,
    script_json,
    viewer_page,
)

PAIRS: list[WordPair] = [
    (WORDS[:5], WORDS[3:7]),
    (WORDS[2:3], WORDS),
    (WORDS * 2, WORDS[1:4]),
]
FIRST = Reading(1, "awi")
SHOWN_FIRST = {"forward": FIRST, "reverse": FIRST}
links = st.frozensets(st.tuples(st.integers(0, 3), st.integers(0, 3)))


def shown(pairs: list[WordPair]) -> list[ShownPair]:
    return [ShownPair(i, pair, frozenset()) for i, pair in enumerate(pairs, start=1)]


def unpacked(packed: dict[str, Any], shape: tuple[int, int]) -> np.ndarray:
    whole = np.frombuffer(base64.b64decode(packed["data"]), "<u2").reshape(shape)
    return whole * packed["max"] / 65535


@pytest.fixture(scope="module")
def model() -> TranslationModel:
    return random_model()


def with_guide(model: TranslationModel) -> TranslationModel:
    model = replace(model, meta=ModelMeta(files=TrainedOn(guide="auto")))
    return model


@pytest.mark.parametrize("direction", ["both", "forward"])
def test_matrices_are_what_the_readings_say(direction: str) -> None:
    model = with_guide(random_model(direction))
    data = pair_data(ways_of(model), shown(PAIRS), SHOWN_FIRST)
    segmented = [SubwordPair.of(pair, model.subwords) for pair in PAIRS]
    turned = [pair.turned() for pair in segmented]
    tags = {"forward": (segmented, TO_TGT), "reverse": (turned, TO_SRC)}
    if direction == "forward":
        tags = {"forward": (segmented, BOS)}
    seen = 0
    for name, (sides, tag) in tags.items():
        for choice in readings(ways_of(model)[name], FIRST):
            for score in ("weight", "norm"):
                for place, head in enumerate((None, *range(4))):
                    reading = Reading(choice.layer, choice.rows, score, head)
                    expected = read_word_scores(model.network, sides, tag, reading)
                    key = f"{name} {choice.layer} {choice.rows} {score}"
                    for pair, matrix in zip(data, expected, strict=True):
                        packed = pair["scores"][key][place]
                        found = unpacked(packed, matrix.shape)
                        step = matrix.max() / 65535
                        assert np.abs(found - matrix).max() <= 0.51 * step + 1e-6
                        seen += 1
    assert seen == sum(len(h) for pair in data for h in pair["scores"].values())


def test_all_layers_and_rows_can_be_chosen() -> None:
    plain = ways_of(random_model())["forward"]
    causal = [Reading(i, rows) for i in range(3) for rows in ("awi", "awo")]
    assert readings(plain, FIRST) == causal
    assert readings(plain, Reading(2, "full")) == [*causal, Reading(2, "full")]
    guided = ways_of(with_guide(random_model()))["reverse"]
    assert readings(guided, FIRST) == [*causal, Reading(0, "full")]
    assert readings(guided, Reading(0, "full")) == [*causal, Reading(0, "full")]


@given(links, links, links)
def test_kinds_of_links(
    found: frozenset[Any], sure: frozenset[Any], possible: frozenset[Any]
) -> None:
    gold = GoldAlignment(sure, possible)
    kinds = dict(link_kinds(found, gold))
    for s in range(4):
        for t in range(4):
            kind = kinds.get((s, t))
            if (s, t) in found and (s, t) in sure:
                assert kind == "correct"
            elif (s, t) in found and (s, t) in possible:
                assert kind == "possible"
            elif (s, t) in found:
                assert kind == "wrong"
            elif (s, t) in sure:
                assert kind == "missed"
            else:
                assert kind is None
    assert link_kinds(found) == [(link, "link") for link in sorted(found)]


def test_possible_links_that_are_not_drawn_are_known(model: TranslationModel) -> None:
    gold = GoldAlignment(frozenset({(0, 0)}), frozenset({(1, 1), (2, 2)}))
    pair = ShownPair(1, PAIRS[0], frozenset({(1, 1)}), gold)
    (data,) = pair_data(ways_of(model), [pair], SHOWN_FIRST)
    assert data["unused"] == [(2, 2)]
    assert data["links"] == [[0, 0, "missed"], [1, 1, "possible"]]
    assert data["aer"] == pytest.approx(1 - 1 / 2)


@pytest.mark.parametrize(
    "matrix",
    [[[0.0, 0.0]], [[1e-30, 0.0]], [[0.0, 7.0]], [[1.0, 1.0]]],
    ids=["zeros", "tiny", "zero and seven", "equal"],
)
def test_packing(matrix: list[list[float]]) -> None:
    given = np.array(matrix, np.float32)
    assert unpacked(pack(given), given.shape) == pytest.approx(given, rel=1e-5)


def test_pairs_without_heatmaps_say_why(model: TranslationModel) -> None:
    long = (WORDS, ["a"] * (HEATMAP_WORDS + 1))
    pairs = [
        ShownPair(1, ([], ["a"]), frozenset(), problem="the source side is empty"),
        ShownPair(2, PAIRS[0], frozenset()),
        ShownPair(3, long, frozenset({(0, 100)})),
    ]
    empty, good, too_long = pair_data(ways_of(model), pairs, SHOWN_FIRST)
    assert empty["problem"] == "the source side is empty"
    assert not empty["scores"]
    assert empty["tgt"] == ["a"]
    assert not good["problem"]
    assert good["scores"]
    assert str(HEATMAP_WORDS) in too_long["problem"]
    assert not too_long["scores"]
    assert too_long["links"] == [[0, 100, "link"]]


@given(st.lists(st.text()))
def test_json_in_a_script_cannot_end_it(words: list[str]) -> None:
    text = script_json(["</script><!--", "\u2028\u2029", *words])
    assert text.isascii()
    assert not set("<>&") & set(text)
    assert json.loads(text)[2:] == words


def test_title_and_words_are_escaped(model: TranslationModel) -> None:
    hostile = "</title><script>alert(1)</script>{{data}}&amp;\udcff"
    pair = ShownPair(1, ([hostile], ["</script>"]), frozenset())
    heading = Heading(hostile, {"source": hostile})
    page = viewer_page(heading, ways_of(model), [pair], SHOWN_FIRST)
    assert "<script>alert" not in page
    assert page.count("</script>") == 2
    assert page.count("</title>") == 1
    page.encode()
    content = page.split('id="data">')[1].split("</script>")[0]
    data = json.loads(content)
    assert data["title"] == data["about"]["source"] == hostile
    assert data["pairs"][0]["src"] == [hostile]
    assert [one["first"] for one in data["ways"].values()] == [[1, "awi"]] * 2


def test_a_long_pair_stays_small() -> None:
    pair = (WORDS * 5)[:60], (WORDS[::-1] * 5)[:60]
    ways = ways_of(random_model(decoder_layers=2))
    page = viewer_page(Heading("long", {}), ways, shown([pair]), SHOWN_FIRST)
    assert len(page) < 1_000_000
