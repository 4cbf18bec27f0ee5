"""Attention to kinds of tokens, against a naive float64 form."""

import numpy as np
import pytest
import torch
from scipy import stats
from small_models import WORDS, random_model
from sublayer_oracle import naive_sublayers

from aligner.analysis.nmt.tokens import (
    ATTENTIONS,
    TokenMeasures,
    is_punctuation,
    measure_tokens,
)
from aligner.extraction.aligner import ways_of
from aligner.extraction.forced_decoding import SubwordPair
from aligner.nmt.checkpoint import TranslationModel
from aligner.nmt.sublayers import Attention
from aligner.text.subwords import EOS, TO_TGT

PAIRS = [
    ([*WORDS[:3], ",", "!?"], [*WORDS[3:7], "."]),
    (WORDS[2:], WORDS[:9]),
    (["."], [",", *WORDS[4:6]]),
]
# The group of each word by hand: 1 is punctuation, 2 is other.
SRC_GROUPS = [[2, 2, 2, 1, 1], [2] * len(WORDS[2:]), [1]]
TGT_GROUPS = [[2, 2, 2, 2, 1], [2] * 9, [1, 2, 2]]


@pytest.fixture(scope="module")
def model() -> TranslationModel:
    return random_model()


@pytest.fixture(scope="module")
def found(model: TranslationModel) -> TokenMeasures:
    return measure_tokens("m", ways_of(model)["forward"], PAIRS)


@pytest.mark.parametrize("attention", ATTENTIONS)
@torch.no_grad()
def test_groups_are_sums_over_keys_and_means_over_queries(
    found: TokenMeasures, attention: Attention
) -> None:
    model = random_model()  # the oracle turns it to float64
    groups = found.groups[attention]
    for index, pair in enumerate(PAIRS):
        one = SubwordPair.of(pair, model.subwords)
        src, tgt = torch.tensor([[*one.src, EOS]]), torch.tensor([[TO_TGT, *one.tgt]])
        if attention == "decoder":
            of_keys = [0, *(TGT_GROUPS[index][w] for w in one.tgt_words)]
        else:
            of_keys = [*(SRC_GROUPS[index][w] for w in one.src_words), 0]
        for layer, naive in enumerate(
            naive_sublayers(model.network, src, tgt, attention)
        ):
            lengths = naive.vectors[0].norm(dim=-1)  # (H, T, S), ‖αf‖
            for group in range(3):
                keys = [j for j, g in enumerate(of_keys) if g == group]
                assert groups.counts[index, group] == len(keys)
                expected = lengths[:, :, keys].sum(-1).mean(-1)
                got = groups.weighted_norms[index, layer, :, group]
                np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


def test_weights_of_the_groups_add_up_to_one(found: TokenMeasures) -> None:
    for groups in found.groups.values():
        np.testing.assert_allclose(groups.weights.sum(-1), 1, rtol=1e-5)
        np.testing.assert_allclose(groups.means()[..., 0].sum(-1), 1, rtol=1e-5)


def test_norms_are_means_over_the_tokens_of_a_group(found: TokenMeasures) -> None:
    """α f = α ‖f‖, so a group of one token has the quotient of both sums."""
    groups = found.groups["cross"]
    quotient = groups.weighted_norms[..., 0] / groups.weights[..., 0]
    np.testing.assert_allclose(groups.norms[..., 0], quotient, rtol=1e-5)
    # A sequence without the group is left out of the mean.
    (there,) = np.nonzero(groups.counts[:, 2])
    assert there.tolist() == [0, 1]
    expected = groups.norms[there, ..., 2].mean(0)
    np.testing.assert_allclose(groups.means()[..., 2, 2], expected)


def test_correlations_are_over_layers_heads_and_sequences(found: TokenMeasures) -> None:
    groups = found.groups["cross"]
    weights, norms = groups.points(1)
    assert len(weights) == 2 * 3 * 4  # two sentences have punctuation
    assert groups.correlation(1) == pytest.approx(stats.spearmanr(weights, norms)[0])


def test_tokens_are_all_source_subwords_with_their_means(
    found: TokenMeasures, model: TranslationModel
) -> None:
    segmented = [SubwordPair.of(pair, model.subwords) for pair in PAIRS]
    assert found.tokens.tolist() == [i for pair in segmented for i in pair.src]
    groups, first = found.groups["cross"], len(segmented[0].src)
    # What the tokens of a sentence get, and what EOS gets, is all there is.
    received = found.token_weights[:first].sum() + groups.weights[0, ..., 0].mean()
    assert received == pytest.approx(1)
    of_all = groups.counts[0, 1:] @ groups.norms[0].mean((0, 1))[1:]
    assert found.token_norms[:first].sum() == pytest.approx(of_all)


def test_a_kind_without_tokens_is_absent(model: TranslationModel) -> None:
    pairs = [(WORDS[:3], WORDS[2:4])]
    found = measure_tokens("m", ways_of(model)["forward"], pairs)
    for groups in found.groups.values():
        assert groups.absent == ["punctuation"]
        assert groups.present == [0, 2]
        assert np.isfinite(groups.means()).all()


@pytest.mark.parametrize("word", [".", "...", "«", "$", "،", "-", "。"])
def test_punctuation_is_a_word_without_letters_or_digits(word: str) -> None:
    assert is_punctuation(word)


@pytest.mark.parametrize("word", ["a", "'s", "3.5", "B."])
def test_other_words_may_have_punctuation_in_them(word: str) -> None:
    assert not is_punctuation(word)
