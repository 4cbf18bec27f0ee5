"""A model whose numbers are not finite is an error, never empty lines."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file
from small_models import WORDS, random_model

from aligner.errors import ModelError
from aligner.extraction.aligner import Aligner
from aligner.extraction.reading import Reading
from aligner.extraction.table_rows import AlignBatch
from aligner.nmt.checkpoint import (
    PRIOR,
    WEIGHTS,
    TranslationModel,
    load_model,
    load_weights,
    save_recipe,
    save_weights,
)
from aligner.nmt.model_meta import save_meta
from aligner.nmt.translation import translate
from aligner.prior.prior import estimate
from aligner.prior.storage import load_prior, save_prior
from aligner.terms import Precision
from aligner.text.numbered import NumberedBitext

PAIR = (WORDS[:5], WORDS[4:])
BAD = [math.nan, math.inf, -math.inf]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    model = random_model()
    save_recipe(tmp_path, model.config, model.subwords)
    save_weights(tmp_path, model.network)
    save_meta(tmp_path, model.meta)
    save_prior(tmp_path, estimate(NumberedBitext.of([PAIR] * 3))[0])
    return tmp_path


def overflowing(by: float) -> TranslationModel:
    """Return a model of finite weights whose vectors are not, or hardly."""
    model = random_model()
    with torch.no_grad():
        for layer in model.network.decoder:
            layer.cross_attention.value.weight.mul_(by)
            layer.cross_attention.output.weight.mul_(by)
    return model


@pytest.mark.parametrize("value", BAD)
def test_every_weight_is_checked(saved: Path, value: float) -> None:
    path, network = saved / WEIGHTS, load_model(saved).network
    weights = {name: w.clone() for name, w in load_file(path).items()}
    for name, weight in weights.items():
        right = float(weight.view(-1)[-1])
        weight.view(-1)[-1] = value
        save_file(weights, path)
        with pytest.raises(ModelError, match=rf"^{path}: {name}: .*finite"):
            load_weights(saved, network)
        weight.view(-1)[-1] = right
    for load in (Aligner.load, AlignBatch, load_model):
        with pytest.raises(ModelError, match=rf"^{path}: {name}: .*finite"):
            load(saved)
    save_file(weights, path)
    for load in (Aligner.load, AlignBatch, load_model):
        load(saved)


@pytest.mark.parametrize("value", BAD)
def test_every_array_of_a_prior_is_checked(saved: Path, value: float) -> None:
    whole = load_arrays(saved / PRIOR)
    for name in [n for n, array in whole.items() if array.dtype.kind == "f"]:
        arrays = {key: array.copy() for key, array in whole.items()}
        arrays[name].flat[-1] = value
        save_arrays(arrays, saved / PRIOR)
        with pytest.raises(ModelError, match=rf"^{saved / PRIOR}: {name}: .*finite"):
            load_prior(saved)
        with pytest.raises(ModelError, match=PRIOR):
            load_model(saved)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("score", ["norm", "resln", "alti-l1"])
def test_scores_that_overflow_are_an_error(precision: Precision, score: str) -> None:
    reading = Reading(1, "awi", score)  # type: ignore[arg-type]
    aligner = Aligner(overflowing(1e20), reading, precision=precision)
    with pytest.raises(ModelError, match="expected finite numbers"):
        list(aligner.align([PAIR]))
    assert next(Aligner(overflowing(10), reading).align([PAIR])).score > 0


@pytest.mark.parametrize("beam", [1, 4])
def test_translations_that_overflow_are_an_error(beam: int) -> None:
    with pytest.raises(ModelError, match="expected finite numbers"):
        translate(overflowing(1e20), [WORDS], beam=beam)
    assert len(translate(overflowing(10), [WORDS], beam=beam)) == 1


@pytest.mark.parametrize("value", BAD)
def test_one_weight_that_is_not_finite_is_enough(value: float) -> None:
    """Set in memory, where no loading has checked it."""
    model = random_model()
    model = dataclasses.replace(model, prior=estimate(NumberedBitext.of([PAIR]))[0])
    with torch.no_grad():
        model.network.embedding.weight[-1, 0] = value
    text = [WORDS] * 2
    with pytest.raises(ModelError, match="expected finite numbers"):
        translate(model, text)
