"""What was chosen of translation models of others, in a file: JSON, small, readable."""

import hashlib
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from aligner.errors import ModelError
from aligner.extraction.pretrained_aligner import Models
from aligner.extraction.reading import Reading
from aligner.extraction.selection import ReadingChoice
from aligner.nmt.stored import Layer, Part, Share, read_stored, save_stored
from aligner.pretrained.encoder_evidence import Choice as EncoderChoice
from aligner.pretrained.encoder_evidence import EncoderEvidence
from aligner.pretrained.word_encoder import WordEncoder
from aligner.terms import PRESETS, OneWay, Preset, Rows

FORMAT = "aligner-choice-1"
FLOATS = "<f4"
Hex = Annotated[str, Field(pattern="^([0-9a-f]{16})+$")]  # of floats, an even number


class Figure(Part):
    """How far a layer and rows, from 1, agree with the best of the other way."""

    layer: Layer
    rows: Rows
    agreement: Share


class ChosenWay(Part):
    """What is read of one way's model, which is named for people."""

    model: str
    layer: Layer
    rows: Rows
    figures: list[Figure]

    @classmethod
    def of(cls, model: str, choice: ReadingChoice) -> "ChosenWay":
        """Return what was chosen of a model."""
        figures = [
            Figure(layer=one.layer + 1, rows=one.rows, agreement=round(value, 4))
            for one, value in choice.figures.items()
        ]
        best = choice.reading
        return cls(model=model, layer=best.layer + 1, rows=best.rows, figures=figures)


class EncoderReading(Part):
    """How an encoder is read, see `encoder_evidence.Choice`, and which one it is."""

    model: str
    mark: str
    layer: Layer
    sharpness: float
    null: float
    means: Hex

    @classmethod
    def of(cls, evidence: EncoderEvidence) -> "EncoderReading":
        """Return how an encoder is read."""
        layer, sharpness, null, means = evidence.choice
        return cls(
            model=evidence.encoder.name,
            mark=_mark(evidence.encoder),
            layer=layer,
            sharpness=sharpness,
            null=null,
            means=means.astype(FLOATS).tobytes().hex(),
        )


class Choice(Part):
    """How models of others are read, as was chosen by some pairs of a text.

    Attributes:
        pairs: how many it was chosen by.
        ways: what is read of each way.
        thresholds: for each preset, for both ways joined; none of one way alone.
        encoder: how an encoder is read that is joined to both, if one is.
        tokenize: the languages of both sides, if they were raw text, as
            `text.tokenizers.resolved` writes them.
    """

    pairs: int
    ways: dict[OneWay, ChosenWay]
    thresholds: dict[Preset, Share]
    encoder: EncoderReading | None = None
    tokenize: tuple[str, str] | None = None

    @property
    def readings(self) -> dict[OneWay, Reading]:
        """What is read of each way."""
        return {way: Reading(c.layer - 1, c.rows) for way, c in self.ways.items()}


def save_choice(path: Path, choice: Choice) -> None:
    """Write what was chosen, whole or not at all."""
    save_stored(path, FORMAT, choice)


def read_choice(path: Path) -> Choice:
    """Read what `save_choice` wrote.

    Raises:
        ModelError: it is missing, damaged, or another file.
    """
    return read_stored(path, FORMAT, Choice)


def check_choice(choice: Choice, models: Models, path: Path) -> None:
    """Check that a choice of a file is one for some models, as far as can be told.

    Raises:
        ModelError: it is of other ways, or of models with another number of layers, or
            a threshold is missing.
    """
    if choice.ways.keys() != models.keys():
        chosen, known = (" and ".join(sorted(w)) for w in (choice.ways, models))
        raise ModelError(f"{path}: expected a choice for {known}, got one for {chosen}")
    if len(models) == 2 and (missing := PRESETS.keys() - choice.thresholds.keys()):
        raise ModelError(f"{path}: expected a threshold for {min(missing)}, got none")
    for way, model in models.items():
        found = choice.ways[way]
        tried = max((figure.layer for figure in found.figures), default=0)
        if tried != model.network.depth:
            raise ModelError(
                f"{path}: expected a choice for {model.name}, of "
                f"{model.network.depth} decoder layers, got one for {found.model}, of "
                f"{tried}"
            )


def stored_encoder(
    choice: EncoderReading, encoder: WordEncoder, path: Path
) -> EncoderEvidence:
    """Return an encoder, read as a file has it.

    Raises:
        ModelError: it is another encoder than the one that was chosen for.
    """
    numbers = np.frombuffer(bytes.fromhex(choice.means), FLOATS)
    means = numbers.astype(np.float32).reshape(2, -1)
    if (
        choice.mark != _mark(encoder)
        or means.shape != (2, encoder.dim)
        or choice.layer > encoder.depth
        or not np.isfinite(means).all()
    ):
        raise ModelError(
            f"{encoder.name}: expected the encoder that {path} was made with, "
            f"{choice.model}, got another"
        )
    of_reading = EncoderChoice(choice.layer, choice.sharpness, choice.null, means)
    return EncoderEvidence(encoder, of_reading)


def _mark(encoder: WordEncoder) -> str:
    return hashlib.sha256(encoder.mark.tobytes()).hexdigest()
