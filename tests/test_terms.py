"""What takes one of some words checks it where it enters."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from small_models import random_model

from aligner.errors import ConfigError
from aligner.extraction.aligner import Aligner, stored_rule
from aligner.extraction.link_rule import LinkRule
from aligner.extraction.reading import Reading
from aligner.links.symmetrization import symmetrize
from aligner.nmt.precision import precision_of
from aligner.terms import Precision

MODEL = random_model()


def computed_in(precision: Precision) -> None:
    aligner = Aligner(MODEL, Reading(0, "awi"))
    aligner.precision = precision
    list(aligner.align([(["a"], ["b"])]))


# What is called with a word, the word's name, and one that is close to being right.
ENTRANCES: list[tuple[Callable[[Any], object], str, object]] = [
    (lambda w: LinkRule(direction=w), "direction", "backward"),
    (lambda w: LinkRule(symmetrize=w), "symmetrize", "grow-final"),
    (lambda w: symmetrize(frozenset(), frozenset(), w), "symmetrization", "soft"),
    (lambda w: Reading(0, w), "rows", "AWI"),
    (lambda w: Reading(0, "awi", w), "score", "norms"),
    (lambda w: Aligner(MODEL, precision=w), "precision", "float16"),
    (lambda w: precision_of(w, torch.device("cpu")), "precision", torch.float32),
    (computed_in, "precision", "half"),
    (lambda w: stored_rule(MODEL, w), "preset", None),
]


@pytest.mark.parametrize(("call", "name", "word"), ENTRANCES)
def test_an_unknown_word_is_refused(
    call: Callable[[Any], object], name: str, word: object
) -> None:
    with pytest.raises(ConfigError, match=rf"^{name}: expected one of .*, got ") as of:
        call(word)
    assert str(of.value).endswith(f", got {word!r}")
    assert "\n" not in str(of.value)
