"""A model trained to reverse digit sequences: every right answer is known.

The k-th of n digits belongs to the (n - 1 - k)-th, and to nothing else.
"""

import random

import pytest
import torch

from aligner.extraction.aligner import Aligner, WordPair
from aligner.extraction.forced_decoding import SubwordPair
from aligner.extraction.link_rule import LinkRule
from aligner.extraction.reading import Reading
from aligner.extraction.selection import ReadingChoice, choose_by_agreement
from aligner.nmt.batching import Batches, encode
from aligner.nmt.checkpoint import TranslationModel, load_weights
from aligner.nmt.config import Config
from aligner.nmt.model_meta import ModelMeta
from aligner.nmt.transformer import Transformer
from aligner.nmt.translation import translate
from aligner.text.numbered import NumberedBitext
from aligner.text.subwords import Subwords
from aligner.training.loop import Training

pytestmark = pytest.mark.slow

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


def digit_pairs(count: int, seed: int) -> list[WordPair]:
    """Return digit sequences and their reverse; no digit twice, so links are clear."""
    rng = random.Random(seed)
    pairs = []
    for _ in range(count):
        digits = rng.sample("0123456789", rng.randint(2, 7))
        pairs.append((digits, digits[::-1]))
    return pairs


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TranslationModel:
    """Return a model that has learnt the task."""
    train, valid = digit_pairs(4000, 1), digit_pairs(50, 2)
    subwords = Subwords.train(
        (src for src, _ in train),
        (tgt for _, tgt in train),
        vocab_size=CONFIG.subwords.vocab_size,
    )
    torch.manual_seed(1)
    network = Transformer(CONFIG.transformer, subwords.vocab_size)
    directory = tmp_path_factory.mktemp("reversal")
    training = Training(
        network,
        Batches(encode(NumberedBitext.of(train), subwords), "both", 512),
        Batches(encode(NumberedBitext.of(valid), subwords), "both", 512),
        CONFIG.training,
        directory,
    )
    training.run(lambda report: None)
    load_weights(directory, network)
    return TranslationModel(CONFIG, subwords, network.eval(), ModelMeta())


@pytest.mark.parametrize("beam", [1, 4])
def test_it_reverses(model: TranslationModel, beam: int) -> None:
    pairs = digit_pairs(100, seed=5)
    sources = [src for src, _ in pairs]
    found = translate(model, sources, beam=beam)
    right = sum(words == tgt for words, (_, tgt) in zip(found, pairs, strict=True))
    assert right >= 95


def test_the_other_direction_is_learnt_too(model: TranslationModel) -> None:
    pairs = digit_pairs(50, seed=6)
    found = translate(model, [tgt for _, tgt in pairs], into="src", beam=1)
    right = sum(words == src for words, (src, _) in zip(found, pairs, strict=True))
    assert right >= 47


@pytest.mark.parametrize("beam", [1, 4])
def test_company_does_not_matter(model: TranslationModel, beam: int) -> None:
    """150 sentences, several batches: in order, and each as if it came alone."""
    sources = [src for src, _ in digit_pairs(150, seed=7)]
    together = translate(model, sources, beam=beam)
    for source, found in list(zip(sources, together, strict=True))[::10]:
        assert translate(model, [source], beam=beam) == [found]


def test_an_empty_sentence_has_an_empty_translation(model: TranslationModel) -> None:
    (expected,) = translate(model, [["1", "2"]])
    assert translate(model, [[], ["1", "2"], []]) == [[], expected, []]
    assert translate(model, [[]]) == [[]]
    assert translate(model, []) == []


@pytest.fixture(scope="module")
def choice(model: TranslationModel) -> ReadingChoice:
    pairs = [SubwordPair.of(pair, model.subwords) for pair in digit_pairs(100, seed=3)]
    return choose_by_agreement(model.network, pairs)


def test_what_predicts_a_digit_reads_it(choice: ReadingChoice) -> None:
    """With one decoder layer the row that predicts must look at the digit: AWO."""
    assert choice.reading == Reading(0, "awo")
    assert choice.figures[choice.reading] > 0.95


@pytest.mark.parametrize("direction", ["forward", "reverse", "both"])
def test_reversed_digits_align_anti_diagonally(
    model: TranslationModel, choice: ReadingChoice, direction: str
) -> None:
    pairs = digit_pairs(100, seed=4)
    aligner = Aligner(model, choice.reading, LinkRule(direction=direction))
    found = wrong = 0
    for (src, _), aligned in zip(pairs, aligner.align(pairs), strict=True):
        anti_diagonal = {(i, len(src) - 1 - i) for i in range(len(src))}
        found += len(aligned.links & anti_diagonal)
        wrong += len(aligned.links - anti_diagonal)
    digits = sum(len(src) for src, _ in pairs)
    assert found > 0.97 * digits
    assert wrong < 0.03 * digits


def test_the_other_rows_are_beside_it(model: TranslationModel) -> None:
    """Read by AWI the same model links each digit to the one that comes next."""
    pairs = digit_pairs(50, seed=4)
    aligner = Aligner(model, Reading(0, "awi"), LinkRule("forward"))
    found = 0
    for (src, _), aligned in zip(pairs, aligner.align(pairs), strict=True):
        found += len(aligned.links & {(i, len(src) - 1 - i) for i in range(len(src))})
    assert found < 0.1 * sum(len(src) for src, _ in pairs)
