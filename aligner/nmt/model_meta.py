"""What is known of a model beside its weights: meta.json, its one schema.

What nothing here names is kept as it is; NaN and infinity are no JSON.
"""

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import aligner
from aligner.errors import ModelError
from aligner.files import write_whole
from aligner.nmt.config import first_problem
from aligner.terms import Preset, Rows

META = "meta.json"
FORMAT = "aligner-model-2"

Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="allow")


class TrainedOn(_Part):
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


class ChosenReading(_Part):
    """What was chosen for alignment without gold; layers count from 1."""

    layer: int = Field(ge=1)
    rows: Rows
    criterion: str = ""
    figures: list[dict[str, Any]] = []
    thresholds: dict[Preset, Share] = {}


class DataFigures(_Part):
    """The training text in figures."""

    pairs: int | None = None
    sha256: str = ""


class TrainingFigures(_Part):
    """How a training that has ended went."""

    updates: int | None = None
    seconds: float = 0.0
    perplexity: float | None = None


class ModelMeta(_Part):
    """All that is known of a model; parts are missing before its training has ended."""

    files: TrainedOn = TrainedOn()
    seed: int | None = None
    alignment: ChosenReading | None = None
    data: DataFigures = DataFigures()
    training: TrainingFigures | None = None


def save_meta(directory: Path, meta: ModelMeta) -> None:
    """Write what is known of a model into its directory."""
    known = meta.model_dump(mode="json", exclude_unset=True)
    content = {"format": FORMAT, "aligner": aligner.__version__, **known}
    write_whole(directory / META, json.dumps(content, indent=2) + "\n")


def read_meta(directory: Path) -> ModelMeta:
    """Read what is known of a model.

    Raises:
        ModelError: the file is damaged or was written by another program.
    """
    path = directory / META
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text, parse_constant=_no_number)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read as JSON: {error}") from error
    found = content.get("format") if isinstance(content, dict) else content
    if not isinstance(content, dict) or found != FORMAT:
        raise ModelError(
            f'{path}: expected "format": "{FORMAT}", as this aligner writes it, '
            f"got {found!r}"
        )
    try:
        return ModelMeta.model_validate_json(text)
    except ValidationError as error:
        raise ModelError(f"{path}: {first_problem(error)}") from error


def _no_number(constant: str) -> float:
    raise ValueError(f"expected finite numbers, got {constant}")
