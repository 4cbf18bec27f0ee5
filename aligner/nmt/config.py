"""Configuration: what a recipe may say, validated; unknown keys are errors.

A recipe is a TOML file with the sections of `Config`. The configuration that a model
was trained with is written into its directory in the same form.
"""

import difflib
import json
import math
import sysconfig
import tomllib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

import aligner
from aligner.errors import ConfigError
from aligner.ranges import LARGEST


class Section(BaseModel):
    """A frozen section of the configuration in which unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False
    )


class SubwordConfig(Section):
    """How words are cut into subwords."""

    vocab_size: int = Field(8000, ge=16)
    algorithm: Literal["unigram", "bpe"] = "unigram"
    joint: bool = True
    lowercase: bool = False


class FilterConfig(Section):
    """Which sentence pairs are left out of training."""

    max_words: int = Field(100, ge=1)
    max_ratio: float = Field(4.0, ge=1)
    drop_duplicates: bool = True


class TransformerConfig(Section):
    """The sizes of the Transformer (Vaswani et al. 2017)."""

    dim: int = Field(256, ge=2)
    heads: int = Field(4, ge=1)
    encoder_layers: int = Field(3, ge=1)
    decoder_layers: int = Field(3, ge=1)
    feed_forward_dim: int = Field(1024, ge=1)
    norm: Literal["pre", "post"] = "pre"
    dropout: float = Field(0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _dim_is_divisible(self) -> "TransformerConfig":
        if self.dim % self.heads or self.dim % 2:
            raise ValueError(
                f"dim must be even and a multiple of heads, "
                f"got dim = {self.dim}, heads = {self.heads}"
            )
        return self


class TrainingConfig(Section):
    """How the Transformer is trained."""

    direction: Literal["both", "forward"] = "both"
    seed: int = Field(1, ge=0, le=LARGEST)
    batch_tokens: int = Field(2000, ge=1)  # padded tokens on the longer side
    accumulate: int = Field(1, ge=1)  # batches per update
    learning_rate: float = Field(1e-3, gt=0)  # at the end of the warm-up
    warmup_updates: int = Field(1000, ge=1)
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.98, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0)
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    guide_layer: int = Field(1, ge=1)  # the decoder layer that a guide trains
    guide_weight: float = Field(1.0, ge=0)  # of its loss beside the others
    prediction_weight: float = Field(1.0, ge=0)  # of the words that should arrive there
    hide_target: float = Field(0.5, ge=0, le=1)  # of what the guided pass is fed
    translate_every: int = Field(16, ge=1)  # updates, of those with a guide
    clip_norm: float = Field(1.0, ge=0)  # 0: no clipping
    max_epochs: int = Field(100, ge=1)
    max_updates: int = Field(1_000_000, ge=1)
    validate_every: int = Field(1000, ge=1)  # updates
    patience: int = Field(5, ge=1)  # validations without a better loss
    valid_pairs: int = Field(1000, ge=1)  # held out where no files are given
    precision: Literal["auto", "float32", "bfloat16"] = "auto"


class Config(Section):
    """A whole recipe."""

    subwords: SubwordConfig = SubwordConfig()
    filters: FilterConfig = FilterConfig()
    transformer: TransformerConfig = TransformerConfig()
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="after")
    def _guided_layer_exists(self) -> "Config":
        layers = self.transformer.decoder_layers
        if self.training.guide_layer > layers:
            raise ValueError(
                f"guide_layer must be one of {layers} decoder layers, "
                f"got {self.training.guide_layer}"
            )
        return self

    def to_toml(self) -> str:
        """Return the configuration as TOML that `read_config` reads back equal."""
        lines = [f"# Written by aligner {aligner.__version__}."]
        for section, values in self.model_dump().items():
            lines += ["", f"[{section}]"]
            # JSON's scalars are TOML's as long as strings are plain literals.
            lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        return "\n".join(lines) + "\n"

    def with_training(self, **changes: Any) -> "Config":
        """Return a copy with some of the `[training]` values replaced.

        Raises:
            ConfigError: the values do not fit the rest.
        """
        training = self.training.model_dump() | changes
        try:
            return Config.model_validate(self.model_dump() | {"training": training})
        except ValidationError as error:
            raise ConfigError(first_problem(error)) from error


def learning_rate(update: int, config: TrainingConfig) -> float:
    """Return the rate of an update (from 1): linear warm-up, then inverse root."""
    warmup = config.warmup_updates
    return config.learning_rate * min(update / warmup, math.sqrt(warmup / update))


def read_config(recipe: str | Path) -> Config:
    """Read a recipe by its path, or by the name of one that came with the package.

    Raises:
        ConfigError: no such recipe, no valid TOML, an unknown key, a bad value.
    """
    path = recipe_path(recipe)
    return config_of(read_toml(path), path)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a recipe's sections, whatever they hold.

    Raises:
        ConfigError: it cannot be read, or is no valid TOML.
    """
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read as a recipe: {reason}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


def config_of(content: Mapping[str, Any], path: Path) -> Config:
    """Return the recipe of a file's sections.

    Raises:
        ConfigError: an unknown key, or a bad value.
    """
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{path}: {first_problem(error)}") from error


def recipe_path(recipe: str | Path) -> Path:
    """Return the file of a recipe that is given by path or by name.

    Raises:
        ConfigError: neither a file nor the name of a recipe.
    """
    path = Path(recipe)
    if path.suffix == ".toml" or (path.exists() and not path.is_dir()):
        return path
    known = {found.stem: found for found in sorted(_recipe_folder().glob("*.toml"))}
    if str(recipe) not in known:
        names = ", ".join(known) or "none found"
        raise ConfigError(
            f"{recipe}: neither a recipe file nor a known recipe ({names})"
        )
    return known[str(recipe)]


def _recipe_folder() -> Path:
    """Return where the recipes lie: in the source tree, or where pip put them."""
    source_tree = Path(aligner.__file__).parent.parent / "models"
    if any(source_tree.glob("*.toml")):
        return source_tree
    try:
        installed = metadata.files("norm-aligner") or []
    except metadata.PackageNotFoundError:
        installed = []
    for file in installed:
        if file.suffix == ".toml" and file.parent.parts[-2:] == ("aligner", "models"):
            return Path(str(file.locate())).resolve().parent
    return Path(sysconfig.get_path("data")) / "share" / "aligner" / "models"


def first_problem(error: ValidationError) -> str:
    """Return pydantic's first complaint as one line in our words."""
    problem = error.errors()[0]
    where = [str(part) for part in problem["loc"]]
    key = ".".join(where)
    if problem["type"] == "extra_forbidden":
        guess = difflib.get_close_matches(where[-1], _keys(where[:-1]), n=1, cutoff=0)
        return f"unknown key {key!r}; the nearest known one is {guess[0]!r}"
    if problem["type"] == "missing":
        return f"{key}: it is missing"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"[{key}] {message}" if key else message
    return f"{key}: {message}, got {problem['input']!r:.60}"


def _keys(section: list[str]) -> list[str]:
    """Return the known keys of a section, or the sections themselves."""
    fields: Mapping[str, Any] = Config.model_fields
    for name in section:
        fields = fields[name].annotation.model_fields
    return list(fields)
