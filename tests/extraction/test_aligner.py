"""The aligner: as many results as pairs, in their order, by every rule."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_models import WORDS, random_model, random_pairs

from aligner.errors import ConfigError, ModelError
from aligner.extraction import pair_aligner
from aligner.extraction.aligner import Aligner, WordPair, stored_reading, stored_rule
from aligner.extraction.expected_attention import joint_links
from aligner.extraction.forced_decoding import SubwordPair
from aligner.extraction.link_rule import (
    SOFT_THRESHOLD,
    LinkRule,
    PairScores,
)
from aligner.extraction.reading import Reading, read_word_scores
from aligner.links.aligned_pair import AlignedPair
from aligner.links.matching import combine
from aligner.links.symmetrization import METHODS, symmetrize
from aligner.nmt.batching import Batches, encode
from aligner.nmt.checkpoint import TranslationModel, save_recipe, save_weights
from aligner.nmt.model_meta import ChosenReading, ModelMeta, save_meta
from aligner.nmt.norms import layer_norms
from aligner.prior.prior import estimate
from aligner.prior.soft_links import TextLinks
from aligner.terms import Cover, Precision, Preset
from aligner.text.numbered import NumberedBitext
from aligner.text.subwords import BOS, TO_SRC, TO_TGT
from aligner.training.guide import Guide

RULES = [
    LinkRule("forward"),
    LinkRule("reverse"),
    *(LinkRule(symmetrize=method) for method in METHODS),
    LinkRule(symmetrize="soft", threshold=0.05),
    LinkRule(symmetrize="soft", threshold=0.05, one_to_one=True),
]
READINGS = [
    Reading(0, "awi"),
    Reading(2, "awo"),
    Reading(1, "awi", "weight"),
    Reading(1, "awo", "norm", 3),
    Reading(1, "full"),
]


def rule_name(rule: LinkRule) -> str:
    return f"{rule.direction} {rule.symmetrize} {'1:1' if rule.one_to_one else ''}"


@pytest.fixture(scope="module")
def model() -> TranslationModel:
    return random_model()


def close(one: AlignedPair, other: AlignedPair) -> bool:
    return (
        one.links == other.links
        and one.problem == other.problem
        and one.scores == pytest.approx(other.scores, rel=1e-4)
        and one.score == pytest.approx(other.score, rel=1e-4)
    )


@pytest.mark.parametrize("rule", RULES, ids=rule_name)
def test_one_result_a_pair_in_order(model: TranslationModel, rule: LinkRule) -> None:
    pairs = random_pairs(15)
    pairs[3], pairs[7], pairs[14] = (["mill"], []), ([], []), ([], ["mill"])
    aligner = Aligner(model, rule=rule)
    results = list(aligner.align(pairs))
    assert len(results) == 15
    assert [i for i, result in enumerate(results) if result.problem] == [3, 7, 14]
    for pair, result in zip(pairs, results, strict=True):
        (alone,) = aligner.align([pair])
        assert close(alone, result)
        assert result.scores.keys() == result.links
        assert 0 <= result.score <= 1
        assert all(0 <= score <= 1 for score in result.scores.values())
        for src, tgt in result.links:
            assert src in range(len(pair[0]))
            assert tgt in range(len(pair[1]))
    assert sum(len(result.links) for result in results) > 9, "rules are put to use"


@pytest.mark.parametrize("cover", ["src", "tgt", "both"])
@pytest.mark.parametrize("rule", RULES, ids=rule_name)
def test_every_word_of_a_covered_side_has_a_link(
    model: TranslationModel, rule: LinkRule, cover: Cover
) -> None:
    pairs = random_pairs(5)
    covering = dataclasses.replace(rule, cover=cover)
    plain, covered = (
        list(Aligner(model, rule=one).align(pairs)) for one in (rule, covering)
    )
    for (src, tgt), few, all_linked in zip(pairs, plain, covered, strict=True):
        assert few.links <= all_linked.links
        assert all_linked.score == few.score
        assert all_linked.scores.keys() == all_linked.links
        assert all(0 <= score <= 1 for score in all_linked.scores.values())
        if cover in ("src", "both"):
            assert {i for i, _ in all_linked.links} == set(range(len(src)))
        if cover in ("tgt", "both"):
            assert {j for _, j in all_linked.links} == set(range(len(tgt)))


def test_an_unknown_side_to_cover_is_refused() -> None:
    with pytest.raises(ConfigError, match="cover: expected one of src, tgt, both"):
        LinkRule(cover="none")  # type: ignore[arg-type]


@pytest.mark.parametrize("reading", READINGS, ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_directions_are_joined_by_the_rule(
    model: TranslationModel, reading: Reading, method: str
) -> None:
    pairs = random_pairs(6)

    def links(rule: LinkRule) -> list[frozenset[tuple[int, int]]]:
        return [pair.links for pair in Aligner(model, reading, rule).align(pairs)]

    joined = links(LinkRule(symmetrize=method))
    forward, reverse = links(LinkRule("forward")), links(LinkRule("reverse"))
    assert joined == [
        symmetrize(f, r, method) for f, r in zip(forward, reverse, strict=True)
    ]


def test_scores_come_from_either_direction(model: TranslationModel) -> None:
    """Forward reads the source and writes the target; reverse the other way round."""
    pairs = random_pairs(8)
    reading = Reading(1, "awo")
    for pair, scores in zip(
        pairs, Aligner(model, reading).word_scores(pairs), strict=True
    ):
        there = SubwordPair.of(pair, model.subwords)
        # What is the target here, as a source of its own: not by `turned`.
        src, src_words = model.subwords.encode(pair[1], "tgt")
        tgt, tgt_words = model.subwords.encode(pair[0], "src")
        back = SubwordPair(src, tgt, src_words, tgt_words)
        (forward,) = read_word_scores(model.network, [there], TO_TGT, reading)
        (reverse,) = read_word_scores(model.network, [back], TO_SRC, reading)
        assert scores.forward is not None
        assert scores.reverse is not None
        assert scores.forward.shape == (len(pair[1]), len(pair[0]) + 1)
        assert scores.reverse.shape == (len(pair[0]), len(pair[1]) + 1)
        np.testing.assert_allclose(scores.forward, forward, rtol=1e-4)
        np.testing.assert_allclose(scores.reverse, reverse, rtol=1e-4)


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_only_the_direction_asked_for_is_computed(
    model: TranslationModel, direction: str
) -> None:
    (scores,) = Aligner(model, rule=LinkRule(direction)).word_scores(random_pairs(1))
    assert (scores.forward is None) == (direction == "reverse")
    assert (scores.reverse is None) == (direction == "forward")


FORWARD = np.array([[6, 1, 1], [0, 2, 6]], np.float32)  # (2 target, 2 source + NULL)
REVERSE = np.array([[3, 1, 0], [1, 2, 1]], np.float32)  # (2 source, 2 target + NULL)


def test_scores_of_links_by_hand() -> None:
    """A link's score is its share of its row, NULL counted."""
    scores = PairScores(FORWARD, REVERSE)
    assert LinkRule("forward").links(PairScores(FORWARD, None)).scores == {(0, 0): 0.75}
    assert LinkRule("reverse").links(PairScores(None, REVERSE)).scores == {
        (0, 0): 0.75,
        (1, 1): 0.5,
    }
    # Of both: the mean of 2/8 and 2/4 at (1, 1).
    expected = {(0, 0): 0.75, (1, 1): 0.375}
    assert LinkRule(symmetrize="union").links(scores).scores == expected
    # By the power mean, what a threshold is compared with.
    found = LinkRule(mean="power", threshold=0.3).links(scores).scores
    between = ((0.25**0.75 + 0.5**0.75) / 2) ** (4 / 3)
    assert found == pytest.approx({(0, 0): 0.75, (1, 1): between})
    assert LinkRule(mean="power", threshold=between).links(scores).links == {(0, 0)}


def test_scores_of_pairs_by_hand() -> None:
    """The mean over all words of their best links, whatever links are kept."""
    both = PairScores(FORWARD, REVERSE)
    for rule in (LinkRule(), LinkRule(threshold=0.9), LinkRule(symmetrize="union")):
        found = rule.links(both).score
        assert found == (0.75 + 0.375 + 0.75 + 0.375) / 4
    # Forward alone: 6/8 and 2/8 of the target words, 6/8 and 2/8 of the source words.
    one = LinkRule("forward").links(PairScores(FORWARD, None))
    assert one.score == (0.75 + 0.25 + 0.75 + 0.25) / 4


def test_sides_that_do_not_belong_together_score_low() -> None:
    """Words that the prior knows as translations, in order and mixed up."""
    pairs = [([s], [s.upper()]) for s in WORDS for _ in range(3)]
    model = with_prior([*pairs, ([*WORDS], [w.upper() for w in WORDS])])
    right = [(WORDS[i : i + 3], [w.upper() for w in WORDS[i : i + 3]]) for i in (0, 5)]
    wrong = [(right[0][0], right[1][1]), (right[1][0], right[0][1])]
    scores = [p.score for p in Aligner(model, prior_weight=1).align([*right, *wrong])]
    assert min(scores[:2]) > 0.9
    assert max(scores[2:]) < 0.5


def test_soft_links_by_hand() -> None:
    """Harmonic means of the shares: 3/4 at (0, 0), 1/3 at (1, 1), 1/6 at (1, 0)."""
    scores = PairScores(FORWARD, REVERSE)
    assert combine(FORWARD, REVERSE)[1].tolist() == pytest.approx([1 / 6, 1 / 3])

    def links(threshold: float, one_to_one: bool = False) -> set[tuple[int, int]]:
        rule = LinkRule("both", "soft", threshold, one_to_one)
        return set(rule.links(scores).links)

    assert links(0.1) == {(0, 0), (1, 0), (1, 1)}
    assert links(0.2) == {(0, 0), (1, 1)}
    assert links(0.5) == {(0, 0)}
    assert links(0.1, one_to_one=True) == {(0, 0), (1, 1)}


def test_links_need_scores() -> None:
    with pytest.raises(ValueError, match="no scores"):
        LinkRule().links(PairScores(None, None))


def test_the_default_joins_both_directions(model: TranslationModel) -> None:
    pairs = random_pairs(5)
    for pair, scores, result in zip(
        pairs,
        Aligner(model).word_scores(pairs),
        Aligner(model).align(pairs),
        strict=True,
    ):
        assert scores.forward is not None
        assert scores.reverse is not None
        joint = combine(scores.forward, scores.reverse)
        links = set(zip(*np.nonzero(joint > SOFT_THRESHOLD), strict=True))
        assert result.links == links, pair


def test_presets_are_the_models_own_thresholds(model: TranslationModel) -> None:
    thresholds = {"precise": 0.7, "balanced": 0.4, "recall": 0.1}
    chosen_reading = ChosenReading(layer=2, rows="awi", thresholds=thresholds)
    meta = ModelMeta(alignment=chosen_reading)
    chosen = dataclasses.replace(model, meta=meta)
    for preset, threshold in thresholds.items():
        assert stored_rule(chosen, preset) == LinkRule("both", "soft", threshold)
    assert Aligner(chosen).rule.threshold == 0.4
    assert stored_rule(model) == LinkRule()
    assert stored_rule(random_model("forward")) == LinkRule("forward")


# Pairs that cannot be aligned


NO_PAIRS: list[tuple[Any, str]] = [
    (("a b", ["a"]), "source side: expected a sequence of words, got a str: 'a b'"),
    ((["a"], "a b"), "target side: expected a sequence of words, got a str: 'a b'"),
    ((["a"], None), "target side: expected a sequence of words, got a NoneType: None"),
    ((["a", 7], ["b"]), "source side: expected words, got a int: 7 among them"),
    ((["a"], [b"b"]), "target side: expected words, got a bytes: b'b' among them"),
    ((["a"], [None]), "target side: expected words, got a NoneType: None among them"),
    ((["a"],), "expected two sides, got (['a'],)"),
    ("ab", "expected two sides, got 'ab'"),
]


@pytest.mark.parametrize(("pair", "message"), NO_PAIRS, ids=lambda part: str(part)[:20])
def test_what_is_no_pair_of_words_is_named(
    model: TranslationModel, pair: Any, message: str
) -> None:
    aligner = Aligner(model, READINGS[0])
    pairs = [(["a"], ["b"]), pair]
    with pytest.raises(TypeError, match=f"^pair 2.*{re.escape(message)}"):
        list(aligner.align(pairs))
    with pytest.raises(TypeError, match=f"^pair 2.*{re.escape(message)}"):
        aligner.word_scores(pairs)


def test_words_may_come_as_any_collection(model: TranslationModel) -> None:
    aligner = Aligner(model, READINGS[0])
    (listed,) = aligner.align([(["a", "b"], ["c"])])
    (array,) = aligner.align([(np.array(["a", "b"]), ("c",))])  # type: ignore[list-item]
    assert listed == array


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_scores_that_are_no_numbers_are_an_error(precision: Precision) -> None:
    model = random_model()
    with torch.no_grad():
        model.network.decoder_layers[0].cross_attention.value.bias.fill_(3e38)
    aligner = Aligner(model, READINGS[0], precision=precision)
    with pytest.raises(ModelError, match=f"scores in {precision}: expected finite"):
        list(aligner.align([(["a"], ["b"])]))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1, -0.1, 1.1, 2])
def test_numbers_have_a_range(model: TranslationModel, number: float) -> None:
    with pytest.raises(ConfigError, match="threshold: expected a number from 0 to 1"):
        LinkRule(threshold=number)
    with pytest.raises(ConfigError, match="prior_weight: expected a number from 0"):
        Aligner(model, prior_weight=number)


@pytest.mark.parametrize("length", [0, -1, float("nan"), float("inf"), 2**64])
def test_lengths_have_a_range(model: TranslationModel, length: Any) -> None:
    with pytest.raises(ConfigError, match=r"max_length: expected a .*number"):
        Aligner(model, max_length=length)


@pytest.mark.parametrize("preset", ["precise", "recall"])
def test_a_preset_needs_a_stored_threshold(
    model: TranslationModel, preset: Preset
) -> None:
    assert stored_rule(model) == LinkRule()
    with pytest.raises(ConfigError, match=f"preset {preset}: the model stores no"):
        stored_rule(model, preset)


def test_an_empty_side_is_named(model: TranslationModel) -> None:
    results = list(Aligner(model).align([([], ["a"]), (["a"], []), ([], [])]))
    problems = [result.problem for result in results]
    assert problems == [
        "the source side is empty",
        "the target side is empty",
        "the source side is empty",
    ]
    assert all(not result.links and not result.scores for result in results)


def test_a_side_that_is_too_long_is_named(model: TranslationModel) -> None:
    aligner = Aligner(model, max_length=10)
    long, short = ["mill"] * 40, ["mill"]
    subwords = len(model.subwords.encode(long, "src")[0])
    results = list(aligner.align([(long, short), (short, short), (short, long)]))
    assert [result.problem for result in results] == [
        f"the {side} side has {subwords} subwords, more than max_length 10"
        if side
        else ""
        for side in ("source", "", "target")
    ]
    assert [len(result.links) for result in results][::2] == [0, 0]


def test_max_length_itself_is_not_too_long(model: TranslationModel) -> None:
    words = WORDS[:5]
    count = len(model.subwords.encode(words, "src")[0])
    assert count > len(words)
    assert not Aligner(model, max_length=count).problem((words, words))
    assert Aligner(model, max_length=count - 1).problem((words, words))


def test_a_word_of_any_length_is_a_pair_like_any_other(model: TranslationModel) -> None:
    pairs = [(["mil" * 17_000], ["mill"]), (["mill"], ["mill"])]
    results = list(Aligner(model).align(pairs))
    assert "more than max_length 500" in results[0].problem
    assert not results[1].problem


@pytest.mark.parametrize(
    "word", ["\u2581", "", " ", "\x00", "\u2028", "漢字", "\ud800"]
)
def test_strange_words_are_words(model: TranslationModel, word: str) -> None:
    for pair in (([word], ["mill"]), (["old", word], [word, "mill", word])):
        for rule in RULES:
            (result,) = Aligner(model, rule=rule).align([pair])
            assert not result.problem
            assert all(i < len(pair[0]) and j < len(pair[1]) for i, j in result.links)


def test_no_pairs_no_results(model: TranslationModel) -> None:
    assert list(Aligner(model).align([])) == []


def test_pairs_stream_through_in_chunks(
    model: TranslationModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more than a chunk is read ahead of what has been handed out."""
    monkeypatch.setattr(pair_aligner, "CHUNK_PAIRS", 4)
    pairs = random_pairs(11)
    pairs[5] = ([], [])
    whole = list(Aligner(model).align(pairs))
    taken = 0

    def stream() -> Iterator[WordPair]:
        nonlocal taken
        for pair in pairs:
            taken += 1
            yield pair

    for place, result in enumerate(Aligner(model).align(stream())):
        assert taken <= (place // 4 + 1) * 4
        assert close(result, whole[place])
    assert taken == 11


def test_chunks_grow_from_short_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_aligner, "FIRST_CHUNK_PAIRS", 2)
    monkeypatch.setattr(pair_aligner, "CHUNK_PAIRS", 7)
    pairs = random_pairs(25)
    found = list(pair_aligner.chunks(pairs))
    assert [len(chunk) for chunk in found] == [2, 4, 7, 7, 5]
    assert [pair for chunk in found for pair in chunk] == pairs


# What a model can and cannot do


@pytest.mark.parametrize(
    ("reading", "message"),
    [
        (Reading(3, "awi"), "expected a layer from 1 to 3, got 4"),
        (Reading(0, "awi", head=4), "expected a head from 1 to 4, got 5"),
    ],
    ids=str,
)
def test_what_the_model_lacks_cannot_be_read(
    model: TranslationModel, reading: Reading, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        Aligner(model, reading)
    assert str(caught.value) == message


@pytest.mark.parametrize("direction", ["both", "reverse"])
def test_a_forward_model_aligns_forward_only(direction: str) -> None:
    with pytest.raises(ConfigError, match=f"trained forward only.* got {direction}"):
        Aligner(random_model("forward"), rule=LinkRule(direction))


def test_a_forward_model_begins_with_bos() -> None:
    model = random_model("forward")
    pairs = random_pairs(4)
    aligner = Aligner(model)
    assert aligner.rule.direction == "forward"
    for pair, scores in zip(pairs, aligner.word_scores(pairs), strict=True):
        forced = SubwordPair.of(pair, model.subwords)
        (expected,) = read_word_scores(model.network, [forced], BOS, aligner.reading)
        np.testing.assert_allclose(scores.forward, expected, rtol=1e-4)
    assert len(list(aligner.align(pairs))) == 4


def test_separate_vocabularies_align_too() -> None:
    model = random_model(joint=False)
    results = list(Aligner(model).align(random_pairs(5)))
    assert all(not result.problem for result in results)


@pytest.mark.parametrize(
    "reading",
    [*READINGS, Reading(1, "awo", "resln", 2)],
    ids=str,
)
def test_bfloat16_gives_nearly_the_same_scores(
    model: TranslationModel, reading: Reading
) -> None:
    """Eight bits of the network's products; what is made of them is float32."""
    pairs = random_pairs(20)
    exact = Aligner(model, reading).word_scores(pairs)
    rough = Aligner(model, reading, precision="bfloat16").word_scores(pairs)
    for one, other in zip(exact, rough, strict=True):
        for a, b in zip(one, other, strict=True):
            assert a is not None
            assert b is not None
            assert b.dtype == np.float32
            np.testing.assert_allclose(b, a, rtol=0.1, atol=0.05 * a.max())
            assert not np.array_equal(a, b)


def test_the_stored_choice_is_the_default(model: TranslationModel) -> None:
    assert stored_reading(model) == Aligner(model).reading == Reading(1, "awi")
    given = Reading(0, "awo", "weight")
    assert Aligner(model, given).reading == given


def test_without_a_stored_choice_one_must_be_given(model: TranslationModel) -> None:
    unfinished = dataclasses.replace(model, meta=ModelMeta())
    with pytest.raises(ModelError, match=r"^meta\.json: expected the layer and rows"):
        Aligner(unfinished)
    Aligner(unfinished, Reading(0, "awi"))


def test_a_model_directory_aligns_as_the_model(
    model: TranslationModel, tmp_path: Path
) -> None:
    save_recipe(tmp_path, model.config, model.subwords)
    save_weights(tmp_path, model.network)
    save_meta(tmp_path, model.meta)
    pairs = random_pairs(5)
    loaded = Aligner.load(tmp_path).align(pairs)
    assert all(map(close, loaded, Aligner(model).align(pairs)))
    loaded = Aligner.load(tmp_path, precision="bfloat16").align(pairs)
    assert list(loaded) == list(Aligner(model, precision="bfloat16").align(pairs))
    with pytest.raises(ModelError, match="no such model directory"):
        Aligner.load(tmp_path / "missing")


def test_aligning_leaves_no_gradients_and_no_change(model: TranslationModel) -> None:
    before = [p.detach().clone() for p in model.network.parameters()]
    first = list(Aligner(model).align(random_pairs(3)))
    again = list(Aligner(model).align(random_pairs(3)))
    assert all(map(close, first, again))
    parameters = list(model.network.parameters())
    assert all(map(torch.equal, parameters, before))
    assert all(p.grad is None for p in parameters)


def with_prior(pairs: list[WordPair]) -> TranslationModel:
    prior, _ = estimate(NumberedBitext.of(pairs))
    return dataclasses.replace(random_model(), prior=prior)


def test_attention_and_prior_are_mixed_by_weight() -> None:
    pairs = random_pairs(8)
    model = with_prior(pairs)
    assert model.prior is not None
    alone = Aligner(model, READINGS[0], prior_weight=0).word_scores(pairs)
    prior = Aligner(model, READINGS[0], prior_weight=1).word_scores(pairs)
    mixed = Aligner(model, READINGS[0], prior_weight=0.25).word_scores(pairs)
    for attention, only, both, expected in zip(
        alone, prior, mixed, model.prior.word_scores(pairs), strict=True
    ):
        for side in (0, 1):
            a, p, m = attention[side], only[side], both[side]
            assert a is not None
            assert p is not None
            assert m is not None
            np.testing.assert_allclose(p, expected[side], rtol=1e-5)
            shares = a / a.sum(axis=1, keepdims=True)
            np.testing.assert_allclose(m, shares**0.75 * p**0.25, rtol=1e-4)


def test_any_number_of_threads_gives_the_same_links_and_scores() -> None:
    pairs = random_pairs(30)
    aligner = Aligner(with_prior(pairs), READINGS[4])
    before, found = torch.get_num_threads(), {}
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            found[threads] = list(aligner.align(pairs))
    finally:
        torch.set_num_threads(before)
    assert found[1] == found[2] == found[4]


@pytest.mark.parametrize("prior_weight", [0.0, 0.5])
def test_the_prior_scores_pairs_whatever_pairs_stand_beside(
    prior_weight: float,
) -> None:
    pairs: list[WordPair] = [*random_pairs(30), ([], ["x"])]
    model = with_prior(pairs)
    assert model.prior is not None
    aligner = Aligner(model, READINGS[0], prior_weight=prior_weight)
    expected = model.prior.pair_scores(NumberedBitext.of(pairs))
    assert expected is not None
    assert [pair.score for pair in aligner.align(pairs)] == expected.tolist()
    alone = [next(aligner.align([pair])).score for pair in pairs]
    assert alone == expected.tolist()


def test_without_a_prior_pairs_are_scored_by_their_links() -> None:
    aligner = Aligner(random_model(), READINGS[0])
    pairs = random_pairs(5)
    for pair, scores in zip(
        aligner.align(pairs), aligner.word_scores(pairs), strict=True
    ):
        assert pair == aligner.rule.links(scores)


def test_what_fails_in_the_prior_fails_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError("too much")

    pairs = random_pairs(3)
    aligner = Aligner(with_prior(pairs), READINGS[0])
    monkeypatch.setattr(type(aligner.model.prior), "word_scores", fail)
    with pytest.raises(MemoryError, match="too much"):
        list(aligner.align(pairs))


def test_without_a_prior_the_attention_is_alone() -> None:
    pairs = random_pairs(3)
    scores = Aligner(random_model(), READINGS[0]).word_scores(pairs)
    alone = Aligner(random_model(), READINGS[0], prior_weight=0).word_scores(pairs)
    for (f, r), (g, s) in zip(scores, alone, strict=True):
        np.testing.assert_array_equal(f, g)
        np.testing.assert_array_equal(r, s)


# What a prior expects, in the logits


@pytest.fixture(scope="module")
def told() -> TranslationModel:
    """Return a model whose guided layer is told what its prior expects."""
    pairs = random_pairs(40)
    prior, _ = estimate(NumberedBitext.of(pairs))
    meta = ModelMeta(
        expects_prior=True,
        alignment=ChosenReading(
            layer=1, rows="full", thresholds={"balanced": 0.3}, prior_weight=0.25,
            thresholds_alone={"balanced": 0.2},
        ),
    )  # fmt: skip
    return dataclasses.replace(random_model(), prior=prior, meta=meta)


@torch.no_grad()
def test_the_guided_layer_is_told_what_the_prior_expects(
    told: TranslationModel,
) -> None:
    """As the guide would tell it in training, each way."""
    pairs = random_pairs(12, seed=3)
    aligner = Aligner(told, prior_weight=0)
    assert told.prior is not None
    links = TextLinks.gather(
        joint_links(*scores) for scores in told.prior.word_scores(pairs)
    )
    text = NumberedBitext.of(pairs)
    guide = Guide.of(text, links, told.subwords)
    batches = Batches(encode(text, told.subwords), "both", 1000)
    for number, scores in enumerate(aligner.word_scores(pairs)):
        for example, found in ((number, scores.forward), (number + 12, scores.reverse)):
            batch = batches.load(np.array([example]))
            (record,) = told.network.records(
                batch.src, batch.tgt, count=1, whole=True,
                expected=guide.attention(np.array([example])),
            )  # fmt: skip
            pair = pairs[number] if example < 12 else pairs[number][::-1]
            cut = SubwordPair.of(pairs[number], told.subwords)
            cut = cut if example < 12 else cut.turned()
            expected = np.zeros((len(pair[1]), len(pair[0]) + 1))
            for row, t in zip(layer_norms(record)[0, 1:], cut.tgt_words, strict=True):
                for norm, s in zip(row, [*cut.src_words, len(pair[0])], strict=True):
                    expected[t, s] += float(norm) / list(cut.tgt_words).count(t)
            np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_the_company_of_a_pair_changes_nothing_of_what_is_expected(
    told: TranslationModel,
) -> None:
    pairs = random_pairs(30, seed=4)
    together = list(Aligner(told).align(pairs))
    assert any(pair.links for pair in together)
    for pair, found in zip(pairs, together, strict=True):
        (alone,) = Aligner(told).align([pair])
        assert close(alone, found)


def test_the_attention_alone_has_a_threshold_of_its_own(
    told: TranslationModel,
) -> None:
    assert Aligner(told).rule.threshold == 0.3
    assert Aligner(told, prior_weight=0).rule.threshold == 0.2
    assert Aligner(told).prior_weight == 0.25
    assert Aligner(with_prior(random_pairs(3)), READINGS[0]).prior_weight == 0.5
    assert stored_rule(told).mean == "power"
