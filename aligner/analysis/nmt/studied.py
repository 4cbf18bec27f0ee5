"""The models of a study: ours or others', as the ways that are measured."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aligner.analysis.nmt.training_words import TextPlace
from aligner.errors import ConfigError
from aligner.extraction.aligner import problem_of, ways_of
from aligner.extraction.pretrained_aligner import problem_of as problem_of_others
from aligner.extraction.pretrained_aligner import ways_of_others
from aligner.extraction.ways import Ways
from aligner.nmt.checkpoint import TranslationModel, load_model
from aligner.nmt.model_meta import TrainingFigures
from aligner.pretrained.translation import is_foreign, load_ways
from aligner.terms import OneWay
from aligner.text.numbered import WordPair


@dataclass(frozen=True)
class StudiedModel:
    """A model that is measured.

    Attributes:
        ways: its directions, or those of two models.
        problem: says why a pair cannot be read, or nothing.
        description: what a report says of it.
        training_text: where its training text was, if anyone knows.
    """

    ways: Ways
    problem: Callable[[WordPair], str]
    description: dict[str, Any]
    training_text: TextPlace

    @classmethod
    def load(cls, directory: Path, max_length: int, device: str) -> "StudiedModel":
        """Load a model of ours.

        Raises:
            ModelError: the directory is no whole model.
        """
        model = load_model(directory, device)
        return cls(
            ways_of(model),
            lambda pair: problem_of(pair, model.subwords, max_length),
            _description(model),
            TextPlace.of(model),
        )


@dataclass(frozen=True)
class Others:
    """A model of others to be studied, by its names.

    Attributes:
        model: a directory or a hub name.
        reverse: likewise, of the one of the other way.
        languages: the source's and the target's, where it knows many.
    """

    model: str
    reverse: str | None = None
    languages: tuple[str, str] | None = None

    def that_writes(self, direction: OneWay) -> Path:
        """Return the one that is measured in a direction."""
        is_other = direction == "reverse" and self.reverse is not None
        return Path(str(self.reverse) if is_other else self.model)

    def load(self, direction: OneWay, max_length: int, device: str) -> StudiedModel:
        """Load it, and the one of the other way.

        Raises:
            ConfigError: there is none of the direction that is measured, or something
                needed is not installed.
            ModelError: one does not load, or is no such model.
        """
        models = load_ways(self.model, self.reverse, self.languages, device)
        if direction not in models:
            raise ConfigError(
                f"direction {direction}: expected --reverse-model, got none"
            )
        network = models[direction].network
        sizes = {"decoder_layers": network.depth, "heads": network.heads}
        return StudiedModel(
            ways_of_others(models),
            lambda pair: problem_of_others(models, pair, max_length),
            {"config": {"transformer": sizes, "training": {}}, "of others": True},
            TextPlace(None, None, None),
        )


def others_of(
    names: list[Path],
    reverse: str | None = None,
    languages: tuple[str, str] | None = None,
) -> Others | None:
    """Return the model of others that names are about; None for ours.

    Raises:
        ConfigError: there is another one beside it.
    """
    if not (reverse or languages or any(is_foreign(str(name)) for name in names)):
        return None
    if len(names) != 1:
        raise ConfigError(
            f"expected one model where it is of others, got {len(names)} models"
        )
    return Others(str(names[0]), reverse, languages)


def _description(model: TranslationModel) -> dict[str, Any]:
    """Return what a report says of a model of ours."""
    training = model.meta.training or TrainingFigures()
    return {
        "guide": model.meta.files.guide,
        "guided": model.is_guided,
        "config": model.config.model_dump(),
        "updates": training.updates,
        "minutes": round(training.seconds / 60, 1),
        "perplexity": training.perplexity,
        "training pairs": model.meta.data.pairs,
    }
