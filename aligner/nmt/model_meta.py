"""What is known of a model beside its weights: meta.json, its one schema."""

from pathlib import Path
from typing import Any

from pydantic import Field

from aligner.nmt.stored import Layer, Part, Share, read_stored, save_stored
from aligner.terms import Preset, Rows

META = "meta.json"
FORMAT = "aligner-model-2"


class TrainedOn(Part):
    """Where the text and the rest came from; "-" for what cannot be read again."""

    src: str | None = None
    tgt: str | None = None
    valid_src: str | None = None
    valid_tgt: str | None = None
    tokenize: tuple[str, str] | None = None
    guide: str = "none"
    encoder: str | None = None
    dictionary: str | None = None
    start_from: str | None = None


class ChosenReading(Part):
    """What was chosen for alignment without gold; layers count from 1."""

    layer: Layer
    rows: Rows
    criterion: str = ""
    figures: list[dict[str, Any]] = Field(default_factory=list)
    thresholds: dict[Preset, Share] = Field(default_factory=dict)
    prior_weight: Share = 0.5  # that the thresholds were chosen with
    thresholds_alone: dict[Preset, Share] = Field(default_factory=dict)  # no prior's


class DataFigures(Part):
    """The training text in figures."""

    pairs: int | None = None
    sha256: str = ""


class TrainingFigures(Part):
    """How a training that has ended went."""

    updates: int | None = None
    seconds: float = 0.0
    perplexity: float | None = None


class ModelMeta(Part):
    """All that is known of a model; parts are missing before its training has ended."""

    files: TrainedOn = TrainedOn()
    expects_prior: bool = False  # in the logits where it sees the whole target
    seed: int | None = None
    alignment: ChosenReading | None = None
    data: DataFigures = DataFigures()
    training: TrainingFigures | None = None


def save_meta(directory: Path, meta: ModelMeta) -> None:
    """Write what is known of a model into its directory."""
    save_stored(directory / META, FORMAT, meta)


def read_meta(directory: Path) -> ModelMeta:
    """Read what is known of a model.

    Raises:
        ModelError: the file is damaged or was written by another program.
    """
    return read_stored(directory / META, FORMAT, ModelMeta)
