"""What the options say to read of a model's attention."""

from typing import TYPE_CHECKING

from aligner.terms import Rows, Score

if TYPE_CHECKING:
    from aligner.extraction.reading import Reading
    from aligner.nmt.checkpoint import TranslationModel


def reading_of(
    model: "TranslationModel",
    layer: int | None,
    rows: "Rows | None",
    score: "Score" = "norm",
    head: int | None = None,
) -> "Reading":
    """Return what the options say to read, and for the rest the model's own choice.

    Layers and heads are counted from 1.
    """
    from aligner.extraction.aligner import stored_reading
    from aligner.extraction.reading import Reading

    if layer is None or rows is None:
        stored = stored_reading(model)
        layer = stored.layer + 1 if layer is None else layer
        rows = rows or stored.rows
    return Reading(layer - 1, rows, score, None if head is None else head - 1)
