"""How often subwords occur in a training text, counted by hand."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_models import random_model

from aligner.analysis.nmt.training_words import (
    TextPlace,
    count_subwords,
    count_words,
    training_words,
)
from aligner.extraction.aligner import ways_of
from aligner.nmt.checkpoint import TranslationModel
from aligner.nmt.model_meta import ModelMeta, TrainedOn
from aligner.terms import OneWay

SRC, TGT = "the house the\nsmall house\n", "near old\nold old\n"


def trained_on(model: TranslationModel, **files: Any) -> TranslationModel:
    return replace(model, meta=ModelMeta(files=TrainedOn(**files)))


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ("forward", {"the": 2, "house": 2, "small": 1}),
        ("reverse", {"near": 1, "old": 3}),
    ],
)
def test_the_side_that_is_read_is_counted(
    tmp_path: Path, direction: OneWay, expected: dict[str, int], joint: bool
) -> None:
    (tmp_path / "src").write_text(SRC)
    (tmp_path / "tgt").write_text(TGT)
    model = trained_on(
        random_model(joint=joint), src=str(tmp_path / "src"), tgt=str(tmp_path / "tgt")
    )
    words = training_words(TextPlace.of(model), direction)
    assert words == expected
    side = "src" if direction == "forward" else "tgt"
    counts: Counter[int] = Counter()
    for word, count in expected.items():
        counts.update(model.subwords.encode([word], side)[0].tolist() * count)
    assert count_subwords(words, ways_of(model)[direction]) == counts


def test_raw_text_is_cut_into_words_as_in_training(tmp_path: Path) -> None:
    (tmp_path / "both").write_text("It's (here). ||| Ici.\n")
    both = str(tmp_path / "both")
    model = trained_on(random_model(), src=both, tokenize=("en", "fr"))
    words = training_words(TextPlace.of(model), "forward")
    assert words == {"It": 1, "'s": 1, "(": 1, "here": 1, ")": 1, ".": 1}


@pytest.mark.parametrize(
    "files",
    [{}, {"src": "-", "tgt": None}, {"src": "/none", "tgt": "/none"}],
)
def test_a_text_that_is_not_there_counts_nothing(files: dict[str, Any]) -> None:
    model = trained_on(random_model(), **files)
    assert training_words(TextPlace.of(model), "forward") is None


def test_words_are_counted() -> None:
    assert count_words([["a", "b", "a"], [], ["b"]]) == {"a": 2, "b": 2}
    assert count_words([]) == {}
