"""What a training that begins with the weights of an earlier model keeps of it."""

from dataclasses import replace
from pathlib import Path

from aligner.errors import ConfigError
from aligner.nmt.checkpoint import check_model, read_stored_config
from aligner.nmt.config import Config, read_config
from aligner.nmt.model_meta import read_meta
from aligner.prior.storage import PRIOR
from aligner.text.tokenizers import Languages, agreed_languages
from aligner.training.corpus import TrainingFiles

# What the weights were learnt for: sections of a recipe, or keys.
KEPT = (("subwords", None), ("transformer", None), ("training", "direction"))


def usual_recipe(files: TrainingFiles | None) -> Config:
    """Return the recipe where none is given: that of the earlier model, or `small`.

    Raises:
        ModelError: there is no such model.
    """
    if files is None or files.start_from is None:
        return read_config("small")
    check_model(Path(files.start_from))
    return read_stored_config(Path(files.start_from))


def started(files: TrainingFiles, config: Config, out: Path) -> TrainingFiles:
    """Return the files of a training, cut into words as the earlier model has it.

    Args:
        files: where the text and the earlier model, if there is one, lie.
        config: the recipe.
        out: the directory of the new model.

    Raises:
        ConfigError: the recipe, the languages, or the guide contradict the model.
        ModelError: there is no such model.
    """
    if files.start_from is None:
        return files
    model = Path(files.start_from)
    if out.resolve() == model.resolve():
        raise ConfigError(
            f"{out}: expected another directory than the model begun from"
        )
    _check_recipe(config, usual_recipe(files), model)
    if files.guide == "auto" and not (model / PRIOR).is_file():
        raise ConfigError(
            f"{model}: to begin from it, expected guide none, or a file, as it has no "
            "prior, got auto"
        )
    languages = _languages(files.tokenize, model)
    if languages and not isinstance(files.src, str):
        raise ConfigError(f"{model}: to begin from it, expected files of raw text")
    return replace(files, tokenize=languages)


def _check_recipe(config: Config, earlier: Config, model: Path) -> None:
    for section, only in KEPT:
        given, kept = (getattr(one, section).model_dump() for one in (config, earlier))
        for key in [only] if only else kept:
            if given[key] != kept[key]:
                raise ConfigError(
                    f"{model}: to begin from it, expected {section}.{key} = "
                    f"{kept[key]!r}, as it has, got {given[key]!r}"
                )


def _languages(said: Languages | None, model: Path) -> Languages | None:
    """Return what cuts text for an earlier model, if that is not spaces alone."""
    stored = read_meta(model).files.tokenize
    if stored is None and said is not None:
        raise ConfigError(
            f"{model}: to begin from it, expected words between spaces, as it has "
            f"learnt, got raw text ({' '.join(said)})"
        )
    return agreed_languages(stored, said, model)
