"""Small JSON files with a format and a schema: what is known or chosen, in words.

What no schema names is kept as it is; NaN and infinity are no JSON.
"""

import json
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import aligner
from aligner.errors import ModelError
from aligner.files import write_whole
from aligner.nmt.config import first_problem

Share = Annotated[float, Field(ge=0, le=1)]
Layer = Annotated[int, Field(ge=1)]  # counted from 1


class Part(BaseModel):
    """A part of such a file, checked when it is made."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow")


Stored = TypeVar("Stored", bound=Part)


def save_stored(path: Path, format: str, content: Part) -> None:
    """Write a file of a format, whole or not at all."""
    known = content.model_dump(mode="json", exclude_unset=True)
    found = {"format": format, "aligner": aligner.__version__, **known}
    write_whole(path, json.dumps(found, indent=2) + "\n")


def read_stored(path: Path, format: str, schema: type[Stored]) -> Stored:
    """Read a file of a format.

    Raises:
        ModelError: it is missing, damaged, or was written by another program.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text, parse_constant=_no_number)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read as JSON: {error}") from error
    found = content.get("format") if isinstance(content, dict) else content
    if not isinstance(content, dict) or found != format:
        raise ModelError(
            f'{path}: expected "format": "{format}", as this aligner writes it, '
            f"got {found!r}"
        )
    try:
        return schema.model_validate_json(text)
    except ValidationError as error:
        raise ModelError(f"{path}: {first_problem(error)}") from error


def _no_number(constant: str) -> float:
    raise ValueError(f"expected finite numbers, got {constant}")
