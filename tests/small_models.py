"""Small untrained models, and random ids to feed them."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aligner.nmt.checkpoint import TranslationModel
from aligner.nmt.config import Config, TransformerConfig
from aligner.nmt.model_meta import ChosenReading, ModelMeta
from aligner.nmt.transformer import PAD, Transformer
from aligner.prior.soft_links import SoftLinks, TextLinks
from aligner.text.ragged import EncodedBitext, RaggedArray
from aligner.text.subwords import EOS, SPECIALS, Subwords
from aligner.training.guide import Guide

TEXT = "the house is small and we saw seven small houses near that old mill"
WORDS = TEXT.split()


def sizes(**changes: Any) -> TransformerConfig:
    """Return the sizes of a small Transformer without dropout."""
    small = {
        "dim": 16,
        "heads": 4,
        "encoder_layers": 2,
        "decoder_layers": 3,
        "feed_forward_dim": 24,
        "dropout": 0.0,
    }
    return TransformerConfig.model_validate(small | changes)


def random_network(
    config: TransformerConfig,
    vocab_size: int = 20,
    seed: int = 1,
    sharpness: float = 3.0,
) -> Transformer:
    """Return a network with every weight random, biases and normalisations too.

    Its attention is sharper than a fresh network's (at 1.0), so that positions differ.
    """
    torch.manual_seed(seed)
    network = Transformer(config, vocab_size)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter, std=0.3)
        elif "norm" in name:
            nn.init.uniform_(parameter, 0.5, 1.5)
        elif name.endswith("query.weight"):
            nn.init.normal_(parameter, std=sharpness * config.dim**-0.5)
    return network.eval()


def random_model(
    direction: str = "both", *, joint: bool = True, seed: int = 1, **changes: Any
) -> TranslationModel:
    """Return an untrained model whose subwords cut `WORDS` into several pieces."""
    config = Config.model_validate(
        {
            "subwords": {"vocab_size": 28, "joint": joint},
            "transformer": sizes(**changes).model_dump(),
            "training": {"direction": direction},
        }
    )
    subwords = Subwords.train([WORDS], [WORDS[::-1]], vocab_size=28, joint=joint)
    network = random_network(config.transformer, subwords.vocab_size, seed)
    meta = ModelMeta(alignment=ChosenReading(layer=2, rows="awi"))
    return TranslationModel(config, subwords, network, meta)


def random_pairs(count: int, seed: int = 6) -> list[tuple[list[str], list[str]]]:
    """Return sentence pairs of random words, 1 to 12 a side."""
    rng = np.random.default_rng(seed)

    def words() -> list[str]:
        return [WORDS[i] for i in rng.integers(0, len(WORDS), rng.integers(1, 13))]

    return [(words(), words()) for _ in range(count)]


def random_ids(rng: np.random.Generator, length: int, vocab_size: int) -> Any:
    """Return subword ids that are no specials."""
    return rng.integers(len(SPECIALS), vocab_size, length).astype(np.int32)


def random_bitext(
    pairs: int, *, longest: int = 9, vocab_size: int = 20, seed: int = 1
) -> EncodedBitext:
    """Return sentence pairs of random ids, 1 to `longest` a side."""
    rng = np.random.default_rng(seed)

    def text() -> RaggedArray:
        lengths = rng.integers(1, longest + 1, pairs)
        return RaggedArray.gather(random_ids(rng, n, vocab_size) for n in lengths)

    return EncodedBitext(text(), text())


def random_guide(bitext: EncodedBitext, seed: int = 1) -> Guide:
    """Return links at random for a text in which every subword is a word."""
    rng = np.random.default_rng(seed)

    def places(text: RaggedArray) -> RaggedArray:
        return RaggedArray.gather(np.arange(n, dtype=np.int32) for n in text.lengths())

    links = []
    for src, tgt in zip(bitext.src.lengths(), bitext.tgt.lengths(), strict=True):
        linked = np.argwhere(rng.random((src, tgt)) < 0.2).astype(np.int32)
        chances = rng.uniform(0.1, 1, len(linked)).astype(np.float32)
        links.append(SoftLinks(linked[:, 0], linked[:, 1], chances))
    return Guide(places(bitext.src), places(bitext.tgt), TextLinks.gather(links))


def padded(rows: list[list[int]]) -> Tensor:
    """Return rows of ids, padded at the end."""
    longest = max(map(len, rows))
    return torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])


def random_batch(
    lengths: list[tuple[int, int]], vocab_size: int = 20, seed: int = 1
) -> tuple[Tensor, Tensor]:
    """Return padded sources, ending in EOS, and decoder inputs, of given lengths."""
    rng = np.random.default_rng(seed)
    src = [[*random_ids(rng, s - 1, vocab_size).tolist(), EOS] for s, _ in lengths]
    tgt = [random_ids(rng, t, vocab_size).tolist() for _, t in lengths]
    return padded(src), padded(tgt)


def never(*args: object) -> Tensor:
    """Stand for a computation whose result nobody reads."""
    raise AssertionError("computed what nobody reads")
