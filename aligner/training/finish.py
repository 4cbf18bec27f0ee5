"""What comes after the network's training: what to read of it is chosen and stored."""

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, replace

import torch

from aligner.extraction.aligner import (
    Aligner,
    WordPair,
    trained_direction,
)
from aligner.extraction.forced_decoding import SubwordPair
from aligner.extraction.link_rule import LinkRule
from aligner.extraction.pair_aligner import PRIOR_WEIGHT, TOLD_WEIGHT
from aligner.extraction.reading import Reading
from aligner.extraction.selection import (
    ReadingChoice,
    choose_by_agreement,
    choose_by_norm,
    choose_threshold,
    threshold_like,
)
from aligner.nmt.checkpoint import TranslationModel
from aligner.nmt.model_meta import DataFigures, ModelMeta, TrainingFigures, save_meta
from aligner.nmt.translation import translate
from aligner.terms import PRESETS, Preset, Side
from aligner.text.ragged import EncodedBitext
from aligner.training.state import TrainingState
from aligner.training.task import Task

log = logging.getLogger(__name__)
GUIDED_PAIRS = 100  # to translate, where that is not what was trained for
MAX_EXPONENT = 100.0  # perplexities beyond say nothing, and would overflow


def perplexity(state: TrainingState) -> float:
    """Return the perplexity on validation text, of the weights that are kept."""
    return math.exp(min(state.translation_loss, MAX_EXPONENT))


def finish(
    model: TranslationModel,
    valid: Sequence[WordPair],
    state: TrainingState,
    task: Task,
    train_text: EncodedBitext,
) -> TranslationModel:
    """Choose what to read of the attention, measure BLEU, and note it all down."""
    guided = task.files.guide != "none"
    choice = _choose(model, valid, guided=guided)
    _say_choice(choice)
    weight = TOLD_WEIGHT if model.meta.expects_prior else PRIOR_WEIGHT
    thresholds = _choose_thresholds(model, valid, choice.reading, weight)
    alone = {}
    if model.meta.expects_prior:
        alone = _choose_thresholds(model, valid, choice.reading, prior_weight=0)
    translated = valid[:GUIDED_PAIRS] if guided else valid
    bleu = {"tgt": _bleu(model, translated, "tgt")}
    if model.config.training.direction == "both":
        bleu["src"] = _bleu(model, translated, "src")
    shown = ", ".join(f"into {side} {value:.1f}" for side, value in bleu.items())
    log.info("BLEU on validation text: %s", shown)
    meta = ModelMeta(
        files=task.files.to_meta(),
        expects_prior=model.meta.expects_prior,
        seed=model.config.training.seed,
        alignment=choice.to_meta(thresholds, alone, weight),
        data=DataFigures(pairs=len(train_text), sha256=train_text.digest()),
        training=TrainingFigures(
            **asdict(state) | {"perplexity": round(perplexity(state), 4)},
            bleu={side: round(value, 2) for side, value in bleu.items()},
            torch=torch.__version__,
        ),
    )
    save_meta(task.out, meta)
    return replace(model, meta=meta)


def _choose(
    model: TranslationModel, valid: Sequence[WordPair], *, guided: bool
) -> ReadingChoice:
    config = model.config.training
    guided_layer = config.guide_layer - 1 if guided else None
    if guided_layer is not None and model.meta.expects_prior:
        return ReadingChoice(Reading(guided_layer, "full"), "guided", {})
    pairs = [SubwordPair.of(pair, model.subwords) for pair in valid]
    if config.direction == "both":
        return choose_by_agreement(model.network, pairs, guided_layer)
    if guided_layer is None:
        return choose_by_norm(model.network, pairs)
    # The highest norm says which layer reads most, not which one was taught to align.
    return ReadingChoice(Reading(guided_layer, "full"), "guided", {})


def _choose_thresholds(
    model: TranslationModel,
    valid: Sequence[WordPair],
    reading: Reading,
    prior_weight: float,
) -> dict[Preset, float]:
    """Return the threshold of each preset; none for a model of one direction."""
    if trained_direction(model) != "both":
        return {}
    aligner = Aligner(
        model, reading, LinkRule(), prior_weight=prior_weight, precision="float32"
    )
    good = [pair for pair in valid if not aligner.problem(pair)]
    scores = [
        (forward, reverse)
        for forward, reverse in aligner.word_scores(good)
        if forward is not None and reverse is not None
    ]
    if model.prior is None or not model.meta.expects_prior:
        return {name: choose_threshold(scores, beta) for name, beta in PRESETS.items()}
    by_prior = aligner.prior_scores(good)
    return {
        name: threshold_like(scores, by_prior, model.prior.threshold(name))
        for name in PRESETS
    }


def _say_choice(choice: ReadingChoice) -> None:
    if not choice.figures:
        log.info("reading layer %d, which was guided", choice.reading.layer + 1)
    for reading, value in choice.figures.items():
        mark = "<- chosen" if reading == choice.reading else ""
        log.info(
            "layer %d %s: %s %.3f %s",
            reading.layer + 1,
            reading.rows.upper(),
            choice.criterion,
            value,
            mark,
        )


def _bleu(model: TranslationModel, valid: Sequence[WordPair], into: Side) -> float:
    """Return BLEU of the validation text's beginning, on words as they are."""
    import sacrebleu

    read, written = (0, 1) if into == "tgt" else (1, 0)
    found = translate(model, [pair[read] for pair in valid], into)
    references = [" ".join(pair[written]) for pair in valid]
    if model.subwords.lowercase:
        references = [reference.lower() for reference in references]
    # Both sides are words already: tokenising them again would change them.
    score = sacrebleu.corpus_bleu(
        [" ".join(words) for words in found],
        [references],
        tokenize="none",
        force=True,
    )
    return float(score.score)
