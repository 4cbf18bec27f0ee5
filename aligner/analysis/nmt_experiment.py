"""The study of translation models from model directories to a report."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aligner.analysis.nmt_measures import (
    Direction,
    ModelMeasures,
    direction_tag,
    measure_model,
)
from aligner.analysis.nmt_study import study_models
from aligner.analysis.nmt_tokens import TokenMeasures, measure_tokens
from aligner.analysis.report import Report
from aligner.errors import AlignerError
from aligner.extraction.aligner import Aligner, LinkRule, WordPair
from aligner.extraction.forced_decoding import Reading, Segmented
from aligner.links.alignment import GoldAlignment
from aligner.nmt.checkpoint import TranslationModel, load_model
from aligner.text.bitext import read_bitext
from aligner.text.subwords import Side, Subwords
from aligner.text.words import word_tokenizers

Progress = Callable[[int, int], None]  # pairs read, over all models, and of how many
WordCounts = Mapping[str, int]


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
    direction: Direction = "forward"
    max_length: int = 500


@dataclass
class _Experiment:
    """What was found of the models so far."""

    measures: list[ModelMeasures] = field(default_factory=list)
    tokens: list[TokenMeasures] = field(default_factory=list)
    counts: dict[str, Counter[int]] = field(default_factory=dict)
    described: list[dict[str, Any]] = field(default_factory=list)
    without_counts: list[str] = field(default_factory=list)


def run_experiment(
    directories: Sequence[Path],
    text: GoldText,
    settings: Mapping[str, Any],
    device: str = "cpu",
    frequency_words: WordCounts | None = None,
    progress: Progress = lambda done, of: None,
) -> Report:
    """Measure models one after the other, and report on all of them.

    Args:
        directories: of the models.
        text: what they are measured on.
        settings: what the report says of how it was made.
        device: where they are run.
        frequency_words: how often words occur in the language that is read; by default
            counted in each model's training text, where that is still there.
        progress: told after each batch.

    Raises:
        ConfigError: the models differ in size, or don't know the direction.
        ModelError: a directory is no whole model.
    """
    found = _Experiment()
    known: dict[str, WordCounts | None] = {}
    steps = _Steps(progress, len(directories) * len(text.pairs))
    for name, directory in _named(directories).items():
        model = load_model(directory, device)
        _measure(name, model, text, found, steps)
        found.described[-1]["directory"] = str(directory)
        words = frequency_words
        if words is None:
            files = model.meta.get("files", {})
            place = str(files)
            if place not in known:
                known[place] = training_words(files, text.direction)
            words = known[place]
        if words is None:
            found.without_counts.append(name)
        else:
            side: Side = "src" if text.direction == "forward" else "tgt"
            found.counts[name] = count_subwords(words, model.subwords, side)
    return study_models(
        found.measures,
        text.gold,
        {**settings, "models": found.described},
        _notes(found, text),
        found.tokens,
        found.counts,
    )


class _Steps:
    """Progress in pairs, each of which a model reads twice."""

    def __init__(self, progress: Progress, of: int) -> None:
        self.progress = progress
        self.done, self.of = 0.0, of

    def __call__(self, pairs: float) -> None:
        self.done += pairs / 2
        self.progress(round(self.done), self.of)


def training_words(
    files: Mapping[str, Any], direction: Direction
) -> dict[str, int] | None:
    """Count the words of the side that is read in a model's training text.

    Returns None where the text, which the model's directory names, cannot be read.
    """
    tokenize = files.get("tokenize")
    try:
        tokenizers = word_tokenizers(tuple(tokenize) if tokenize else None)
        sides = read_bitext(files["src"], files["tgt"])
        read = 0 if direction == "forward" else 1
        return count_words(map(tokenizers[read], (pair[read] for pair in sides)))
    except (AlignerError, OSError, KeyError, TypeError):
        return None


def count_words(sentences: Iterable[Iterable[str]]) -> dict[str, int]:
    """Return how often each word occurs."""
    counts: Counter[str] = Counter()
    for words in sentences:
        counts.update(words)
    return dict(counts)


def count_subwords(words: WordCounts, subwords: Subwords, side: Side) -> Counter[int]:
    """Return how often each subword occurs in words that occur so often."""
    counts: Counter[int] = Counter()
    for word, count in words.items():
        for subword in subwords.encode([word], side)[0].tolist():
            counts[subword] += count
    return counts


def _named(directories: Sequence[Path]) -> dict[str, Path]:
    """Return the models by a short name, different from the others'."""
    names = [directory.resolve().name for directory in directories]
    if len(set(names)) < len(names):
        names = [f"{number}: {name}" for number, name in enumerate(names, start=1)]
    return dict(zip(names, directories, strict=True))


def _measure(
    name: str,
    model: TranslationModel,
    text: GoldText,
    found: _Experiment,
    steps: _Steps,
) -> None:
    """Measure one model."""
    tag = direction_tag(model, text.direction)
    # An aligner only to tell which pairs can be read.
    aligner = Aligner(model, Reading(0, "awi"), LinkRule("forward"), text.max_length)
    readable = [not aligner.problem(pair) for pair in text.pairs]
    segmented = [
        Segmented.of(pair, model.subwords) if can_be_read else None
        for pair, can_be_read in zip(text.pairs, readable, strict=True)
    ]
    found.measures.append(
        measure_model(name, model, segmented, text.gold, text.direction, steps)
    )
    pairs = [pair for pair in segmented if pair is not None]
    words = [pair for pair, ok in zip(text.pairs, readable, strict=True) if ok]
    if text.direction == "reverse":
        pairs = [pair.turned() for pair in pairs]
        words = [(tgt, src) for src, tgt in words]
    if pairs:
        found.tokens.append(measure_tokens(name, model, pairs, words, tag, steps))
    unread = len(readable) - len(pairs)
    steps(2 * unread)
    found.described.append(_description(model, unread))


def _description(model: TranslationModel, unread: int) -> dict[str, Any]:
    """Return what a model is, for the settings of a report."""
    training = model.meta.get("training", {})
    return {
        "directory": "",
        "seed": model.config.training.seed,
        "guide": model.meta.get("files", {}).get("guide", "none"),
        "guided": model.is_guided,
        "config": model.config.model_dump(),
        "updates": training.get("updates"),
        "training minutes": round(training.get("seconds", 0) / 60, 1),
        "perplexity": training.get("perplexity"),
        "training pairs": model.meta.get("data", {}).get("pairs"),
        "unread pairs": unread,
    }


def _notes(found: _Experiment, text: GoldText) -> list[str]:
    """Return what a reader of the figures has to know."""
    models = found.described
    seeds = ", ".join(str(model["seed"]) for model in models)
    notes = [
        f"{len(text.pairs)} sentence pairs; {len(models)} "
        f"model{'s' * (len(models) > 1)}, seed {seeds}.",
        "One direction: each word of the side that is written links to one word or to "
        "none. Not to be compared with alignments joined from both directions.",
    ]
    if guided := [model["directory"] for model in models if model["guided"]]:
        notes.append(
            "Trained with a guide, so not the paper's setting: " + ", ".join(guided)
        )
    else:
        notes.append("Trained without a guide, on translation alone.")
    if unread := sum(model["unread pairs"] for model in models):
        notes.append(
            f"{unread} pairs could not be read (an empty or overlong side) and count "
            "as unlinked."
        )
    for tokens in found.tokens:
        for attention, groups in tokens.groups.items():
            notes += [
                f"{tokens.name}: no tokens of the kind “{kind}” for attention "
                f"“{attention}”: it is left out."
                for kind in groups.absent
            ]
    if found.without_counts:
        notes.append(
            "The training text can't be read any more, so nothing is said of "
            f"frequency (--frequency-text names one): {', '.join(found.without_counts)}"
        )
    return notes
