"""The start from known alignments: close vectors, and attention that aligns at once."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import sparse

from aligner.extraction.forced_decoding import SubwordPair
from aligner.extraction.reading import Reading, read_word_scores
from aligner.links.alignment import Alignment
from aligner.links.evaluation import score
from aligner.links.matching import forward_links, reverse_links
from aligner.nmt.batching import encode
from aligner.nmt.config import TransformerConfig
from aligner.nmt.transformer import Transformer
from aligner.prior.prior import estimate
from aligner.prior.soft_links import NO_LINKS, SoftLinks, TextLinks
from aligner.sample.grammar import sample_corpus
from aligner.text.numbered import NumberedBitext
from aligner.text.subwords import TO_SRC, TO_TGT, Subwords
from aligner.training.guide import Guide
from aligner.training.initialisation import (
    piece_counts,
    start_from_guide,
    translation_vectors,
    truncated_svd,
)

SIZE = 20


def dictionary(pairs: dict[tuple[int, int], float]) -> sparse.csr_array:
    counts = np.zeros((SIZE, SIZE))
    for place, count in pairs.items():
        counts[place] = count
    return sparse.csr_array(counts)


# Three words that only translate each other, and one with two translations.
LEXICON = {(3, 9): 5.0, (4, 10): 2.0, (5, 11): 100.0, (6, 12): 3.0, (6, 13): 3.0}


@pytest.mark.parametrize("dim", [4, 6, 16, 32])
def test_translations_lie_closest(dim: int) -> None:
    """With fewer dimensions than words, as many, and more; even than the vocabulary."""
    vectors, known = translation_vectors(dictionary(LEXICON), dim)
    assert vectors.shape == (SIZE, dim)
    assert known.tolist() == [3, 4, 5, 6, 9, 10, 11, 12, 13]
    assert np.linalg.norm(vectors[known], axis=1) == pytest.approx(1, abs=1e-5)
    likeness = vectors @ vectors[9:14].T
    for src, tgt in LEXICON:
        assert likeness[src, tgt - 9] == pytest.approx(1, abs=1e-3)
        others = [j for j in range(9, 14) if (src, j) not in LEXICON]
        assert likeness[src, [j - 9 for j in others]].max() < 0.1


@pytest.mark.parametrize("dim", [6, 32])
def test_a_shared_piece_lies_between_its_two_meanings(dim: int) -> None:
    """Piece 7 translates into 14, and is itself the translation of 8."""
    vectors, _ = translation_vectors(
        dictionary({**LEXICON, (7, 14): 4.0, (8, 7): 4.0}), dim
    )
    mean = vectors[14] + vectors[8]
    np.testing.assert_allclose(vectors[7], mean / np.linalg.norm(mean), atol=1e-3)


def test_what_is_written_alike_on_both_sides_is_its_own_translation() -> None:
    vectors, known = translation_vectors(dictionary({**LEXICON, (7, 7): 4.0}), 8)
    likeness = vectors[known] @ vectors[7]
    assert np.linalg.norm(vectors[7]) == pytest.approx(1, abs=1e-5)
    assert np.abs(likeness[known != 7]).max() < 0.1


def test_without_counts_nothing_is_known() -> None:
    vectors, known = translation_vectors(dictionary({}), 8)
    assert len(known) == 0
    assert vectors.shape == (SIZE, 8)
    assert np.isfinite(vectors).all()


def test_the_decomposition_is_the_singular_one() -> None:
    """Of falling singular values the leading ones are found."""
    rng = np.random.default_rng(1)
    left, _ = np.linalg.qr(rng.normal(size=(30, 30)))
    right, _ = np.linalg.qr(rng.normal(size=(30, 30)))
    matrix = left * 0.6 ** np.arange(30) @ right.T
    u, values, v = truncated_svd(sparse.csr_array(matrix), 5)
    np.testing.assert_allclose(values, 0.6 ** np.arange(5), rtol=1e-3)
    np.testing.assert_allclose(u * values @ v.T, matrix, atol=0.6**5 * 1.1)


# Counts of pieces


def test_a_link_counts_one_over_all_its_pieces() -> None:
    words = ["ab", "abc", "bca", "cab", "acb"]
    subwords = Subwords.train([words], [words], vocab_size=16)
    pairs = [(["abc", "ab"], ["bca"]), (["ab"], ["cab", "acb"])]
    links = [
        SoftLinks(
            np.array([0, 1], np.int32),
            np.array([0, 0], np.int32),
            np.array([0.5, 0.25], np.float32),
        ),
        SoftLinks(
            np.array([0], np.int32), np.array([1], np.int32), np.ones(1, np.float32)
        ),
    ]
    expected = np.zeros((subwords.vocab_size, subwords.vocab_size))
    for (src, tgt), found in zip(pairs, links, strict=True):
        for s, t, p in zip(*found, strict=True):
            src_ids = subwords.encode([src[s]], "src")[0]
            tgt_ids = subwords.encode([tgt[t]], "tgt")[0]
            for i in src_ids:
                for j in tgt_ids:
                    expected[i, j] += p / len(src_ids) / len(tgt_ids)
    numbered = NumberedBitext.of(pairs)
    counts = piece_counts(
        encode(numbered, subwords),
        Guide.of(numbered, TextLinks.gather(links), subwords),
        subwords.vocab_size,
    )
    np.testing.assert_allclose(counts.toarray(), expected, atol=1e-6)
    assert counts.sum() == pytest.approx(1.75)


# A whole network, before any training

PAIRS, TEST = 1200, 150
CONFIG = TransformerConfig(
    dim=64, heads=4, encoder_layers=2, decoder_layers=2, feed_forward_dim=64
)


@pytest.mark.parametrize("layer", [0, 1])
def test_an_untrained_network_aligns(layer: int) -> None:
    """Far better than by chance, as the network was before."""
    corpus = sample_corpus(PAIRS)
    pairs = [(pair.src, pair.tgt) for pair in corpus]
    subwords = Subwords.train(
        (src for src, _ in pairs), (tgt for _, tgt in pairs), vocab_size=500
    )
    numbered = NumberedBitext.of(pairs)
    guide = Guide.of(numbered, estimate(numbered)[1], subwords)
    torch.manual_seed(1)
    network = Transformer(CONFIG, subwords.vocab_size).eval()
    text = encode(numbered, subwords)

    def aer() -> float:
        segmented = [SubwordPair.of(pair, subwords) for pair in pairs[:TEST]]
        turned = [pair.turned() for pair in segmented]
        reading = Reading(layer, "awi")
        found: list[Alignment] = [
            forward_links(forward) & reverse_links(reverse)
            for forward, reverse in zip(
                read_word_scores(network, segmented, TO_TGT, reading),
                read_word_scores(network, turned, TO_SRC, reading),
                strict=True,
            )
        ]
        return score([pair.gold for pair in corpus[:TEST]], found).aer

    by_chance = aer()
    start_from_guide(network, text, guide, layer)
    assert by_chance > 0.8
    assert aer() < 0.5


def test_it_starts_the_same_each_time_and_leaves_the_rest() -> None:
    pairs = [(pair.src, pair.tgt) for pair in sample_corpus(30)]
    subwords = Subwords.train(
        (src for src, _ in pairs), (tgt for _, tgt in pairs), vocab_size=100
    )
    numbered = NumberedBitext.of(pairs)
    guide = Guide.of(numbered, estimate(numbered)[1], subwords)
    text = encode(numbered, subwords)
    torch.manual_seed(1)
    fresh = Transformer(CONFIG, subwords.vocab_size).state_dict()
    started = []
    for _ in range(2):
        torch.manual_seed(1)
        network = Transformer(CONFIG, subwords.vocab_size)
        start_from_guide(network, text, guide, 0)
        started.append(network.state_dict())
    for one, other in pairwise(started):
        assert all(torch.equal(one[name], other[name]) for name in one)
    changed = {n for n in fresh if not torch.equal(fresh[n], started[0][n])}
    assert changed == {
        "embedding.weight",
        "decoder.0.cross_attention.query.weight",
        "decoder.0.cross_attention.key.weight",
        "decoder.0.self_attention.output.weight",
        *(
            f"encoder.{layer}.{name}"
            for layer in (0, 1)
            for name in ("self_attention.output.weight", "feed_forward.2.weight")
        ),
    }
    assert not started[0]["embedding.weight"][0].any(), "padding stays nothing"


def test_a_guide_without_links_leaves_the_embeddings() -> None:
    pairs = [(["a", "b"], ["c"]), (["b"], ["c", "d"])]
    subwords = Subwords.train(
        (src for src, _ in pairs), (tgt for _, tgt in pairs), vocab_size=16
    )
    network = Transformer(CONFIG, subwords.vocab_size)
    before = network.embedding.weight.detach().clone()
    numbered = NumberedBitext.of(pairs)
    guide = Guide.of(numbered, TextLinks.gather([NO_LINKS] * 2), subwords)
    start_from_guide(network, encode(numbered, subwords), guide, 0)
    assert torch.equal(before, network.embedding.weight)
