"""What a study found, as plain values: tables, figures and notes."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

import aligner
from aligner.analysis.report.figures import Figure

Cell: TypeAlias = str | int | float | None  # None: there is no such value


@dataclass(frozen=True)
class Table:
    """A table of a report.

    Attributes:
        name: of its file, without a suffix.
        title: what it shows; the place in the paper that shows the same.
        columns: the names of the columns.
        rows: a cell for each column.
        digits: decimals of fractions on the page; files have all.
        note: how to read it.
        digits_of: the same for single columns.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    digits: int = 3
    note: str = ""
    digits_of: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that every row has its cells, and that every number is one."""
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.name}: expected {self.columns}, got {row}")
            if any(isinstance(cell, float) and not math.isfinite(cell) for cell in row):
                raise ValueError(f"{self.name}: expected finite numbers, got {row}")

    def to_csv(self) -> str:
        """Return comma-separated values under a line of names; None is empty."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([self.columns, *self.rows])
        return file.getvalue()


@dataclass(frozen=True)
class Report:
    """A study's result.

    Attributes:
        title: a line.
        settings: what was analysed and how, by name; JSON's types only.
        notes: a sentence each: what was left out and why, what to keep in mind.
        tables: the most telling first.
        figures: likewise.
    """

    title: str
    settings: Mapping[str, Any]
    notes: Sequence[str]
    tables: Sequence[Table]
    figures: Sequence[Figure]

    def __post_init__(self) -> None:
        """Check that no two tables or figures have one name."""
        names = [entry.name for entry in (*self.tables, *self.figures)]
        if len(set(names)) < len(names):
            raise ValueError(f"a name twice: {names}")

    def to_json(self) -> str:
        """Return everything as JSON."""
        content = {
            "aligner": aligner.__version__,
            "title": self.title,
            "settings": self.settings,
            "notes": list(self.notes),
            "tables": [asdict(table) for table in self.tables],
            "figures": [
                {"kind": type(figure).__name__, **asdict(figure)}
                for figure in self.figures
            ],
        }
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        return encodable(text) + "\n"


def encodable(text: str) -> str:
    """Return text that UTF-8 can hold: names of files may have bytes that it can't."""
    return text.encode("utf-8", "replace").decode()
