"""What takes a number from another program checks it where it enters."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from small_models import random_model

from aligner.analysis.nmt.experiment import GoldText
from aligner.errors import ConfigError
from aligner.extraction.aligner import Aligner
from aligner.extraction.link_rule import LinkRule
from aligner.extraction.reading import Reading
from aligner.extraction.selection import choose_threshold
from aligner.links.evaluation import bootstrap_intervals, compare, worst_sentences
from aligner.nmt.config import Config
from aligner.nmt.translation import translate
from aligner.sample.grammar import sample_corpus
from aligner.text.filters import Filters
from aligner.text.subwords import Subwords

MODEL = random_model()
# What is called with a number, and the number's name.
ENTRANCES: list[tuple[Callable[..., object], str]] = [
    (LinkRule, "threshold"),
    (lambda **n: Reading(**{"layer": 0, "rows": "awi"} | n), "layer"),
    (lambda **n: Reading(0, "awi", **n), "head"),
    (lambda **n: Aligner(MODEL, **n), "max_length"),
    (lambda **n: Aligner(MODEL, **n), "prior_weight"),
    (lambda **n: translate(MODEL, [["a"]], **n), "beam"),
    (lambda **n: translate(MODEL, [["a"]], **n), "length_penalty"),
    (lambda **n: choose_threshold([], **n), "beta"),
    (Filters, "max_words"),
    (Filters, "max_ratio"),
    (lambda **n: GoldText([], [], **n), "max_length"),
    (lambda **n: sample_corpus(**{"pairs": 1} | n), "pairs"),
    (lambda **n: sample_corpus(1, **n), "seed"),
    (lambda **n: bootstrap_intervals([], [], **n), "resamples"),
    (lambda **n: bootstrap_intervals([], [], **n), "seed"),
    (lambda **n: bootstrap_intervals([], [], **n), "confidence"),
    (lambda **n: compare([], [], [], **n), "seed"),
    (lambda **n: worst_sentences([], [], **n), "n"),
    (lambda **n: Subwords.train([["a"]], [["b"]], **n), "vocab_size"),
]


@pytest.mark.parametrize(("call", "name"), ENTRANCES)
@pytest.mark.parametrize("value", [math.nan, math.inf, -1, 10**30, "two"])
def test_a_number_outside_its_range_is_refused(
    call: Callable[..., object], name: str, value: Any
) -> None:
    if (name, value) in (("max_ratio", math.inf), ("max_ratio", 10**30)):
        return  # no limit
    with pytest.raises(ConfigError, match=rf"^{name}: expected a .*number .*{value}$"):
        call(**{name: value})


@pytest.mark.parametrize("seed", [-1, 2**63, 2**70])
def test_a_recipe_takes_seeds_that_all_libraries_take(seed: int) -> None:
    with pytest.raises(ConfigError, match="seed"):
        Config().with_training(seed=seed)
    assert Config().with_training(seed=2**63 - 1).training.seed == 2**63 - 1
