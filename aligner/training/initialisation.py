"""Start a network from known alignments, so that attention finds translations at once.

A fresh network must learn a lexicon before its attention can align. With a guide the
lexicon is known: how often source piece s goes with target piece t. Three steps put it
into the weights.

1. Embeddings. Divided by the square roots of both marginals, the counts become a matrix
   of associations; its truncated singular value decomposition gives every piece a
   vector such that pieces that translate each other lie close.
2. The guided layer. Its query and key projections start near a multiple of the
   identity, so a target piece looks where the source vectors are like its own.
3. What lies between. The encoder's sublayers and the decoder's self-attention before
   the guided layer start damped, so that the vectors arrive there as they were.
"""

from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import nn

from aligner.nmt.transformer import Transformer
from aligner.text.ragged import SENTENCES, EncodedBitext, RaggedArray, steps
from aligner.text.scratch import blocks
from aligner.training.guide import Guide

COUNTED_PAIRS = 100_000  # evenly spread over the text; enough for a lexicon
SHARPNESS = 1.5  # of the guided layer's first attention
NOISE = 0.02
DAMPING = 0.3
SUBSPACE_ITERATIONS = 6
LEAST_VALUE = 1e-6  # singular values below are nothing but rounding

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


def start_from_guide(
    network: Transformer, text: EncodedBitext, guide: Guide, layer: int
) -> None:
    """Set a fresh network's weights from the alignments that will guide it."""
    counts = piece_counts(text, guide, network.embedding.num_embeddings)
    vectors, known = translation_vectors(counts, network.config.dim)
    with torch.no_grad():
        rows = torch.from_numpy(vectors[known]).to(network.embedding.weight)
        network.embedding.weight[torch.from_numpy(known)] = rows
        guided = network.decoder_layers[layer]
        for projection in (
            guided.cross_attention.query,
            guided.cross_attention.key,
        ):
            nn.init.normal_(projection.weight, std=NOISE)
            torch.diagonal(projection.weight).add_(SHARPNESS)
        for encoder_layer in network.encoder_layers:
            encoder_layer.self_attention.output.weight.mul_(DAMPING)
            encoder_layer.feed_forward.output.weight.mul_(DAMPING)
        for decoder_layer in network.decoder_layers[: layer + 1]:
            decoder_layer.self_attention.output.weight.mul_(DAMPING)


def piece_counts(
    text: EncodedBitext, guide: Guide, vocab_size: int
) -> sparse.csr_array:
    """Return how often source pieces go with target pieces, (V, V), by the links.

    A link between words counts for all pairs of their pieces, and counts 1 in all.
    """
    counted = sparse.csr_array((vocab_size, vocab_size))
    enough = min(len(guide.links), COUNTED_PAIRS)
    pairs = np.linspace(0, len(guide.links) - 1, enough).astype(int)
    for block in blocks(pairs, SENTENCES):
        counted = counted + _piece_counts(text, guide, block, vocab_size)
    return counted


def _piece_counts(
    text: EncodedBitext, guide: Guide, pairs: Ints, vocab_size: int
) -> sparse.csr_array:
    src, tgt, probability = guide.links.flat(pairs)
    row = np.repeat(np.arange(len(pairs)), guide.links.counts(pairs))
    src_firsts, src_sizes = _members(guide.src_words, pairs, row, src)
    tgt_firsts, tgt_sizes = _members(guide.tgt_words, pairs, row, tgt)
    # Every piece of one word with every one of the other.
    both = src_sizes * tgt_sizes
    link, step = np.repeat(np.arange(len(row)), both), steps(both)
    src_steps, tgt_steps = np.divmod(step, tgt_sizes[link])
    places = (
        text.src.flat(pairs)[src_firsts[link] + src_steps],
        text.tgt.flat(pairs)[tgt_firsts[link] + tgt_steps],
    )
    weights = probability.astype(np.float64)[link] / both[link]
    shape = (vocab_size, vocab_size)
    return sparse.coo_array((weights, places), shape=shape).tocsr()


def _members(
    words: RaggedArray, pairs: Ints, row: Ints, chosen: NDArray[np.int32]
) -> tuple[Ints, Ints]:
    """Return where the pieces of chosen words begin among the pairs', and how many.

    Args:
        words: the word of each piece.
        pairs: the sentences.
        row: for each chosen word, which of the sentences it is in.
        chosen: its place in there.
    """
    lengths = words.lengths(pairs)
    flat = words.flat(pairs)
    sentence = np.repeat(np.arange(len(pairs)), lengths)
    starts = np.flatnonzero((np.diff(flat, prepend=-1) != 0) | (steps(lengths) == 0))
    sizes = np.diff(starts, append=len(flat))
    counts = np.bincount(sentence[starts], minlength=len(pairs))  # words of each
    word = (np.cumsum(counts) - counts)[row] + chosen
    return starts[word], sizes[word]


def translation_vectors(
    counts: sparse.csr_array, dim: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return vectors (V, D) of length 1, close for translations, and which are known.

    A piece of both languages has the mean of its two vectors. Where the counts have
    fewer than D dimensions, the rest is 0.
    """
    src_totals, tgt_totals = counts.sum(axis=1), counts.sum(axis=0)
    known = np.flatnonzero(src_totals + tgt_totals)
    scale_src = sparse.diags_array(1 / np.sqrt(np.maximum(src_totals, 1e-9)))
    scale_tgt = sparse.diags_array(1 / np.sqrt(np.maximum(tgt_totals, 1e-9)))
    left, values, right = truncated_svd(scale_src @ counts @ scale_tgt, dim)
    scales = np.sqrt(np.where(values > LEAST_VALUE, values, 0))
    both = [_of_length_one(side * scales) for side in (left, right)]
    vectors = np.zeros((len(left), dim), np.float32)
    vectors[:, : len(values)] = _of_length_one(both[0] + both[1])
    return vectors, known


def truncated_svd(matrix: sparse.csr_array, rank: int) -> tuple[Floats, Floats, Floats]:
    """Return the leading singular vectors and values: (V, D), (D,), (V, D).

    Randomised subspace iteration (Halko, Martinsson and Tropp 2011): words that only
    translate each other give many equal singular values, at which Lanczos stalls.
    """
    sample = np.random.default_rng(0).normal(size=(matrix.shape[1], rank))
    for _ in range(SUBSPACE_ITERATIONS):
        span, _ = np.linalg.qr(matrix @ sample)
        sample, _ = np.linalg.qr(matrix.T @ span)
    left, values, turn = np.linalg.svd(matrix @ sample, full_matrices=False)
    return left, values, sample @ turn.T


def _of_length_one(rows: Floats) -> Floats:
    scaled: Floats = rows / np.maximum(
        np.linalg.norm(rows, axis=1, keepdims=True), 1e-9
    )
    return scaled
