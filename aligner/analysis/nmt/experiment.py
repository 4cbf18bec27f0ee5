"""The study of translation models from model directories to a report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from aligner.analysis.nmt.measures import ModelMeasures, measure_model
from aligner.analysis.nmt.studied import Others, StudiedModel
from aligner.analysis.nmt.study import study_models
from aligner.analysis.nmt.tokens import ATTENTIONS, TokenMeasures, measure_tokens
from aligner.analysis.nmt.training_words import (
    WordCounts,
    count_subwords,
    training_words,
)
from aligner.analysis.report.content import Report
from aligner.analysis.tokens.frequencies import Frequencies
from aligner.errors import ConfigError, CorpusError
from aligner.links.alignment import GoldAlignment
from aligner.links.evaluation import gold_gaps
from aligner.nmt.checkpoint import check_model, read_stored_config
from aligner.ranges import COUNT
from aligner.terms import OneWay
from aligner.text.numbered import WordPair

Progress = Callable[[int, int], None]  # pairs read, over all models, and of how many


@dataclass(frozen=True)
class GoldText:
    """What models are measured on; pairs of overlong sides count as unlinked.

    Attributes:
        pairs: the sentence pairs, as words.
        gold: their gold alignments.
        direction: the side that is written: forward, the target.
        max_length: subwords on a side over which a pair is not read.
    """

    pairs: Sequence[WordPair]
    gold: Sequence[GoldAlignment]
    direction: OneWay = "forward"
    max_length: int = 500

    def __post_init__(self) -> None:
        """Check the number."""
        COUNT.check("max_length", self.max_length)


@dataclass
class _Experiment:
    """What was found of the models so far."""

    measures: list[ModelMeasures] = field(default_factory=list)
    tokens: list[TokenMeasures] = field(default_factory=list)
    frequencies: dict[str, Frequencies] = field(default_factory=dict)
    described: list[dict[str, Any]] = field(default_factory=list)


def run_experiment(
    directories: Sequence[Path],
    text: GoldText,
    settings: Mapping[str, Any],
    device: str = "cpu",
    frequency_words: WordCounts | None = None,
    on_progress: Progress = lambda done, of: None,
    others: Others | None = None,
) -> Report:
    """Measure models one after the other, and report on all of them.

    Args:
        directories: of the models.
        text: what they are measured on.
        settings: what the report says of how it was made.
        device: where they are run.
        frequency_words: how often words occur in the language that is read; by default
            counted in each model's training text, where that is still there.
        on_progress: told after each batch.
        others: the one model, where it is of others.

    Raises:
        ConfigError: the models differ in size, or don't know the direction.
        CorpusError: no model can read any of the pairs.
        ModelError: a directory is no whole model.
    """
    if others is None:
        _check_models(directories, text.direction)
    else:
        directories = [others.that_writes(text.direction)]
    found = _Experiment()
    steps = _Steps(on_progress, len(directories) * len(text.pairs))
    training_text = cache(training_words)
    for name, directory in _named(directories).items():
        if others is None:
            model = StudiedModel.load(directory, text.max_length, device)
        else:
            model = others.load(text.direction, text.max_length, device)
        _measure(name, directory, model, text, found, steps)
        words = frequency_words
        if words is None:
            words = training_text(model.training_text, text.direction)
        if words is not None:
            counts = count_subwords(words, model.ways[text.direction])
            found.frequencies[name] = found.tokens[-1].frequencies(counts)
    return study_models(
        found.measures,
        text.gold,
        {**settings, "models": found.described},
        [*_text_notes(text, settings), *_notes(found, text)],
        found.tokens,
        found.frequencies,
    )


def _check_models(directories: Sequence[Path], direction: OneWay) -> None:
    """Check, before any is measured, that models can be compared.

    Raises:
        ConfigError: they differ in size, one is named twice, or doesn't know the
            direction.
        ModelError: a directory is no whole model.
    """
    if len({directory.resolve() for directory in directories}) < len(directories):
        raise ConfigError("expected different models, got one of them twice")
    first: tuple[int, int, int] | None = None
    for directory in directories:
        check_model(directory)
        config = read_stored_config(directory)
        sizes = config.transformer
        found = (sizes.encoder_layers, sizes.decoder_layers, sizes.heads)
        first = first or found
        if found != first:
            raise ConfigError(
                f"{directory}: expected {_sizes(first)}, as {directories[0]} has, "
                f"got {_sizes(found)}"
            )
        if direction == "reverse" and config.training.direction != "both":
            raise ConfigError(
                f"{directory}: trained forward only: expected direction forward, "
                "got reverse"
            )


def _sizes(sizes: tuple[int, int, int]) -> str:
    return f"{sizes[0]} encoder and {sizes[1]} decoder layers of {sizes[2]} heads"


class _Steps:
    """Progress in pairs, each of which a model reads twice."""

    def __init__(self, on_progress: Progress, of: int) -> None:
        self.on_progress = on_progress
        self.done, self.of = 0.0, of

    def __call__(self, pairs: float) -> None:
        self.done += pairs / 2
        self.on_progress(round(self.done), self.of)


def _named(directories: Sequence[Path]) -> dict[str, Path]:
    """Return the models by a short name, different from the others'."""
    names = [directory.resolve().name for directory in directories]
    if len(set(names)) < len(names):
        names = [f"{number}: {name}" for number, name in enumerate(names, start=1)]
    return dict(zip(names, directories, strict=True))


def _measure(
    name: str,
    directory: Path,
    model: StudiedModel,
    text: GoldText,
    found: _Experiment,
    steps: _Steps,
) -> None:
    """Measure one model.

    Raises:
        CorpusError: it can read no pair.
    """
    problems = list(map(model.problem, text.pairs))
    if all(problems):
        raise CorpusError(
            f"{directory}: expected a pair that can be read, got none: pair 1: "
            f"{problems[0]}"
        )
    readable = [
        None if problem else pair
        for pair, problem in zip(text.pairs, problems, strict=True)
    ]
    direction = text.direction
    found.measures.append(
        measure_model(name, model.ways, readable, text.gold, direction, steps)
    )
    pairs = [pair for pair in readable if pair is not None]
    way = model.ways[direction]
    found.tokens.append(measure_tokens(name, way, pairs, direction, steps))
    unread = len(problems) - len(pairs)
    steps(2 * unread)
    names = {"name": name, "directory": str(directory)}
    found.described.append({**names, **model.description, "unread pairs": unread})


def _text_notes(text: GoldText, settings: Mapping[str, Any]) -> list[str]:
    files = [str(settings[name]) for name in ("src", "tgt", "gold") if settings[name]]
    return [f"{len(text.pairs)} sentence pairs: {', '.join(files)}."]


def _notes(found: _Experiment, text: GoldText) -> list[str]:
    """Return what a reader of the figures has to know."""
    models = found.described
    written = "target" if text.direction == "forward" else "source"
    notes = [
        f"One direction: each {written} word links to one word of the other side or to "
        "none. Not to be compared with alignments joined from both directions.",
        "AWI reads a word where the decoder is fed it, AWO where it is predicted; "
        "weight, norm, resln and alti are scores: aligner's docs/analysis.md defines "
        "them.",
    ]
    if any(model.get("of others") for model in models):
        notes.append(
            "A model of others, of which the attention to the source is read, by "
            "weight and by norm."
        )
    elif guided := [model["name"] for model in models if model["guided"]]:
        notes.append(
            f"Trained with a guide, so not the paper's setting: {', '.join(guided)}."
        )
    else:
        notes.append("Trained without a guide, on translation alone.")
    if gaps := gold_gaps(text.gold):
        notes.append(f"{gaps}.")
    if unread := sum(model["unread pairs"] for model in models):
        notes.append(
            f"{unread} pairs could not be read (an empty or overlong side) and count "
            "as unlinked."
        )
    for tokens in found.tokens:
        for attention, groups in tokens.groups.items():
            notes += [
                f"{tokens.name}: no tokens of the kind “{kind}” in "
                f"{ATTENTIONS[attention]}: it is left out."
                for kind in groups.absent
            ]
    for name, frequencies in found.frequencies.items():
        notes += [f"{name}: {note}" for note in frequencies.notes("")]
    if without := [m["name"] for m in models if m["name"] not in found.frequencies]:
        notes.append(
            "The training text can't be read any more, so nothing is said of "
            f"frequency (frequency_text names one): {', '.join(without)}."
        )
    return notes
