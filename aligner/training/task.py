"""What a training is to do: from which text, by which recipe, into which directory."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aligner.errors import ConfigError, ModelError
from aligner.nmt.checkpoint import CONFIG, WEIGHTS
from aligner.nmt.config import Config
from aligner.nmt.model_meta import read_meta
from aligner.training.corpus import TrainingFiles
from aligner.training.start import started
from aligner.training.state import STATE


@dataclass(frozen=True)
class Task:
    """A training that is to fill a model directory, or to go on with what is there.

    Attributes:
        files: the text and the guide.
        config: the recipe.
        out: the model directory.
        resume: whether to go on.
    """

    files: TrainingFiles
    config: Config
    out: Path
    resume: bool = False

    @property
    def goes_on(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return self.resume and (self.out / STATE).is_file()

    def check(self) -> None:
        """Check that there is something to do.

        Raises:
            ModelError: it has ended, and there is no checkpoint to go on from.
        """
        ended = self.resume and read_meta(self.out).training is not None
        if ended and not self.goes_on:
            raise ModelError(f"{self.out}: no checkpoint to resume from")

    @classmethod
    def new(
        cls, files: TrainingFiles, config: Config, out: Path, *, overwrite: bool = False
    ) -> "Task":
        """Return the training of a new model.

        Raises:
            ConfigError: a model is there already, or something contradicts the guide
                or the model that is begun from.
            ModelError: there is no such model to begin from.
        """
        for name in ("encoder", "dictionary"):
            value = getattr(files, name)
            if value is not None and files.guide != "auto":
                raise ConfigError(
                    f"{name} {value}: expected guide auto, got {files.guide}"
                )
        if out.exists() and not out.is_dir():
            raise ConfigError(f"{out}: expected a directory to write to, got a file")
        if not overwrite and any((out / name).exists() for name in (CONFIG, WEIGHTS)):
            raise ConfigError(
                f"{out}: a model is there already: expected to resume it, to overwrite "
                "it, or another directory"
            )
        return cls(started(files, config, out), config, out)

    @classmethod
    def resumed(
        cls,
        out: Path,
        files: TrainingFiles | None = None,
        config: Config | None = None,
        changes: Mapping[str, Any] | None = None,
    ) -> "Task":
        """Return the rest of a training that was begun before.

        Args:
            out: its model directory.
            files: its text, if it is given again: as before, or piped again.
            config: its recipe, if it is given again.
            changes: of the recipe, if they are given again.

        Raises:
            ConfigError: what is given differs from before, or was piped.
            ModelError: there is nothing to resume.
        """
        before, recipe = TrainingFiles.of_run(out)
        given = (config or recipe).with_training(**(changes or {}))
        if given != recipe:
            raise ConfigError(
                f"{out}: to resume, expected the same recipe as before, got another "
                f"{_difference(given, recipe)}"
            )
        if files:
            if files.start_from and not files.tokenize:
                files = replace(files, tokenize=before.tokenize)
            _check_same(out, dict(files.to_meta()), dict(before.to_meta()))
        if files is None and before.is_gone:
            raise ConfigError(
                f"{out}: to resume, expected the text again, as it was piped before"
            )
        return cls(files or before, recipe, out, resume=True)


def _check_same(out: Path, given: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    for name, value in before.items():
        if given[name] != value:
            raise ConfigError(
                f"{out}: to resume, expected {name} as before, {value}, "
                f"got {given[name]}"
            )


def _difference(one: Config, other: Config) -> str:
    """Return the first key that differs."""
    return next(
        f"{section}.{key}"
        for section, values in one.model_dump().items()
        for key, value in values.items()
        if getattr(getattr(other, section), key) != value
    )
