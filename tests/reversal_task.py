"""A model trained to reverse digit sequences: its true alignment is anti-diagonal."""

import functools
import random
import tempfile
from pathlib import Path

import torch

from aligner.nmt.batching import Batches, encode
from aligner.nmt.checkpoint import TranslationModel, load_weights
from aligner.nmt.config import Config
from aligner.nmt.transformer import Transformer
from aligner.text.numbered import NumberedBitext
from aligner.text.subwords import Subwords
from aligner.training.loop import Training

Pair = tuple[list[str], list[str]]

CONFIG = Config.model_validate(
    {
        "subwords": {"vocab_size": 40},
        "transformer": {
            "dim": 64,
            "heads": 2,
            "encoder_layers": 1,
            "decoder_layers": 1,
            "feed_forward_dim": 128,
            "dropout": 0.0,
        },
        "training": {
            "batch_tokens": 512,
            "learning_rate": 5e-3,
            "warmup_updates": 50,
            "label_smoothing": 0.0,
            "max_updates": 350,
            "validate_every": 350,
            "precision": "float32",
        },
    }
)


def reversal_pairs(count: int, seed: int) -> list[Pair]:
    """Return digit sequences and their reverse; no digit twice, so links are clear."""
    rng = random.Random(seed)
    pairs = []
    for _ in range(count):
        digits = rng.sample("0123456789", rng.randint(2, 7))
        pairs.append((digits, digits[::-1]))
    return pairs


@functools.cache
def reversal_model() -> TranslationModel:
    """Train the model, once in a test run."""
    train, valid = reversal_pairs(4000, 1), reversal_pairs(50, 2)
    subwords = Subwords.train(
        (src for src, _ in train),
        (tgt for _, tgt in train),
        vocab_size=CONFIG.subwords.vocab_size,
    )
    torch.manual_seed(1)
    network = Transformer(CONFIG.transformer, subwords.vocab_size)
    with tempfile.TemporaryDirectory() as name:
        training = Training(
            network,
            Batches(encode(NumberedBitext.of(train), subwords), "both", 512),
            Batches(encode(NumberedBitext.of(valid), subwords), "both", 512),
            CONFIG.training,
            Path(name),
        )
        training.run(lambda report: None)
        load_weights(Path(name), network)
    return TranslationModel(CONFIG, subwords, network.eval(), {})
