"""Likeness of words and its softmax, against loops; what is chosen without gold."""

from pathlib import Path

import numpy as np
import pytest
from small_encoders import save_encoder

from aligner.errors import CorpusError, ModelError
from aligner.links.matching import joint_scores, row_shares
from aligner.pretrained.encoder_evidence import (
    Choice,
    EncoderEvidence,
    _fit,
    _softmax,
)
from aligner.pretrained.prior_with_encoder import (
    PriorWithEncoder,
    _parts,
    sample_of,
)
from aligner.pretrained.storage import ENCODER
from aligner.pretrained.word_encoder import WordEncoder
from aligner.prior.prior import Prior, estimate_prior
from aligner.prior.storage import save_prior
from aligner.text.numbered import NumberedBitext

pytestmark = pytest.mark.slow

PAIRS = [
    (["the", "houses", "is", "small"], ["a", "tree", "said"]),
    (["said"], ["he", ".", "houses"]),
    (["small", "trees"], ["the", "trees"]),
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder("bert", tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def prior() -> Prior:
    return estimate_prior(PAIRS * 20)


def load(directory: Path) -> WordEncoder:
    return WordEncoder.load(str(directory), precision="float32")


def naive_likeness(
    encoder: WordEncoder, layer: int, means: np.ndarray, pair: tuple[list[str], ...]
) -> np.ndarray:
    """Return (T, S) the largest cosine of two words' pieces, less the means."""
    sides = []
    for side, words in enumerate(pair):
        [vectors] = encoder.vectors([words], [layer])
        ends = [*vectors.starts[1:], vectors.layers.shape[1]]
        sides.append(
            [
                [vector - means[side] for vector in vectors.layers[0, start:end]]
                for start, end in zip(vectors.starts, ends, strict=True)
            ]
        )

    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / np.sqrt((a @ a) * (b @ b)))

    src, tgt = sides
    return np.array(
        [[max(cosine(a, b) for a in s for b in t) for s in src] for t in tgt]
    )


def test_word_scores_are_those_of_the_loops(directory: Path) -> None:
    rng = np.random.default_rng(1)
    means = rng.normal(size=(2, 24)).astype(np.float32)
    evidence = EncoderEvidence(load(directory), Choice(2, 5.0, 0.3, means))
    scores = evidence.word_scores(PAIRS)
    for pair, (forward, reverse) in zip(PAIRS, scores, strict=True):
        likeness = naive_likeness(load(directory), 2, means, pair)
        for found, rows in ((forward, likeness), (reverse, likeness.T)):
            for row, expected in zip(found, rows, strict=True):
                raised = np.exp(5.0 * np.array([*expected, 0.3]))
                np.testing.assert_allclose(row, raised / raised.sum(), rtol=1e-4)


@pytest.mark.parametrize(("sharpness", "null"), [(3.0, 0.2), (20.0, 0.5), (8.0, -0.3)])
def test_the_softmax_is_the_one_that_links_come_from(
    sharpness: float, null: float
) -> None:
    rng = np.random.default_rng(2)
    likeness = [
        rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
        for rows, columns in rng.integers(1, 9, (300, 2)).tolist()
    ]
    links = [
        (_softmax(one, sharpness, null), _softmax(one.T, sharpness, null))
        for one in likeness
    ]
    fit = _fit(likeness, links)
    assert fit.sharpness == pytest.approx(sharpness, rel=0.01)
    assert fit.null == pytest.approx(null, abs=0.01)
    # Noise explains nothing: the softmax is flat.
    noise = [rng.uniform(-1, 1, one.shape).astype(np.float32) for one in likeness]
    other = _fit(noise, links)
    assert other.sharpness < 0.2 * sharpness
    assert other.loss > fit.loss


def means_of(
    directory: Path, pairs: list[tuple[list[str], list[str]]], layer: int
) -> np.ndarray:
    """Return (2, D) the mean of all pieces of either side."""
    encoder = load(directory)
    sides = (
        encoder.vectors([pair[side] for pair in pairs], [layer]) for side in (0, 1)
    )
    return np.stack(
        [np.concatenate([v.layers[0] for v in side]).mean(axis=0) for side in sides]
    )


def test_the_layer_is_the_one_that_links_come_from(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aligner.pretrained.encoder_evidence.MEAN_EVERY", 1)
    rng = np.random.default_rng(3)
    words = ["the", "houses", "is", "small", "tree", "said", "he", ",", "."]
    pairs = [
        (list(rng.permutation(words)[:6]), list(rng.permutation(words)[:5]))
        for _ in range(60)
    ]
    for layer in (1, 2):
        means = means_of(directory, pairs, layer)
        source = EncoderEvidence(load(directory), Choice(layer, 15.0, 0.4, means))
        links = source.word_scores(pairs)
        chosen, scores = EncoderEvidence.choose(load(directory), pairs, links)
        assert chosen.choice.layer == layer
        assert chosen.choice.sharpness == pytest.approx(15.0, rel=0.02)
        assert chosen.choice.null == pytest.approx(0.4, abs=0.02)
        for mine, theirs in zip(scores, chosen.word_scores(pairs), strict=True):
            np.testing.assert_allclose(mine[0], theirs[0], atol=1e-5)
            np.testing.assert_allclose(mine[1], theirs[1], atol=1e-5)


def test_both_are_mixed_row_by_row(directory: Path, prior: Prior) -> None:
    both = PriorWithEncoder.choose(prior, load(directory), PAIRS * 20)
    of_encoder = both.evidence.word_scores(PAIRS)
    mixture = both.word_scores(PAIRS)
    for one, other, mixed in zip(
        prior.word_scores(PAIRS), of_encoder, mixture, strict=True
    ):
        for direction in (0, 1):
            product = (one[direction] * other[direction]) ** 0.75
            np.testing.assert_allclose(
                row_shares(mixed[direction]), row_shares(product), atol=1e-5
            )
    pairs = [PAIRS[0], ([], ["a"]), PAIRS[1], (["a"], [])]
    found = list(both.align(pairs, "recall"))
    assert [bool(pair.problem) for pair in found] == [False, True, False, True]
    probable = joint_scores(*mixture[0])
    expected = {
        (int(i), int(j)) for i, j in np.argwhere(probable > both.threshold("recall"))
    }
    assert found[0].links == expected


def test_a_part_at_a_time_gives_the_same(
    directory: Path, prior: Prior, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = PriorWithEncoder.choose(prior, load(directory), PAIRS * 20)
    text = NumberedBitext.of(PAIRS * 3)
    told: list[tuple[int, int]] = []
    whole = both.soft_links(text)
    monkeypatch.setattr("aligner.pretrained.prior_with_encoder.PART", 2)
    parts = both.soft_links(text, on_pairs=lambda *done: told.append(done))
    assert told == [(2, 9), (4, 9), (6, 9), (8, 9), (9, 9)]
    for one, other in zip(whole, parts, strict=True):
        assert one.src.tolist() == other.src.tolist()
        assert one.tgt.tolist() == other.tgt.tolist()
        np.testing.assert_allclose(one.probability, other.probability, atol=1e-5)


def test_parts_are_limited_in_words_too(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [(3, 4), (1, 1), (20, 20), (0, 5), (2, 2), (2, 3)]
    text = NumberedBitext.of([(["a"] * src, ["b"] * tgt) for src, tgt in sizes])
    monkeypatch.setattr("aligner.pretrained.prior_with_encoder.PART_CELLS", 13)
    assert list(_parts(text)) == [(0, 2), (2, 3), (3, 6)]
    assert list(_parts(NumberedBitext.of([]))) == []


def test_an_encoder_can_be_chosen_by_again(directory: Path, prior: Prior) -> None:
    encoder = load(directory)
    one, other = (PriorWithEncoder.choose(prior, encoder, PAIRS * 9) for _ in range(2))
    assert one.evidence.choice[:3] == other.evidence.choice[:3]


def test_without_pairs_of_usual_length_the_shortest_are_chosen_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("aligner.pretrained.prior_with_encoder.SAMPLE_WORDS", 1)
    monkeypatch.setattr("aligner.pretrained.prior_with_encoder.SAMPLE_PAIRS", 2)
    sizes = [(9, 4), (0, 2), (3, 2), (2, 4)]
    text = NumberedBitext.of([(["a"] * src, ["b"] * tgt) for src, tgt in sizes])
    assert [tuple(map(len, pair)) for pair in sample_of(text)] == [(3, 2), (2, 4)]


def test_text_without_words_is_refused(directory: Path, prior: Prior) -> None:
    with pytest.raises(CorpusError, match="words on both sides"):
        PriorWithEncoder.choose(prior, load(directory), [([], ["a"])])


def test_words_are_asked_for(directory: Path, prior: Prior) -> None:
    both = PriorWithEncoder.choose(prior, load(directory), PAIRS)
    with pytest.raises(TypeError, match="pair 2, target side"):
        list(both.align([PAIRS[0], (["a"], "house")]))
    with pytest.raises(TypeError, match="pair 1, source side"):
        PriorWithEncoder.choose(prior, load(directory), [("a house", ["a"])])


def test_a_choice_is_kept(directory: Path, prior: Prior, tmp_path: Path) -> None:
    both = PriorWithEncoder.choose(prior, load(directory), PAIRS * 20)
    both.save(tmp_path)
    again = PriorWithEncoder.load(tmp_path, load(directory))
    assert again.evidence.choice[:3] == pytest.approx(both.evidence.choice[:3])
    for preset in ("balanced", "precise", "recall"):
        assert again.threshold(preset) == both.threshold(preset)
    for one, other in zip(both.align(PAIRS), again.align(PAIRS), strict=True):
        assert one.links == other.links


def test_what_does_not_fit_a_choice_is_refused(
    directory: Path, prior: Prior, tmp_path: Path
) -> None:
    def refuses(message: str, encoder: WordEncoder) -> None:
        with pytest.raises(ModelError, match=message):
            PriorWithEncoder.load(tmp_path, encoder)

    save_prior(tmp_path, prior)
    encoder, other = load(directory), load(directory)
    refuses(f"but {ENCODER} is missing", encoder)
    both = PriorWithEncoder.choose(prior, load(directory), PAIRS * 20)
    both.save(tmp_path)
    other.mark = other.mark + 1
    refuses(r"the encoder that .* was learnt with", other)
    whole = (tmp_path / ENCODER).read_bytes()
    (tmp_path / ENCODER).write_bytes(whole[:50])
    refuses("not a whole safetensors file", encoder)
    (tmp_path / ENCODER).write_bytes(whole)
    save_prior(tmp_path, estimate_prior(PAIRS * 3))
    refuses("expected the prior that it was chosen with beside", encoder)
    for broken in (
        both.evidence.choice._replace(layer=3),
        both.evidence.choice._replace(layer=[1, 2]),
        both.evidence.choice._replace(null=np.nan),
        both.evidence.choice._replace(means=np.zeros((2, 3), np.float32)),
    ):
        both.evidence.choice = broken
        both.save(tmp_path)
        refuses("got unfit numbers", encoder)
