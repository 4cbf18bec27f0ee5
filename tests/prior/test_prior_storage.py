"""A prior comes back from its file as it was, but for what hardly ever counts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from aligner.errors import CorpusError, ModelError
from aligner.prior.prior import Prior, estimate
from aligner.prior.storage import PRIOR, load_prior, save_prior
from aligner.sample.grammar import sample_corpus
from aligner.text.numbered import NumberedBitext


@pytest.fixture(scope="module")
def prior() -> Prior:
    return estimate(
        NumberedBitext.of((pair.src, pair.tgt) for pair in sample_corpus(300))
    )[0]


def test_a_prior_aligns_the_same_after_a_round_trip(
    prior: Prior, tmp_path: Path
) -> None:
    save_prior(tmp_path, prior)
    loaded = load_prior(tmp_path)
    for after, before in zip(loaded.spellings, prior.spellings, strict=True):
        assert after.letters == before.letters
        assert after.src.numbers == before.src.numbers
        assert after.tgt.numbers == before.tgt.numbers
        assert len(after.keys) < len(before.keys)  # of the likely
    new = [(pair.src, pair.tgt) for pair in sample_corpus(20, seed=2)]
    for found, again in zip(
        prior.word_scores(new), loaded.word_scores(new), strict=True
    ):
        for one, other in zip(found, again, strict=True):
            np.testing.assert_allclose(one, other, atol=0.02)
    text = NumberedBitext.of(new)
    for one, other in zip(
        prior.pair_scores(text), loaded.pair_scores(text), strict=True
    ):
        assert one == pytest.approx(other, abs=0.02)


@pytest.mark.parametrize("lowercase", [False, True])
def test_a_prior_in_lower_case_reads_all_words_so(
    prior: Prior, tmp_path: Path, lowercase: bool
) -> None:
    """Before and after a round trip, whatever it is asked."""
    text = NumberedBitext.of((pair.src, pair.tgt) for pair in sample_corpus(300))
    lower, _ = estimate(text.renamed(str.lower))
    kept = replace(lower, lowercase=lowercase)
    save_prior(tmp_path, kept)
    pairs = [(pair.src, pair.tgt) for pair in sample_corpus(20, seed=2)]
    titled = [
        ([word.capitalize() for word in src], [word.capitalize() for word in tgt])
        for src, tgt in pairs
    ]
    for one in (kept, load_prior(tmp_path)):
        assert one.lowercase == lowercase
        found = [list(one.align(said)) for said in (pairs, titled)]
        assert (found[0] == found[1]) == lowercase
        scores = [one.word_scores(said) for said in (pairs, titled)]
        same = all(
            np.array_equal(part, other)
            for pair, others in zip(*scores, strict=True)
            for part, other in zip(pair, others, strict=True)
        )
        assert same == lowercase


def test_a_prior_without_a_classifier_scores_as_it_did(
    prior: Prior, tmp_path: Path
) -> None:
    """As earlier versions kept it: the mean of what each word's best link scores."""
    save_prior(tmp_path, prior)
    arrays = load_file(tmp_path / PRIOR)
    del arrays["junk"], arrays["lengths"]
    save_file(arrays, tmp_path / PRIOR)
    earlier, pair = load_prior(tmp_path), sample_corpus(1, seed=2)[0]
    assert earlier.classifier is None
    [aligned] = earlier.align([(pair.src, pair.tgt)], "recall")
    [(forward, reverse)] = earlier.word_scores([(pair.src, pair.tgt)])
    mean = ((forward[:, :-1] ** 0.75 + reverse[:, :-1].T ** 0.75) / 2) ** (4 / 3)
    best = np.concatenate([mean.max(axis=0), mean.max(axis=1)])
    assert aligned.score == pytest.approx(best.mean(), abs=1e-3)


def test_a_prior_of_an_earlier_version_is_refused(prior: Prior, tmp_path: Path) -> None:
    path = tmp_path / PRIOR
    save_file({"words.links": np.ones(3), "stems.links": np.ones(3)}, path)
    with pytest.raises(ModelError, match=f"{path}: .* earlier version; train"):
        load_prior(tmp_path)


def test_parts_that_do_not_fit_are_refused(prior: Prior, tmp_path: Path) -> None:
    path = tmp_path / PRIOR
    for name in (
        "0.src.totals",
        "4.tgt.counts",
        "3.links",
        "tgt.by_null",
        "jumps",
        "lengths",
    ):
        save_prior(tmp_path, prior)
        arrays = load_file(path)
        arrays[name] = arrays[name][:-1]
        save_file(arrays, path)
        with pytest.raises(ModelError, match=f"{path}: .* its parts do not fit"):
            load_prior(tmp_path)


def test_word_scores_are_distributions_with_null_last(prior: Prior) -> None:
    pairs = [(["the", "king"], ["der", "König", "."]), (["Zzz"], ["Zzz", "Yyy"])]
    for (src, tgt), (forward, reverse) in zip(
        pairs, prior.word_scores(pairs), strict=True
    ):
        assert forward.shape == (len(tgt), len(src) + 1)
        assert reverse.shape == (len(src), len(tgt) + 1)
        np.testing.assert_allclose(forward.sum(axis=1), 1, atol=1e-4)
        np.testing.assert_allclose(reverse.sum(axis=1), 1, atol=1e-4)


def test_words_of_any_characters_come_back(tmp_path: Path) -> None:
    words = ["\u2028", "a\u0085b", "\x0c", "\ud800", "▁"]
    save_prior(tmp_path, estimate(NumberedBitext.of([(words, words)]))[0])
    assert list(load_prior(tmp_path).spellings[0].src.numbers) == words


def test_words_with_line_feeds_are_refused(tmp_path: Path) -> None:
    prior, _ = estimate(NumberedBitext.of([(["a", "b\nc"], ["x"])]))
    with pytest.raises(CorpusError, match=r"without line feeds, got 'b\\nc'"):
        save_prior(tmp_path, prior)
    assert not list(tmp_path.iterdir())


def test_what_is_no_number_is_named(prior: Prior, tmp_path: Path) -> None:
    path = tmp_path / PRIOR
    save_prior(tmp_path, prior)
    arrays = load_file(path)
    arrays["4.links"][5] = np.nan
    save_file(arrays, path)
    with pytest.raises(ModelError, match=f"{path}: 4.links: expected finite"):
        load_prior(tmp_path)


def test_a_damaged_or_foreign_file_is_named(prior: Prior, tmp_path: Path) -> None:
    path = tmp_path / PRIOR
    save_prior(tmp_path, prior)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ModelError, match=f"{path}: not a whole safetensors file"):
        load_prior(tmp_path)
    save_file({"weights": np.zeros(3)}, path)
    with pytest.raises(ModelError, match=f"{path}: expected a prior"):
        load_prior(tmp_path)


def test_a_directory_without_a_prior_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"{tmp_path}: .* {PRIOR} is missing"):
        load_prior(tmp_path)
